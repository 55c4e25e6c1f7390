// SPDX-License-Identifier: Apache-2.0

// Package arch holds the table of who may import whom in this module, and the test that holds the code to it. A package
// without a row fails: a new part of the house is a decision.
package arch
