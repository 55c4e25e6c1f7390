// SPDX-License-Identifier: Apache-2.0

// Package space keeps the namespaces that a node lives in: a named network
// namespace, and a mount namespace that lasts as long as a process lives in it,
// so that no mount of the node is ever seen on the host. It owns entering them
// and finding who is inside; what the network looks like belongs to package
// network.
package space

import (
	"errors"
)

// ErrUnsupported says that the system has no such namespaces.
var ErrUnsupported = errors.New("namespaces need Linux")

// Mount is one bind mount that the node sees.
type Mount struct {
	// From is a folder or file on the host.
	From string
	// At is where the node sees it; it must exist on the host.
	At string
}
