// SPDX-License-Identifier: Apache-2.0

// Package e2e holds the tests that need real pods: Berth installed by its chart on the one-node cluster of `make up`,
// seen by kubectl, helm and HTTP as a person sees it. `make e2e` runs them; they stay few.
package e2e
