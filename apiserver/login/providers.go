// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/signin"
)

// Provider is a way to sign in at an identity provider.
type Provider struct {
	// Asks is the provider.
	Asks signin.Provider
	// Rules are what the deployment makes of what it says.
	Rules signin.Rules
	// LoginType is that of the accounts which sign in there.
	LoginType v1alpha1.LoginType
	// Text and IconURL are what the button of the login page shows.
	Text, IconURL string
}

// Providers are the identity providers of the deployment; one that is nil is not offered.
type Providers struct {
	OIDC, GitHub *Provider
}

// Of is the provider at which accounts of the type sign in; nil when there is none.
func (p Providers) Of(t v1alpha1.LoginType) *Provider {
	switch t {
	case v1alpha1.LoginTypeOIDC:
		return p.OIDC
	case v1alpha1.LoginTypeGitHub:
		return p.GitHub
	}
	return nil
}

// SetRoles tells whether the provider decides the roles of accounts of the type, so that nobody else may.
func (p Providers) SetRoles(t v1alpha1.LoginType) bool {
	provider := p.Of(t)
	return provider != nil && provider.Rules.SyncRoles
}

// Methods says which ways to sign in there are.
func (p Providers) Methods() codersdk.AuthMethods {
	methods := codersdk.AuthMethods{Password: codersdk.AuthMethod{Enabled: true}, Github: codersdk.AuthMethod{Enabled: p.GitHub != nil}}
	if p.OIDC != nil {
		methods.OIDC = codersdk.OIDCAuthMethod{AuthMethod: codersdk.AuthMethod{Enabled: true}, SignInText: p.OIDC.Text, IconURL: p.OIDC.IconURL}
	}
	return methods
}

// link is what is kept of a grant, to ask again.
func link(g signin.Grant, now time.Time) (l linkOf) {
	l.Identity, l.RefreshToken, l.DueAt = g.Person.Identity, g.RefreshToken, now.Add(askEvery)
	if g.ExpiresAt.After(l.DueAt) {
		l.DueAt = g.ExpiresAt
	}
	return l
}

// asked is a context in which a provider is asked on behalf of a request, which may be given up meanwhile: an answer that
// spends a refresh token must not be lost.
func asked(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), askFor)
}
