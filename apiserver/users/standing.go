// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// assignableRoles lists the roles over the deployment, and which of them the caller may give.
func (h *Handlers) assignableRoles(ctx context.Context, _ httpapi.None) ([]codersdk.AssignableRoles, error) {
	caller, shown := authz.From(ctx), []codersdk.AssignableRoles{}
	for _, r := range view.SiteRoles() {
		role := view.SiteRole(r)
		shown = append(shown, codersdk.AssignableRoles{Name: role.Name, DisplayName: role.DisplayName, Assignable: caller.CanAssign(r)})
	}
	return shown, nil
}

func siteRoleNames() []string {
	var names []string
	for _, r := range view.SiteRoles() {
		names = append(names, view.SiteRole(r).Name)
	}
	return names
}

// roles names the roles of an account, over the deployment and in its organizations.
func (h *Handlers) roles(_ context.Context, a store.Account, _ httpapi.None) (codersdk.UserRoles, error) {
	return view.UserRoles(a.User, a.Organizations), nil
}

// setRoles replaces an account's roles over the deployment. Who may not give a role may not take it away either, and
// nobody decides about the own.
func (h *Handlers) setRoles(ctx context.Context, a store.Account, in codersdk.UpdateRoles) (codersdk.User, error) {
	caller := authz.From(ctx)
	if caller.User == a.User.Name {
		f := fault.New(fault.Invalid, "You cannot change your own roles. Ask another owner.")
		f.Fields = []fault.Field{{Path: "roles", Detail: "are your own"}}
		return codersdk.User{}, f
	}
	if h.ByProvider(a.User.Spec.LoginType) {
		return codersdk.User{}, fault.On("roles", "are what the identity provider says of %s at each sign-in; change them there", a.User.WireName())
	}
	wish, unknown := view.ReadSiteRoles(in.Roles)
	if len(unknown) > 0 {
		return codersdk.User{}, fault.On("roles", "%s: roles over the deployment are %s; those in an organization are its members'",
			strings.Join(unknown, ", "), strings.Join(siteRoleNames(), ", "))
	}
	u, err := h.Store.ChangeStanding(ctx, a.User, func(u *v1alpha1.User) error {
		for _, r := range view.SiteRoles() {
			if slices.Contains(u.Spec.Roles, r) != slices.Contains(wish, r) && !caller.CanAssign(r) {
				return fault.New(fault.Forbidden, "You may not give or take the role %s. Ask an owner.", view.SiteRole(r).Name)
			}
		}
		if !sameRoles(u.Spec.Roles, wish) {
			u.Spec.Roles = wish
		}
		return nil
	})
	return h.changed(ctx, u, err)
}

// sameRoles tells whether two lists hold the same, in whatever order.
func sameRoles(a, b []v1alpha1.SiteRole) bool {
	in := func(list []v1alpha1.SiteRole) func(v1alpha1.SiteRole) bool {
		return func(r v1alpha1.SiteRole) bool { return !slices.Contains(list, r) }
	}
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// suspend locks an account: nobody signs in with it, and every session, key and stream of it ends.
func (h *Handlers) suspend(ctx context.Context, a store.Account, _ httpapi.None) (codersdk.User, error) {
	if authz.From(ctx).User == a.User.Name {
		return codersdk.User{}, fault.New(fault.Invalid, "You cannot suspend yourself. Ask another owner.")
	}
	u, err := h.Store.ChangeStanding(ctx, a.User, func(u *v1alpha1.User) error {
		u.Spec.Suspended = true
		return nil
	})
	if err == nil {
		// None begins any more; what was begun does not come back with the account.
		err = h.Credentials.EndAll(ctx, u, ids.Of(u))
	}
	return h.changed(ctx, u, err)
}

// activate unlocks an account.
func (h *Handlers) activate(ctx context.Context, a store.Account, _ httpapi.None) (codersdk.User, error) {
	u, err := h.Store.ChangeUser(ctx, a.User, func(u *v1alpha1.User) error {
		u.Spec.Suspended = false
		return nil
	})
	return h.changed(ctx, u, err)
}
