// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// find takes an id, a username or "me".
func (h *Handlers) find(ctx context.Context, text string) (store.Account, authz.Object, error) {
	u, err := h.Store.UserOf(ctx, text)
	if err != nil {
		return store.Account{}, authz.Object{}, err
	}
	a, err := h.Store.Account(ctx, u)
	return a, a.Rights, err
}

type conversion = httpapi.Reply[codersdk.OAuthConversionResponse]

// beginConversion lets the account's own person, who knows its password, sign in at an identity provider from now on: with
// what is given here, and the same browser, by the next sign-in there.
func (h *Handlers) beginConversion(ctx context.Context, a store.Account, in codersdk.ConvertLoginRequest) (conversion, error) {
	user, id := a.User, ids.Of(a.User)
	if authz.From(ctx).User != user.Name {
		return conversion{}, fault.New(fault.Forbidden, "Only %s can change how this account signs in.", user.WireName())
	}
	to := map[codersdk.LoginType]v1alpha1.LoginType{codersdk.LoginTypeOIDC: v1alpha1.LoginTypeOIDC, codersdk.LoginTypeGithub: v1alpha1.LoginTypeGitHub}[in.ToType]
	switch {
	case to == "":
		return conversion{}, fault.On("to_type", "must be oidc or github")
	case h.Providers.Of(to) == nil:
		return conversion{}, fault.On("to_type", "%s is not set up as a way to sign in", in.ToType)
	case user.Spec.LoginType != v1alpha1.LoginTypePassword:
		return conversion{}, fault.New(fault.Invalid, "Your account does not sign in with a password.")
	}
	correct, err := h.Attempts.Try(ctx, user.Name)
	if err != nil {
		return conversion{}, err
	}
	right, err := h.Credentials.CheckPassword(ctx, id, in.Password)
	if err != nil {
		return conversion{}, err
	}
	if !right {
		return conversion{}, fault.On("password", "is not your password")
	}
	correct()
	state, until, err := h.Credentials.BeginConversion(ctx, user, id, to)
	if err != nil {
		return conversion{}, err
	}
	return conversion{
		Body:   codersdk.OAuthConversionResponse{StateString: state, ExpiresAt: until, ToType: in.ToType, UserID: id},
		Header: http.Header{"Set-Cookie": {h.short().Set(convertCookie, state, credentials.ConversionLifetime).String()}},
	}, nil
}

// methods says which ways to sign in there are.
func (h *Handlers) methods(context.Context, httpapi.None) (codersdk.AuthMethods, error) {
	methods := h.Providers.Methods()
	methods.Password.Enabled = !h.NoPasswords
	return methods, nil
}
