// SPDX-License-Identifier: Apache-2.0

// Package externalauth speaks with the git hosts, and other services, that workspaces use in their owners' names: it leads
// browsers there to sign in, takes devices' codes, refreshes tokens, and asks whether one is still good. GitHub, GitLab,
// Gitea, Bitbucket and Azure DevOps are known by name; whatever else speaks OAuth 2.0 is configured by its URLs.
//
// It keeps nothing and knows no Users: whose a token is, and where it stands, is its callers' business. No error and no log
// line of this package holds a token, a code or a secret.
package externalauth

import (
	"errors"
	"time"

	"github.com/berth-dev/berth/internal/fault"
)

// Token is what a provider gives.
type Token struct {
	// Access opens the provider's API, and is the password for git.
	Access string
	// Refresh gets a new Token; empty when there is none. Many providers take it but once.
	Refresh string
	// ExpiresAt is when Access ends; zero when the provider did not say.
	ExpiresAt time.Time
	// Extra are the further fields of the provider's answer that the deployment asks for.
	Extra map[string]any
}

// Person is somebody as a provider knows them.
type Person struct{ Login, AvatarURL, ProfileURL, Name string }

// Installation is an account at the provider in which the deployment's app is installed.
type Installation struct {
	ID           int64
	Account      Person
	ConfigureURL string
}

// Device is how a person signs in from a device without a browser: by giving UserCode at VerificationURI, while the device
// asks with DeviceCode whether that was done.
type Device struct {
	DeviceCode, UserCode, VerificationURI string
	// ExpiresIn is how long that may take, and Interval how often it may be asked, in seconds.
	ExpiresIn, Interval int
}

// ErrRefused says that the provider does not take what it gave before, and that only a new sign-in helps.
var ErrRefused = errors.New("the provider does not take it any more")

// unreachable is the answer while a provider can't be asked.
func unreachable(cause error) *fault.Error {
	f := fault.New(fault.Unavailable, "The external provider can't be asked. Try again in a moment.")
	f.Cause = cause
	return f
}

// refused is the answer to what a provider does not take.
func refused(cause error) *fault.Error {
	f := fault.New(fault.Invalid, "The external provider has not signed you in. Begin again.")
	f.Cause = errors.Join(ErrRefused, cause)
	return f
}
