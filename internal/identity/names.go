// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// MaxUsername and MaxEmail are how long a username and an address may be, in bytes.
	MaxUsername = 32
	MaxEmail    = 254
)

var (
	usernameForm = regexp.MustCompile(`^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$`)
	emailForm    = regexp.MustCompile(`^[^\s@<>"(),:;\\]+@[^\s@<>"(),:;\\]+$`)
	notInName    = regexp.MustCompile(`[^a-zA-Z0-9]+`)
)

// reserved are the words that stand for somebody or something else where a path has a username.
var reserved = []string{"new", "create", "me", "first", "roles", "login", "logout", "authmethods", "oauth2", "oidc"}

// CheckUsername is a fault at the field when nobody may be called so; nil otherwise.
func CheckUsername(field, name string) *fault.Error {
	switch {
	case len(name) > MaxUsername || !usernameForm.MatchString(name):
		return fault.On(field, "must be letters and digits joined by single hyphens, 1 to %d characters", MaxUsername)
	case slices.Contains(reserved, strings.ToLower(name)):
		return fault.On(field, "%q has a meaning of its own in paths; choose another", name)
	}
	return nil
}

// CheckEmail is a fault at the field when the text is no e-mail address; nil otherwise.
func CheckEmail(field, address string) *fault.Error {
	if len(address) < 3 || len(address) > MaxEmail || !emailForm.MatchString(address) {
		return fault.On(field, "must be an e-mail address, such as ada@example.org")
	}
	return nil
}

// UsernameFor is a username made of what another system calls a person: of an address the part before the @, with a hyphen
// in place of what a username can't hold. It need not be free.
func UsernameFor(text string) string {
	local, _, _ := strings.Cut(text, "@")
	name := strings.Trim(notInName.ReplaceAllString(local, "-"), "-")
	name = strings.TrimRight(name[:min(len(name), MaxUsername)], "-")
	if name == "" {
		return "user"
	}
	if CheckUsername("", name) != nil { // a reserved word
		return name + "-1"
	}
	return name
}
