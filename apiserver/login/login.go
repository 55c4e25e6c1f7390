// SPDX-License-Identifier: Apache-2.0

// Package login signs people in and out: with a password, or at an identity provider. What it hands out is a session token,
// so it is served at /api/v2 only. Keeping passwords and tokens is internal/credentials' business, speaking with providers
// internal/signin's.
package login

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// DefaultLifetime is how long a session lives after its last use where nobody says otherwise.
const DefaultLifetime = credentials.SessionLifetime

// Handlers serves sign-in and sign-out.
type Handlers struct {
	// Store is where people are found.
	Store *store.Store
	// Credentials checks passwords and makes sessions.
	Credentials *credentials.Store
	// Attempts bounds how often a wrong password is given.
	Attempts *httpapi.Attempts
	// Noter is told who was there.
	Noter authn.Noter
	// Lifetime is how long a session lives after its last use.
	Lifetime time.Duration
	// NoPasswords says that only owners sign in with a password, so that nobody is locked out where the others' way is broken.
	NoPasswords bool
	// Providers are where else people sign in.
	Providers Providers
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
	// Secure says that people reach the server by https, so that cookies can be bound to it.
	Secure bool
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/users/login", Tag: "Authorization", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 201, PerMinute: httpapi.LoginsPerMinute,
			Do: httpapi.Plain(h.login)},
		{Method: "POST", Path: "/api/v2/users/logout", Tag: "Users", Door: httpapi.SessionDirect, Action: authz.Authenticate, Status: 200,
			Do: httpapi.Plain(h.logout)},
		{Method: "GET", Path: "/api/v2/users/oidc/callback", Tag: "Users", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 307, PerMinute: httpapi.LoginsPerMinute,
			Do: httpapi.Redirect(h.byProvider(oidcPath, h.Providers.OIDC))},
		{Method: "GET", Path: "/api/v2/users/oauth2/github/callback", Tag: "Users", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 307, PerMinute: httpapi.LoginsPerMinute,
			Do: httpapi.Redirect(h.byProvider(gitHubPath, h.Providers.GitHub))},
		{Method: "POST", Path: "/api/v2/users/{user}/convert-login", Tag: "Authorization", Door: httpapi.SessionDirect, Status: 201,
			Do: httpapi.On(httpapi.ByName("user", h.find), authz.Update, h.beginConversion)},
		{Method: "GET", Path: "/api/v2/users/authmethods", Tag: "Users", Door: httpapi.Anyone, Action: authz.Read, Status: 200,
			Do: httpapi.Plain(h.methods)},
	}
}

type session = httpapi.Reply[codersdk.LoginWithPasswordResponse]

// login begins a session. Whether the person is unknown, signs in otherwise, is suspended, or the password is wrong, the
// answer is the same and takes as long: more is told to who knows the password.
func (h *Handlers) login(ctx context.Context, in codersdk.LoginWithPasswordRequest) (session, error) {
	user, err := h.Store.UserByEmail(ctx, in.Email)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return session{}, err
	}
	id, account := uuid.Nil, index.Fold(in.Email)
	if err == nil {
		id, account = ids.Of(user), user.Name
		audit.From(ctx).Names(user)
	}
	correct, err := h.Attempts.Try(ctx, account)
	if err != nil {
		return session{}, err
	}
	right, err := h.Credentials.CheckPassword(ctx, id, in.Password)
	if err != nil {
		return session{}, err
	}
	if !right {
		return session{}, fault.New(fault.Unauthenticated, "Incorrect email or password.")
	}
	correct()
	switch {
	case user.Spec.LoginType != v1alpha1.LoginTypePassword:
		return session{}, fault.New(fault.Forbidden, "This account does not sign in with a password. Sign in the way it was set up for.")
	case h.NoPasswords && !slices.Contains(user.Spec.Roles, v1alpha1.SiteRoleOwner):
		return session{}, fault.New(fault.Forbidden, "Password authentication is disabled. Sign in another way.")
	case user.Spec.Suspended:
		return session{}, authn.Suspended()
	}
	token, _, err := h.Credentials.Issue(ctx, user, id, user.Spec.LoginType, h.Lifetime)
	if err != nil {
		return session{}, err
	}
	h.Noter.Note(user)
	return session{
		Body:   codersdk.LoginWithPasswordResponse{SessionToken: token},
		Header: set(h.cookies(token, 0)),
	}, nil
}

// logout ends the session that the request came with.
func (h *Handlers) logout(ctx context.Context, _ httpapi.None) (httpapi.Reply[codersdk.Response], error) {
	caller := authz.From(ctx)
	if err := h.Credentials.Revoke(ctx, ids.Of(caller.Account), caller.Key); err != nil {
		return httpapi.Reply[codersdk.Response]{}, err
	}
	return httpapi.Reply[codersdk.Response]{
		Body:   codersdk.Response{Message: "Logged out!"},
		Header: set(h.cookies("", -1)),
	}, nil
}

// cookies carry the session for browsers; a negative age takes it away. On https one by the plain name goes in any case: it
// is from before the site was, and two would be refused.
func (h *Handlers) cookies(token string, age int) []*http.Cookie {
	of := func(name, value string, age int) *http.Cookie {
		return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode}
	}
	if !h.Secure {
		return []*http.Cookie{of(authn.CookieName, token, age)}
	}
	return []*http.Cookie{of(authn.SecureCookieName, token, age), of(authn.CookieName, "", -1)}
}

// set is the header that sets cookies.
func set(cookies []*http.Cookie) http.Header {
	h := http.Header{}
	for _, c := range cookies {
		h.Add("Set-Cookie", c.String())
	}
	return h
}
