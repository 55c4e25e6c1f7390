// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"regexp"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
)

const (
	// MaxUsername and MaxEmail are how long a username and an address may be, in bytes.
	MaxUsername = 32
	MaxEmail    = 254
)

var emailForm = regexp.MustCompile(`^[^\s@<>"(),:;\\]+@[^\s@<>"(),:;\\]+$`)

// CheckUsername is a fault at the field when nobody may be called so; nil otherwise.
func CheckUsername(field, name string) *fault.Error {
	switch {
	case !policy.IsName(name, MaxUsername):
		return fault.On(field, "must be letters and digits joined by single hyphens, 1 to %d characters", MaxUsername)
	case policy.IsReservedUsername(name):
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
