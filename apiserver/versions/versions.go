// SPDX-License-Identifier: Apache-2.0

// Package versions shows what the versions of templates hold, and changes what is said about them. The list of a
// template's versions is package templates'.
package versions

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
)

// Handlers serves versions of templates.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("templateversion", h.Store.VersionByID), authz.Read, h.show)},
		{Method: "PATCH", Path: "/api/v2/templateversions/{templateversion}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("templateversion", h.Store.VersionByID), authz.Update, h.update)},
		{Method: "POST", Path: "/api/v2/templateversions/{templateversion}/archive", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("templateversion", h.Store.VersionByID), authz.Update, h.archive)},
		{Method: "POST", Path: "/api/v2/templateversions/{templateversion}/unarchive", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("templateversion", h.Store.VersionByID), authz.Update, h.unarchive)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/rich-parameters", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("templateversion", h.Store.VersionByID), authz.Read, h.parameters)},
	}
}

func (h *Handlers) show(_ context.Context, v store.VersionParts, _ httpapi.None) (codersdk.TemplateVersion, error) {
	return view.Version(view.VersionParts(v)), nil
}

func (h *Handlers) parameters(_ context.Context, v store.VersionParts, _ httpapi.None) ([]codersdk.TemplateVersionParameter, error) {
	return view.Parameters(v.Version), nil
}
