// SPDX-License-Identifier: Apache-2.0

// Package audit says what an audit entry is: who did what to which resource, what changed by it, and what is kept secret of
// that. It owns the difference between two states of an object, how refused attempts are counted so that nobody can flood
// the log, and the book in memory from which searches are answered. It stores nothing and serves nobody: internal/records
// keeps the entries, apiserver/auditlog makes and shows them.
package audit
