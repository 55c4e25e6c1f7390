// SPDX-License-Identifier: Apache-2.0

package authn

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// CookieName is the session's cookie where the site is served without TLS.
	CookieName = codersdk.SessionTokenName
	// SecureCookieName is the session's cookie on https. Its prefix makes browsers take it from this very host only.
	SecureCookieName = "__Host-" + codersdk.SessionTokenName
)

// Keys verifies tokens; credentials.Store is one.
type Keys interface {
	Verify(ctx context.Context, token string) (credentials.Key, error)
}

// Session knows callers by their session tokens.
type Session struct {
	// Keys verifies tokens.
	Keys Keys
	// People are the accounts.
	People People
	// Noter is told who was there; it may be nil.
	Noter Noter
	// Secure says that people reach the server by https, so that browsers' cookies are bound to it.
	Secure bool
}

// Authenticate finds the person behind a request's token. Where nobody need be known, the token is not even read.
func (s *Session) Authenticate(r *http.Request, required bool) (*authz.Caller, error) {
	if !required {
		return nil, nil
	}
	token, err := s.token(r)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, fault.New(fault.Unauthenticated, "You are signed out or your session has expired. Please sign in again to continue.")
	}
	key, err := s.Keys.Verify(r.Context(), token)
	if err != nil {
		return nil, s.refused(r.Context(), key, err)
	}
	if key.Scope != credentials.ScopeAll {
		return nil, s.refused(r.Context(), key,
			fault.New(fault.Forbidden, "This token opens the apps of workspaces only. Make one of the scope all for the API."))
	}
	user, err := s.People.UserByID(r.Context(), key.User)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Unauthenticated, "The account of this session does not exist any more.")
	}
	if err != nil {
		return nil, err
	}
	caller, err := admit(r.Context(), s.People, s.Noter, user, nil)
	if err != nil {
		return nil, err
	}
	caller.Key = key.ID
	return caller, nil
}

// refused is a refusal that knows whose key it is, where that can be known.
func (s *Session) refused(ctx context.Context, key credentials.Key, err error) error {
	if key.User == uuid.Nil {
		return err
	}
	user, lost := s.People.UserByID(ctx, key.User)
	if lost != nil {
		return err
	}
	return &httpapi.RefusedCaller{Account: user, Err: err}
}

// token is the session token that a request carries; empty when it carries none. Several that differ are refused, since
// nobody can tell which of them was meant.
func (s *Session) token(r *http.Request) (string, error) {
	cookies := append(r.CookiesNamed(SecureCookieName), r.CookiesNamed(CookieName)...)
	if len(cookies) > 1 {
		return "", fault.New(fault.Unauthenticated, "The request carries more than one session cookie. Remove the site's cookies and sign in again.")
	}
	token := ""
	for _, one := range append(httpapi.HeaderTokens(r), r.URL.Query()[codersdk.SessionTokenName]...) {
		if one == "" {
			continue
		}
		if token != "" && one != token {
			return "", fault.New(fault.Unauthenticated, "The request carries more than one session token.")
		}
		token = one
	}
	if token != "" || len(cookies) == 0 || cookies[0].Value == "" {
		return token, nil
	}
	return s.cookie(r, cookies[0])
}

// cookie takes a token from a cookie, unless another site asks: a browser sends cookies along with whatever any page makes
// it ask. A change that another site's page asks for has been refused by the door before. Where other sites are to lead
// browsers to, they may.
//
// On https a browser's session has the name that is bound to this host; one by the plain name may have been planted by any
// host of the same domain. Coder's programs, which have no such neighbours, send the plain name along with websockets.
func (s *Session) cookie(r *http.Request, c *http.Cookie) (string, error) {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		if httpapi.Led(r) {
			break
		}
		return "", fault.New(fault.Unauthenticated, "A session cookie is not taken from another site.")
	}
	if s.Secure && c.Name != SecureCookieName && fromBrowser(r) {
		return "", fault.New(fault.Unauthenticated, "The session cookie is of an old kind. Sign in again.")
	}
	return c.Value, nil
}

// fromBrowser tells whether a browser asks. On https all of them say so.
func fromBrowser(r *http.Request) bool {
	for _, name := range []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Origin"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}
