// SPDX-License-Identifier: Apache-2.0

// Package groups shows and changes the groups of organizations: who is in one, and what it adds to its members' quota.
// What a group may use is said by templates, and package templates'. The group of all members stands on its Organization.
package groups

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// Handlers serves groups.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	byID := httpapi.ByID("group", h.Store.GroupByID)
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/organizations/{organization}/groups", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("organization", h.within), authz.Read, h.list)},
		{Method: "POST", Path: "/api/v2/organizations/{organization}/groups", Tag: "Enterprise", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(httpapi.ByName("organization", h.within), authz.Create, h.create)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/groups/{groupName}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.named, authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/groups/{group}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.show)},
		{Method: "PATCH", Path: "/api/v2/groups/{group}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Update, h.update)},
		{Method: "DELETE", Path: "/api/v2/groups/{group}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Delete, h.remove)},
	}
}

// within is an organization, with what rights on its groups depend on.
func (h *Handlers) within(ctx context.Context, text string) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.NewGroup(o.Name), nil
}

// named finds a group by its organization and its name.
func (h *Handlers) named(r *http.Request) (store.GroupParts, authz.Object, error) {
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organization"))
	if err != nil {
		return store.GroupParts{}, authz.Object{}, err
	}
	return h.Store.GroupByName(r.Context(), o, r.PathValue("groupName"))
}

func (h *Handlers) list(ctx context.Context, o *v1alpha1.Organization, _ httpapi.None) ([]codersdk.Group, error) {
	all, err := h.Store.Groups(ctx, o)
	if err != nil {
		return nil, err
	}
	shown := make([]codersdk.Group, 0, len(all))
	for _, p := range all {
		g, err := h.show(ctx, p, httpapi.None{})
		if err != nil {
			return nil, err
		}
		shown = append(shown, g)
	}
	return shown, nil
}

// show answers with a group and those of its members that the caller may see.
func (h *Handlers) show(ctx context.Context, p store.GroupParts, _ httpapi.None) (codersdk.Group, error) {
	members, err := h.Store.Members(ctx, p)
	if err != nil {
		return codersdk.Group{}, err
	}
	parts := view.GroupParts{Group: p.Group, Organization: p.Organization}
	for _, a := range members {
		if authz.From(ctx).Can(authz.Read, a.Rights) {
			parts.Members = append(parts.Members, view.User(a.User, a.Organizations, h.Now()))
		}
	}
	return view.Group(parts), nil
}

// create makes a group without members.
func (h *Handlers) create(ctx context.Context, o *v1alpha1.Organization, in codersdk.CreateGroupRequest) (codersdk.Group, error) {
	r := &input{}
	r.name(in.Name)
	spec := v1alpha1.GroupSpec{DisplayName: r.displayName(in.DisplayName), AvatarURL: r.avatar(in.AvatarURL)}
	setAllowance(&spec.Quota, r.allowance(in.QuotaAllowance))
	if err := r.err(); err != nil {
		return codersdk.Group{}, err
	}
	g, err := h.Store.CreateGroup(ctx, o, in.Name, authz.From(ctx).User, spec)
	if err != nil {
		return codersdk.Group{}, err
	}
	return h.show(ctx, store.GroupParts{Group: g, Organization: o}, httpapi.None{})
}

// remove deletes a group. Its members lose what it gave them with the next request.
func (h *Handlers) remove(ctx context.Context, p store.GroupParts, _ httpapi.None) (codersdk.Response, error) {
	if p.Group == nil {
		return codersdk.Response{}, fault.New(fault.Invalid, "Everyone is the group of all members and can't be deleted.")
	}
	return codersdk.Response{Message: "Successfully deleted group!"}, h.Store.DeleteGroup(ctx, p.Group)
}
