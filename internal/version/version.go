// SPDX-License-Identifier: Apache-2.0

// Package version says which Berth this is. It owns the one version string of a build and the form in which clients
// of the HTTP API see it; it does not know what a client makes of it.
package version

import "strings"

// contract is the version of Coder's API that Berth answers as. Coder's clients compare major and minor with their
// own and warn people when they differ.
const contract = "v2.31.0"

// Version is this build's version, such as "v0.1.0". The linker sets it
// (-ldflags "-X github.com/berth-dev/berth/internal/version.Version=v0.1.0"); nothing else may.
var Version = "v0.0.0-dev"

// Wire returns the version that the HTTP API names in its build information and in the header X-Coder-Build-Version:
// the contract's version, with Berth's own as build metadata.
func Wire() string {
	return contract + "+berth-" + metadata(Version)
}

// metadata replaces what semantic versioning does not allow in build metadata, such as the second "+" of
// "v0.1.0+dirty", so that strict clients can still parse the whole.
func metadata(v string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.':
			return r
		}
		return '-'
	}, v)
}
