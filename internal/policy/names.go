// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"regexp"
	"slices"
	"strings"
)

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$`)

// IsName tells whether a text has the form of a name on the wire: letters and digits in parts joined by single hyphens, at
// most that many characters. It is the form of WireName in the CRDs, said where a request gives the name.
func IsName(text string, most int) bool { return len(text) <= most && nameForm.MatchString(text) }

// reservedUsernames are the words that stand for somebody or something else where a path has a username.
var reservedUsernames = []string{"new", "create", "me", "first", "roles", "login", "logout", "authmethods", "oauth2", "oidc"}

// IsReservedUsername tells whether a name has a meaning of its own where a path has a username.
func IsReservedUsername(name string) bool {
	return slices.ContainsFunc(reservedUsernames, func(word string) bool { return strings.EqualFold(name, word) })
}
