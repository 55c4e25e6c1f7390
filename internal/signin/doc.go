// SPDX-License-Identifier: Apache-2.0

// Package signin asks identity providers who somebody is: an OpenID Connect provider or GitHub. It leads browsers there,
// verifies what comes back, and applies the deployment's rules about it: whose addresses may sign in, which groups and
// roles a claim means. What it gives is a Person, as the provider knows them, or a fault that says why not.
//
// It knows no Users: which account a person is, and what becomes of it, is its callers' business. It keeps nothing; what
// ties the two halves of a sign-in together is a Flow, which its caller binds to the browser.
package signin

import (
	"context"
	"errors"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// Person is somebody as a provider knows them.
type Person struct {
	// Identity is the account at the provider, which never changes.
	Identity v1alpha1.LinkedIdentity
	// Email is the address, and EmailVerified whether the provider has proven that it is the person's.
	Email         string
	EmailVerified bool
	// Username is what the person would like to be called here; see Username.
	Username string
	// Name and AvatarURL are what the person is shown as.
	Name, AvatarURL string
	// Groups and Roles are what the provider's claims name, where the deployment reads such claims.
	Groups, Roles []string
}

// Grant is what a provider has said of a person, and for how long that holds.
type Grant struct {
	Person Person
	// RefreshToken gets a new Grant; empty when the provider gave none.
	RefreshToken string
	// ExpiresAt is when the provider's word ends; zero when it does not by itself.
	ExpiresAt time.Time
}

// Flow is one sign-in on its way. Its parts are secrets of the browser that began it, but for the State, which travels.
type Flow struct {
	// State comes back from the provider as it was sent.
	State string
	// Nonce stands in the ID token that the sign-in leads to.
	Nonce string
	// Verifier proves that who began it ends it (PKCE).
	Verifier string
	// RedirectURL is where the provider sends the browser back to.
	RedirectURL string
}

// Provider is an identity provider.
type Provider interface {
	// Issuer is the provider, as accounts are linked to it.
	Issuer() string
	// Begin is where the browser is to go.
	Begin(context.Context, Flow) (string, error)
	// Finish is who the person is that comes back with a code.
	Finish(ctx context.Context, f Flow, code string) (Grant, error)
	// Refresh asks again, without the person. An error that is ErrEnded says that the provider does not know them any more.
	Refresh(ctx context.Context, refreshToken string) (Grant, error)
}

// ErrEnded says that the provider's word has ended and does not come back without a new sign-in.
var ErrEnded = errors.New("the sign-in has ended at the provider")

// refused is the answer to a person whom the provider vouches for and who may not come in.
func refused(format string, args ...any) *fault.Error {
	return fault.New(fault.Forbidden, format, args...)
}

// unproven is the answer where nothing was proven: nobody comes in, and the log learns why.
func unproven(cause error) *fault.Error {
	f := fault.New(fault.Unauthenticated, "The identity provider's answer does not prove who you are. Try to sign in again.")
	f.Cause = cause
	return f
}

// unreachable is the answer while the provider can't be asked.
func unreachable(cause error) *fault.Error {
	f := fault.New(fault.Unavailable, "The identity provider can't be reached. Try again in a moment.")
	f.Cause = cause
	return f
}
