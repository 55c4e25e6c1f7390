// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/subtle"
	"net/http"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// The paths to which providers lead back. Without a code they begin a sign-in.
const (
	oidcPath   = "/api/v2/users/oidc/callback"
	gitHubPath = "/api/v2/users/oauth2/github/callback"
)

// byProvider signs people in at an identity provider: it leads there who comes without a code, and believes who comes back
// with one to the browser that set out.
func (h *Handlers) byProvider(path string, provider *Provider) func(*http.Request) (httpapi.Redirection, error) {
	return func(r *http.Request) (httpapi.Redirection, error) {
		if provider == nil {
			return httpapi.Redirection{}, fault.New(fault.NotFound, "This way to sign in is not set up.")
		}
		if q := r.URL.Query(); q.Get("code") == "" && q.Get("error") == "" {
			return h.setOut(r, path, provider)
		}
		to, err := h.comeBack(r, path, provider)
		to.Cookies = append(to.Cookies, h.short().Set(flowCookie, "", 0), h.short().Set(convertCookie, "", 0)) // they are spent either way
		return to, err
	}
}

// setOut leads to the provider.
func (h *Handlers) setOut(r *http.Request, path string, provider *Provider) (httpapi.Redirection, error) {
	q := r.URL.Query()
	to := q.Get("redirect")
	if to == "" {
		to = "/"
	}
	if !httpapi.LocalPath(to) {
		return httpapi.Redirection{}, fault.On("redirect", "must be a path of this site, such as /workspaces")
	}
	conversion := q.Get("oidc_merge_state")
	if conversion != "" && subtle.ConstantTimeCompare([]byte(conversion), []byte(h.short().Sent(r, convertCookie))) != 1 {
		return httpapi.Redirection{}, fault.New(fault.Forbidden, "This browser has not begun to change how an account signs in, or too long ago. Begin again.")
	}
	kind := signsIn
	if conversion != "" {
		kind = converts
	}
	f := httpapi.NewFlow(kind, to)
	there, err := provider.Asks.Begin(r.Context(), at(f, h.AccessURL+path))
	if err != nil {
		return httpapi.Redirection{}, err
	}
	return httpapi.Redirection{To: there, Cookies: []*http.Cookie{h.short().Set(flowCookie, f.String(), httpapi.FlowLifetime)}}, nil
}

// comeBack begins the session of whom the provider vouches for.
func (h *Handlers) comeBack(r *http.Request, path string, provider *Provider) (httpapi.Redirection, error) {
	none, q := httpapi.Redirection{}, r.URL.Query()
	f, ok := httpapi.ReadFlow(h.short().Sent(r, flowCookie), signsIn+converts)
	begun := at(f, h.AccessURL+path)
	if !ok || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(begun.State)) != 1 {
		return none, fault.New(fault.Forbidden, "This sign-in was not begun in this browser, or too long ago. Begin again.")
	}
	if issuer := q.Get("iss"); provider.LoginType == v1alpha1.LoginTypeOIDC && issuer != "" && issuer != provider.Asks.Issuer() {
		return none, fault.New(fault.Forbidden, "The answer is another identity provider's. Begin again.")
	}
	if q.Get("error") != "" || len(q["code"]) != 1 {
		return none, fault.New(fault.Forbidden, "The identity provider has not signed you in.")
	}
	grant, err := provider.Asks.Finish(r.Context(), begun, q.Get("code"))
	if err != nil {
		return none, err
	}
	admitted, err := provider.Rules.Admit(grant.Person)
	if err != nil {
		return none, err
	}
	var user *v1alpha1.User
	if f.Kind == converts {
		user, err = h.convert(r.Context(), provider, admitted, h.short().Sent(r, convertCookie))
	} else {
		user, err = h.account(r.Context(), provider, admitted)
	}
	if err != nil {
		return none, err
	}
	audit.From(r.Context()).Names(user)
	if err := h.follow(r.Context(), provider, user, admitted); err != nil {
		return none, err
	}
	token, _, err := h.Credentials.IssueLinked(r.Context(), user, ids.Of(user), provider.LoginType, link(grant, h.Now()), h.Lifetime, grant.ExpiresAt)
	if err != nil {
		return none, err
	}
	h.Noter.Note(user)
	return httpapi.Redirection{To: f.To, Cookies: h.cookies(token, 0)}, nil
}

// mayEnter is nil for an account that signs in at the provider and may.
func mayEnter(provider *Provider, u *v1alpha1.User) error {
	switch {
	case u.Spec.Suspended || u.DeletionTimestamp != nil:
		return suspended()
	case u.Spec.LoginType != provider.LoginType:
		return otherWay()
	}
	return nil
}

func suspended() error {
	return fault.New(fault.Forbidden, "Your account is suspended. Contact an admin to reactivate your account.")
}

// otherWay is the answer to who has an account that does not sign in here. Whoever is told so has proven the address.
func otherWay() error {
	return fault.New(fault.Forbidden, "The account with your address signs in another way. Sign in so, and change how the account signs in; or ask a user administrator.")
}

// convert makes an account that signs in with a password one that signs in at the provider, for who has begun that with the
// password and is known there by the account's address.
func (h *Handlers) convert(ctx context.Context, provider *Provider, a admitted, begun string) (*v1alpha1.User, error) {
	over := fault.New(fault.Forbidden, "The change of how you sign in has expired. Begin it again.")
	id, ok := convertsID(begun)
	if !ok {
		return nil, over
	}
	user, err := h.Store.UserByID(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	if err := h.Credentials.SpendConversion(ctx, id, begun, provider.LoginType); err != nil {
		return nil, err
	}
	if user.Spec.Suspended || user.DeletionTimestamp != nil {
		return nil, suspended()
	}
	if !sameAddress(user.Spec.Email, a.Email) {
		return nil, fault.New(fault.Forbidden, "The identity provider knows you as %s, and your account's address is another. Change one of them first.", a.Email)
	}
	user, err = h.Store.LinkUser(ctx, user, a.Identity, func(u *v1alpha1.User) error {
		if u.Spec.LoginType != v1alpha1.LoginTypePassword {
			return over
		}
		u.Spec.LoginType, u.Spec.Identities, u.Spec.PasswordSecret = provider.LoginType, nil, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return user, h.Credentials.ForgetPassword(ctx, user, id)
}
