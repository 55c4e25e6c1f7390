// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"
	"net/http"
	"regexp"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/policy"
)

// newcomer is the account that is to be made. That accounts can be made is no secret, so who may not is told so.
func (h *Handlers) newcomer(r *http.Request) (httpapi.None, authz.Object, error) {
	if !authz.From(r.Context()).Can(authz.Create, authz.NewUser()) {
		return httpapi.None{}, authz.Object{}, fault.New(fault.Forbidden, "You may not create users. Ask a user administrator.")
	}
	return httpapi.None{}, authz.NewUser(), nil
}

// create makes an account without any role.
func (h *Handlers) create(ctx context.Context, _ httpapi.None, in codersdk.CreateUserRequest) (codersdk.User, error) {
	kind, wrong := signsIn(in)
	f := fault.Join("Validation failed.", checkUsername(in.Username), checkEmail(in.Email), wrong)
	if f != nil {
		return codersdk.User{}, f
	}
	organization, err := h.place(ctx, in.OrganizationID)
	if err != nil {
		return codersdk.User{}, err
	}
	wish := store.NewUser{
		Username: in.Username, Email: in.Email, LoginType: kind, Organization: organization.Name, CreatedBy: authz.From(ctx).User,
	}
	if kind == v1alpha1.LoginTypePassword {
		wish.SetPassword = func(ctx context.Context, u *v1alpha1.User) error {
			return h.Credentials.SetPassword(ctx, u, ids.Of(u), in.Password)
		}
	}
	u, err := h.Store.CreateUser(ctx, wish)
	return h.changed(ctx, u, err)
}

// place is the organization that a new account belongs to.
func (h *Handlers) place(ctx context.Context, id *uuid.UUID) (*v1alpha1.Organization, error) {
	const field = "organization_id"
	if id == nil || *id == uuid.Nil {
		o, err := h.Store.DefaultOrganization(ctx)
		if fault.Is(err, fault.NotFound) {
			return nil, fault.On(field, "is required, as there is no default organization")
		}
		return o, err
	}
	o, err := h.Store.OrganizationByID(ctx, *id)
	if fault.Is(err, fault.NotFound) || err == nil && !authz.From(ctx).Can(authz.Read, authz.OrganizationObject(o)) {
		f := fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
		f.Fields = []fault.Field{{Path: field, Detail: "names no organization that you have access to"}}
		return nil, f
	}
	return o, err
}

// signsIn is how a new account signs in. Only with a password does it need one.
func signsIn(in codersdk.CreateUserRequest) (v1alpha1.LoginType, *fault.Error) {
	kind := in.UserLoginType
	if in.DisableLogin {
		if kind != codersdk.LoginTypeUnknown && kind != codersdk.LoginTypeNone {
			return "", fault.On("disable_login", "contradicts login_type %s", kind)
		}
		kind = codersdk.LoginTypeNone
	}
	of := map[codersdk.LoginType]v1alpha1.LoginType{
		codersdk.LoginTypeUnknown: v1alpha1.LoginTypePassword, codersdk.LoginTypePassword: v1alpha1.LoginTypePassword,
		codersdk.LoginTypeOIDC: v1alpha1.LoginTypeOIDC, codersdk.LoginTypeGithub: v1alpha1.LoginTypeGitHub,
		codersdk.LoginTypeNone: v1alpha1.LoginTypeNone,
	}
	found, ok := of[kind]
	switch {
	case !ok:
		return "", fault.On("login_type", "must be password, github, oidc or none")
	case found == v1alpha1.LoginTypePassword:
		return found, credentials.CheckPolicy(in.Password)
	case in.Password != "":
		return "", fault.On("password", "must be absent, as the account does not sign in with one")
	}
	return found, nil
}

var emailPattern = regexp.MustCompile(`^[^\s@<>"(),:;\\]+@[^\s@<>"(),:;\\]+$`)

func checkUsername(name string) *fault.Error {
	if !policy.IsName(name, 32) {
		return fault.On("username", "must be letters and digits joined by single hyphens, 1 to 32 characters")
	}
	if policy.IsReservedUsername(name) {
		return fault.On("username", "%q has a meaning of its own in paths; choose another", name)
	}
	return nil
}

func checkEmail(address string) *fault.Error {
	if len(address) < 3 || len(address) > 254 || !emailPattern.MatchString(address) {
		return fault.On("email", "must be an e-mail address, such as ada@example.org")
	}
	return nil
}
