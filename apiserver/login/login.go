// SPDX-License-Identifier: Apache-2.0

// Package login signs people in and out with a password. What it hands out is a session token, so it is served at
// /api/v2 only. Keeping passwords and tokens is internal/credentials' business.
package login

import (
	"context"
	"net/http"

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
)

// Handlers serves sign-in and sign-out.
type Handlers struct {
	// Store is where people are found.
	Store *store.Store
	// Credentials checks passwords and makes sessions.
	Credentials *credentials.Store
	// Limiter bounds how often one address may try.
	Limiter *Limiter
	// Noter is told who was there.
	Noter authn.Noter
	// Secure says that people reach the server by https, so that cookies can be bound to it.
	Secure bool
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/users/login", Tag: "Authorization", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 201,
			Do: httpapi.Plain(h.login)},
		{Method: "POST", Path: "/api/v2/users/logout", Tag: "Users", Door: httpapi.SessionDirect, Action: authz.Authenticate, Status: 200,
			Do: httpapi.Plain(h.logout)},
	}
}

type session = httpapi.Reply[codersdk.LoginWithPasswordResponse]

// login begins a session. Whether the person is unknown or the password is wrong, the answer is the same and takes as long.
func (h *Handlers) login(ctx context.Context, in codersdk.LoginWithPasswordRequest) (session, error) {
	if wait := h.Limiter.Take(httpapi.ClientAddress(ctx)); wait > 0 {
		return session{}, &httpapi.Refusal{Status: http.StatusTooManyRequests, RetryAfter: wait,
			Fault: fault.New(fault.Unavailable, "You are signing in too often. Wait a moment and try again.")}
	}
	user, err := h.Store.UserByEmail(ctx, in.Email)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return session{}, err
	}
	id := uuid.Nil
	if err == nil {
		id = ids.Of(user)
		audit.From(ctx).Names(user)
	}
	right, err := h.Credentials.CheckPassword(ctx, id, in.Password)
	if err != nil {
		return session{}, err
	}
	switch {
	case id != uuid.Nil && user.Spec.LoginType != v1alpha1.LoginTypePassword:
		return session{}, fault.New(fault.Forbidden, "This account does not sign in with a password. Sign in the way it was set up for.")
	case !right:
		return session{}, fault.New(fault.Unauthenticated, "Incorrect email or password.")
	case user.Spec.Suspended:
		return session{}, authn.Suspended()
	}
	token, _, err := h.Credentials.Issue(ctx, user, id, user.Spec.LoginType, credentials.SessionLifetime)
	if err != nil {
		return session{}, err
	}
	h.Noter.Note(user)
	return session{
		Body:   codersdk.LoginWithPasswordResponse{SessionToken: token},
		Header: http.Header{"Set-Cookie": {h.cookie(token, 0).String()}},
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
		Header: http.Header{"Set-Cookie": {h.cookie("", -1).String()}},
	}, nil
}

// cookie carries the session for browsers; a negative age takes it away.
func (h *Handlers) cookie(token string, age int) *http.Cookie {
	name := authn.CookieName
	if h.Secure {
		name = authn.SecureCookieName
	}
	return &http.Cookie{Name: name, Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode}
}
