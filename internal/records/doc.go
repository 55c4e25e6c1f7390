// SPDX-License-Identifier: Apache-2.0

// Package records keeps what arrives too fast for one object each: lines of JSON, gathered into batches, compressed, and
// stored in immutable Secrets of Berth's own namespace, which the API server alone may read. It owns that a line is stored
// when its writer is told so, that small objects become few large ones without a line being lost, and that what is too old
// or too much goes, the oldest first. It does not know what a line says.
package records
