// SPDX-License-Identifier: Apache-2.0

// Package workspaces shows workspaces, makes them and sets their schedule. Starting, stopping and deleting one is a
// build, and package builds'.
package workspaces

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

// Handlers serves workspaces.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
	// External are the external providers, and who is signed in to them.
	External *links.Links
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/workspaces", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.list)},
		{Method: "GET", Path: "/api/v2/workspaces/{workspace}", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceOrDeletedByID), authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/users/{user}/workspace/{workspacename}", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.named, authz.Read, h.show)},
		{Method: "POST", Path: "/api/v2/organizations/{organization}/members/{user}/workspaces", Tag: "Workspaces", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(h.member, authz.Create, h.create)},
		{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/ttl", Tag: "Workspaces", Door: httpapi.Session, Status: 204,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.setTTL)},
		{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/autostart", Tag: "Workspaces", Door: httpapi.Session, Status: 204,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.setAutostart)},
		{Method: "PATCH", Path: "/api/v2/workspaces/{workspace}", Tag: "Workspaces", Door: httpapi.Session, Status: 204,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.rename)},
		{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/autoupdates", Tag: "Workspaces", Door: httpapi.Session, Status: 204,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.setUpdates)},
		{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/dormant", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.setDormant)},
		{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/extend", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.extend)},
		{Method: "GET", Path: "/api/v2/workspaces/{workspace}/resolve-autostart", Tag: "Workspaces", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Read, h.resolveAutostart)},
		{Method: "GET", Path: "/api/v2/workspaces/{workspace}/watch", Tag: "Workspaces", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.Watched(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Read, h.watched, h.Store.WorkspaceChanges)},
	}
}

// named finds a workspace by its owner and its name; a deleted one where the request asks for those as well.
func (h *Handlers) named(r *http.Request) (store.WorkspaceParts, authz.Object, error) {
	q := httpapi.NewQuery(r.URL.Query())
	deleted := q.Bool("include_deleted")
	if err := q.Err(); err != nil {
		return store.WorkspaceParts{}, authz.Object{}, err
	}
	owner, err := h.Store.UserOf(r.Context(), r.PathValue("user"))
	if err != nil {
		return store.WorkspaceParts{}, authz.Object{}, err
	}
	p, rights, err := h.Store.WorkspaceByName(r.Context(), owner, r.PathValue("workspacename"))
	if deleted && fault.Is(err, fault.NotFound) {
		return h.Store.DeletedByName(r.Context(), owner, r.PathValue("workspacename"))
	}
	return p, rights, err
}

// show answers with one workspace. One that was deleted is gone, and is shown as it was at last where that is asked for.
func (h *Handlers) show(_ context.Context, p store.WorkspaceParts, q httpapi.Query) (codersdk.Workspace, error) {
	deleted := q.Bool("include_deleted")
	if err := q.Err(); err != nil {
		return codersdk.Workspace{}, err
	}
	if p.Deleted && !deleted {
		f := fault.New(fault.NotFound, "Workspace %q was deleted. Ask with include_deleted=true to see what is remembered of it.", p.Workspace.WireName())
		return codersdk.Workspace{}, &httpapi.Refusal{Fault: f, Status: http.StatusGone}
	}
	return view.Workspace(view.WorkspaceParts(p), h.Now()), nil
}

// watched shows a workspace as it is now.
func (h *Handlers) watched(_ context.Context, p store.WorkspaceParts) (codersdk.Workspace, error) {
	return view.Workspace(view.WorkspaceParts(p), h.Now()), nil
}

// list answers with a page of the workspaces that the caller may see and asks for: running ones first, then by owner and
// name. The count is that of all pages.
func (h *Handlers) list(ctx context.Context, q httpapi.Query) (codersdk.WorkspacesResponse, error) {
	page := q.Page()
	search, wrong := query.ParseWorkspaces(q.String("q"))
	if err := both(q.Err(), wrong); err != nil {
		return codersdk.WorkspacesResponse{}, err
	}
	matching, err := h.matching(ctx, search)
	if err != nil {
		return codersdk.WorkspacesResponse{}, err
	}
	slices.SortStableFunc(matching, inOrder)
	asked, err := httpapi.Cut(matching, page, func(w *codersdk.Workspace) uuid.UUID { return w.ID })
	shown := make([]codersdk.Workspace, 0, len(asked))
	for _, w := range asked {
		shown = append(shown, *w)
	}
	return codersdk.WorkspacesResponse{Workspaces: shown, Count: len(matching)}, err
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

// matching are the workspaces that the caller may see and asks for, narrowed by the index that narrows most.
func (h *Handlers) matching(ctx context.Context, search query.Workspaces) ([]*codersdk.Workspace, error) {
	caller, now := authz.From(ctx), h.Now()
	filter, found, err := h.narrow(ctx, search, caller)
	if err != nil || !found {
		return nil, err
	}
	find := h.Store.Workspaces
	if search.Status == codersdk.WorkspaceStatusDeleted {
		find = h.Store.DeletedWorkspaces
	}
	parts, err := find(ctx, filter, func(o authz.Object) bool { return caller.Can(authz.Read, o) })
	if err != nil {
		return nil, err
	}
	matching := make([]*codersdk.Workspace, 0, len(parts))
	for _, p := range parts {
		has := func() []codersdk.WorkspaceBuildParameter { return view.BuildParameters(view.WorkspaceParts(p)) }
		if w := view.Workspace(view.WorkspaceParts(p), now); search.Match(w, caller.Account.WireName(), has) {
			matching = append(matching, &w)
		}
	}
	return matching, nil
}

// narrow turns a search into what the store finds by index. It is not found when it asks for a person who is not there.
func (h *Handlers) narrow(ctx context.Context, search query.Workspaces, caller *authz.Caller) (f store.WorkspaceFilter, found bool, err error) {
	if len(search.IDs) == 1 {
		return store.WorkspaceFilter{ID: search.IDs[0]}, true, nil
	}
	switch search.Owner {
	case "":
		f.Template = search.Template
		if ownOnly(caller) {
			f.Owner = caller.User
		}
		return f, true, nil
	case "me":
		return store.WorkspaceFilter{Owner: caller.User}, true, nil
	}
	owner, err := h.Store.UserByName(ctx, search.Owner)
	if fault.Is(err, fault.NotFound) {
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	return store.WorkspaceFilter{Owner: owner.Name}, true, nil
}

// ownOnly tells whether the caller has no role by which others' workspaces could be seen, so that nobody else's need be
// looked at.
func ownOnly(caller *authz.Caller) bool {
	for _, roles := range caller.Memberships {
		if len(roles) > 0 {
			return false
		}
	}
	return len(caller.Roles) == 0
}

func inOrder(a, b *codersdk.Workspace) int {
	if ra, rb := running(a), running(b); ra != rb {
		if ra {
			return -1
		}
		return 1
	}
	if c := strings.Compare(strings.ToLower(a.OwnerName), strings.ToLower(b.OwnerName)); c != 0 {
		return c
	}
	return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
}

func running(w *codersdk.Workspace) bool {
	return w.LatestBuild.Status == codersdk.WorkspaceStatusRunning
}

// place is where a workspace is to be made: an organization, and the one whose workspace it will be.
type place struct {
	organization *v1alpha1.Organization
	owner        *v1alpha1.User
}

// member finds the place of a new workspace.
func (h *Handlers) member(r *http.Request) (place, authz.Object, error) {
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organization"))
	if err != nil {
		return place{}, authz.Object{}, err
	}
	owner, err := h.Store.UserOf(r.Context(), r.PathValue("user"))
	if err != nil {
		return place{}, authz.Object{}, err
	}
	return place{organization: o, owner: owner}, authz.WorkspaceObject(o.Name, owner.Name), nil
}
