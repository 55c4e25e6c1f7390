// SPDX-License-Identifier: Apache-2.0

// Package ledger holds the rules by which a workspace's transitions follow one another: which build comes next and why,
// which one counts, when it has failed by the clock, which old ones are forgotten, and what a deletion keeps. The ledger
// of a workspace is its WorkspaceBuilds; status.build names the newest one that was accepted, and status.acted the wish
// that was last acted upon.
//
// The package decides and does nothing: it reads objects that it is given and a time, and says what the manager should
// do. What a build makes of a pod and its claims is the build controller's; whether a start is allowed is asked by the
// caller and handed in.
package ledger
