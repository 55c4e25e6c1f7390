// SPDX-License-Identifier: Apache-2.0

// Package users shows accounts, makes them and decides over them: names, passwords, roles, status. Signing in and out is
// package login's; what a person is in an organization is package organizations'.
package users

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

// Handlers serves users.
type Handlers struct {
	// Store is where Users are read and made.
	Store *store.Store
	// Credentials keeps passwords and sessions.
	Credentials *credentials.Store
	// Attempts bounds how often a wrong password is given.
	Attempts *httpapi.Attempts
	// ByProvider tells whether an identity provider alone decides the roles of accounts that sign in so.
	ByProvider func(v1alpha1.LoginType) bool
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves. What gives somebody a password is direct only.
func (h *Handlers) Routes() []httpapi.Route {
	user := httpapi.ByName("user", h.find)
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/users/first", Tag: "Users", Door: httpapi.Anyone, Action: authz.Read, Status: 200,
			Do: httpapi.Plain(h.hasFirst)},
		{Method: "POST", Path: "/api/v2/users/first", Tag: "Users", Door: httpapi.AnyoneDirect, Action: authz.Authenticate, Status: 201,
			Do: httpapi.Plain(h.createFirst)},
		{Method: "GET", Path: "/api/v2/users", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.list)},
		{Method: "POST", Path: "/api/v2/users", Tag: "Users", Door: httpapi.SessionDirect, Status: 201,
			Do: httpapi.On(h.newcomer, authz.Create, h.create)},
		{Method: "GET", Path: "/api/v2/users/roles", Tag: "Members", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.assignableRoles)},
		{Method: "GET", Path: "/api/v2/users/{user}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.show)},
		{Method: "DELETE", Path: "/api/v2/users/{user}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Delete, h.remove)},
		{Method: "PUT", Path: "/api/v2/users/{user}/profile", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Update, h.setProfile)},
		{Method: "PUT", Path: "/api/v2/users/{user}/appearance", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Update, h.setAppearance)},
		{Method: "PUT", Path: "/api/v2/users/{user}/password", Tag: "Users", Door: httpapi.SessionDirect, Status: 204,
			Do: httpapi.On(user, authz.Update, h.setPassword)},
		{Method: "GET", Path: "/api/v2/users/{user}/roles", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.roles)},
		{Method: "PUT", Path: "/api/v2/users/{user}/roles", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Administer, h.setRoles)},
		{Method: "PUT", Path: "/api/v2/users/{user}/status/suspend", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Administer, h.suspend)},
		{Method: "PUT", Path: "/api/v2/users/{user}/status/activate", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Administer, h.activate)},
		{Method: "GET", Path: "/api/v2/users/{user}/login-type", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.loginType)},
		{Method: "GET", Path: "/api/v2/users/{user}/quiet-hours", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.quietHours)},
		{Method: "PUT", Path: "/api/v2/users/{user}/quiet-hours", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Update, h.setQuietHours)},
		{Method: "GET", Path: "/api/v2/users/{user}/organizations", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.organizations)},
		{Method: "GET", Path: "/api/v2/users/{user}/organizations/{organizationname}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.membership, authz.Read, h.organization)},
	}
}

// find takes an id, a username or "me".
func (h *Handlers) find(ctx context.Context, text string) (store.Account, authz.Object, error) {
	u, err := h.Store.UserOf(ctx, text)
	if err != nil {
		return store.Account{}, authz.Object{}, err
	}
	a, err := h.Store.Account(ctx, u)
	return a, a.Rights, err
}

// show answers with an account.
func (h *Handlers) show(_ context.Context, a store.Account, _ httpapi.None) (codersdk.User, error) {
	return h.view(a), nil
}

func (h *Handlers) view(a store.Account) codersdk.User {
	return view.User(a.User, a.Organizations, h.Now())
}

// changed answers with an account that a write has just changed.
func (h *Handlers) changed(ctx context.Context, u *v1alpha1.User, err error) (codersdk.User, error) {
	if err != nil {
		return codersdk.User{}, err
	}
	a, err := h.Store.Account(ctx, u)
	return h.view(a), err
}

// list answers with a page of the accounts that the caller may see and asks for, by username. The count is that of all
// pages.
func (h *Handlers) list(ctx context.Context, q httpapi.Query) (codersdk.GetUsersResponse, error) {
	none := codersdk.GetUsersResponse{}
	page := q.Page()
	search, wrong := query.ParseUsers(q.String("q"), siteRoleNames()...)
	if err := both(q.Err(), wrong); err != nil {
		return none, err
	}
	users, err := h.Store.Users(ctx)
	if err != nil {
		return none, err
	}
	accounts, err := h.Store.Accounts(ctx, users...)
	if err != nil {
		return none, err
	}
	caller, matching := authz.From(ctx), []codersdk.User{}
	for _, a := range accounts {
		if !caller.Can(authz.Read, a.Rights) {
			continue
		}
		if shown := h.view(a); search.Match(&shown) {
			matching = append(matching, shown)
		}
	}
	asked, err := httpapi.Cut(matching, page, func(u codersdk.User) uuid.UUID { return u.ID })
	return codersdk.GetUsersResponse{Users: asked, Count: len(matching)}, err
}

// both joins what is wrong with the parameters and with the search, so that a person sees everything at once.
func both(parameters, search error) error {
	p, _ := fault.As(parameters)
	s, _ := fault.As(search)
	if f := fault.Join("Query parameters have invalid values.", p, s); f != nil {
		return f
	}
	return nil
}

// organizations lists those of a user's organizations that the caller may see.
func (h *Handlers) organizations(ctx context.Context, a store.Account, _ httpapi.None) ([]codersdk.Organization, error) {
	shown := make([]codersdk.Organization, 0, len(a.Organizations))
	for _, o := range a.Organizations {
		if authz.From(ctx).Can(authz.Read, authz.OrganizationObject(o)) {
			shown = append(shown, view.Organization(o))
		}
	}
	return shown, nil
}

// membership finds one of a user's organizations, for whoever may see both.
func (h *Handlers) membership(r *http.Request) (*v1alpha1.Organization, authz.Object, error) {
	a, rights, err := h.find(r.Context(), r.PathValue("user"))
	if err != nil {
		return nil, authz.Object{}, err
	}
	if err := httpapi.Allow(r.Context(), authz.Read, rights); err != nil {
		return nil, authz.Object{}, err
	}
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organizationname"))
	if err != nil {
		return nil, authz.Object{}, err
	}
	if !slices.ContainsFunc(a.Organizations, func(of *v1alpha1.Organization) bool { return of.UID == o.UID }) {
		return nil, authz.Object{}, fault.New(fault.NotFound, "")
	}
	return o, authz.OrganizationObject(o), nil
}

func (h *Handlers) organization(_ context.Context, o *v1alpha1.Organization, _ httpapi.None) (codersdk.Organization, error) {
	return view.Organization(o), nil
}

// loginType says how an account signs in.
func (h *Handlers) loginType(_ context.Context, a store.Account, _ httpapi.None) (codersdk.UserLoginType, error) {
	return codersdk.UserLoginType{LoginType: view.LoginType(a.User.Spec.LoginType)}, nil
}
