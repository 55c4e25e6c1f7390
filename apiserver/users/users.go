// SPDX-License-Identifier: Apache-2.0

// Package users shows accounts and makes the first of them. Signing in and out is package login's.
package users

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
)

// Handlers serves users.
type Handlers struct {
	// Store is where Users are read and made.
	Store *store.Store
	// Credentials keeps the first user's password.
	Credentials *credentials.Store
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/users/first", Tag: "Users", Door: httpapi.Anyone, Action: authz.Read, Status: 200,
			Do: httpapi.Plain(h.hasFirst)},
		{Method: "POST", Path: "/api/v2/users/first", Tag: "Users", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 201,
			Do: httpapi.Plain(h.createFirst)},
		{Method: "GET", Path: "/api/v2/users/{user}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("user", h.find), authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/users/{user}/organizations", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("user", h.find), authz.Read, h.organizations)},
	}
}

// find takes an id, a username or "me".
func (h *Handlers) find(ctx context.Context, text string) (*v1alpha1.User, authz.Object, error) {
	u, err := h.Store.UserOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	byDefault, err := identity.DefaultOrganization(ctx, h.Store)
	return u, authz.UserObject(u, byDefault), err
}

func (h *Handlers) show(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (codersdk.User, error) {
	organizations, err := h.memberships(ctx, u)
	if err != nil {
		return codersdk.User{}, err
	}
	return view.User(u, organizations, h.Now()), nil
}

// organizations lists those of a user's organizations that the caller may see.
func (h *Handlers) organizations(ctx context.Context, u *v1alpha1.User, _ httpapi.None) ([]codersdk.Organization, error) {
	organizations, err := h.memberships(ctx, u)
	shown := make([]codersdk.Organization, 0, len(organizations))
	for _, o := range organizations {
		if authz.From(ctx).Can(authz.Read, authz.OrganizationObject(o)) {
			shown = append(shown, view.Organization(o))
		}
	}
	return shown, err
}

// memberships are the organizations of a user that exist, by name.
func (h *Handlers) memberships(ctx context.Context, u *v1alpha1.User) ([]*v1alpha1.Organization, error) {
	byDefault, err := identity.DefaultOrganization(ctx, h.Store)
	if err != nil {
		return nil, err
	}
	var organizations []*v1alpha1.Organization
	for name := range authz.Memberships(u, byDefault) {
		o, err := h.Store.Organization(ctx, name)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		organizations = append(organizations, o)
	}
	slices.SortFunc(organizations, func(a, b *v1alpha1.Organization) int { return strings.Compare(a.WireName(), b.WireName()) })
	return organizations, nil
}
