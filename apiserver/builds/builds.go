// SPDX-License-Identifier: Apache-2.0

// Package builds shows the transitions of workspaces and asks for new ones: start, stop and delete. It makes records;
// what becomes of them is the manager's.
package builds

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/fault"
)

// Handlers serves builds.
type Handlers struct {
	// Store is where they are read and made.
	Store *store.Store
	// External are the external providers, and who is signed in to them.
	External *links.Links
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/workspaces/{workspace}/builds", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Read, h.list)},
		{Method: "POST", Path: "/api/v2/workspaces/{workspace}/builds", Tag: "Builds", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(httpapi.ByID("workspace", h.Store.WorkspaceByID), authz.Update, h.create)},
		{Method: "GET", Path: "/api/v2/workspacebuilds/{workspacebuild}", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Read, h.show)},
		{Method: "PATCH", Path: "/api/v2/workspacebuilds/{workspacebuild}/cancel", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Update, h.cancel)},
		{Method: "GET", Path: "/api/v2/workspacebuilds/{workspacebuild}/logs", Tag: "Builds", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.Logged(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Read, tail, h.Store.BuildChanges)},
		{Method: "GET", Path: "/api/v2/workspacebuilds/{workspacebuild}/parameters", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Read, h.parameters)},
		{Method: "GET", Path: "/api/v2/workspacebuilds/{workspacebuild}/resources", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Read, h.resources)},
		{Method: "GET", Path: "/api/v2/workspacebuilds/{workspacebuild}/state", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.Bytes(httpapi.ByID("workspacebuild", h.Store.BuildByID), authz.Read, "application/json", h.state)},
		{Method: "GET", Path: "/api/v2/users/{user}/workspace/{workspacename}/builds/{buildnumber}", Tag: "Builds", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.numbered, authz.Read, h.show)},
	}
}

// numbered finds a build by its workspace's owner and name, and its number. Who may not see the workspace does not learn
// whether it has such a build.
func (h *Handlers) numbered(r *http.Request) (store.WorkspaceParts, authz.Object, error) {
	none := func(err error) (store.WorkspaceParts, authz.Object, error) {
		return store.WorkspaceParts{}, authz.Object{}, err
	}
	number, err := strconv.ParseInt(r.PathValue("buildnumber"), 10, 32)
	if err != nil || number < 0 {
		f := fault.New(fault.Invalid, "Failed to parse build number as integer.")
		f.Fields = []fault.Field{{Path: "buildnumber", Detail: "must be a whole number, 1 or more"}}
		return none(f)
	}
	owner, err := h.Store.UserOf(r.Context(), r.PathValue("user"))
	if err != nil {
		return none(err)
	}
	p, rights, err := h.Store.WorkspaceByName(r.Context(), owner, r.PathValue("workspacename"))
	if err != nil {
		return none(err)
	}
	p, err = h.Store.BuildByNumber(r.Context(), p, number)
	return p, rights, err
}

func (h *Handlers) show(_ context.Context, p store.WorkspaceParts, _ httpapi.None) (codersdk.WorkspaceBuild, error) {
	return view.Build(view.WorkspaceParts(p), h.Now()), nil
}

// list answers with a page of a workspace's builds, newest first.
func (h *Handlers) list(ctx context.Context, p store.WorkspaceParts, q httpapi.Query) ([]codersdk.WorkspaceBuild, error) {
	page, since := q.Page(), q.Time("since")
	if err := q.Err(); err != nil {
		return nil, err
	}
	all, err := h.Store.Builds(ctx, p)
	if err != nil {
		return nil, err
	}
	now := h.Now()
	shown := make([]codersdk.WorkspaceBuild, 0, len(all))
	for _, b := range all {
		if wire := view.Build(view.WorkspaceParts(b), now); since.IsZero() || wire.CreatedAt.After(since) {
			shown = append(shown, wire)
		}
	}
	return httpapi.Cut(shown, page, func(b codersdk.WorkspaceBuild) uuid.UUID { return b.ID })
}
