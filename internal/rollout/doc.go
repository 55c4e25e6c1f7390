// SPDX-License-Identifier: Apache-2.0

// Package rollout says how a new version of a template comes out, and which version a workspace's next start takes. The
// manager asks it for both, the API server for the second, so that a start by either door takes the same version and all
// that is shown of it agrees.
//
// It reads the objects that it is given and a time, and does nothing. Whether a version is right is decided before;
// whether a start may be made at all is package policy's.
package rollout
