// SPDX-License-Identifier: Apache-2.0

// Package templates shows and changes the catalogue: templates, and which versions one has. What a version holds, and how
// one is made, is package versions'.
package templates

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
)

// Handlers serves templates.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	byID := httpapi.ByID("template", h.Store.TemplateByID)
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/organizations/{organization}/templates", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("organization", h.organization), authz.Read, h.list)},
		{Method: "POST", Path: "/api/v2/organizations/{organization}/templates", Tag: "Templates", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(httpapi.ByName("organization", h.newTemplate), authz.Create, h.create)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/templates/examples", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("organization", h.organization), authz.Read, h.examples)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/templates/{templatename}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.named, authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}", Tag: "Templates",
			Door: httpapi.Session, Status: 200, Do: httpapi.On(h.namedVersion(h.named), authz.Read, h.showVersion)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}/previous", Tag: "Templates",
			Door: httpapi.Session, Status: 200, Do: httpapi.On(h.namedVersion(h.named), authz.Read, h.previousVersion)},
		{Method: "GET", Path: "/api/v2/templates/{template}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.show)},
		{Method: "PATCH", Path: "/api/v2/templates/{template}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Update, h.update)},
		{Method: "DELETE", Path: "/api/v2/templates/{template}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Delete, h.remove)},
		{Method: "GET", Path: "/api/v2/templates/{template}/acl", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.acl)},
		{Method: "PATCH", Path: "/api/v2/templates/{template}/acl", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Update, h.setACL)},
		{Method: "GET", Path: "/api/v2/templates/{template}/acl/available", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.available)},
		{Method: "GET", Path: "/api/v2/templates/{template}/daus", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.daus)},
		{Method: "GET", Path: "/api/v2/templates/{template}/versions", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Read, h.versions)},
		{Method: "PATCH", Path: "/api/v2/templates/{template}/versions", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Update, h.promote)},
		{Method: "POST", Path: "/api/v2/templates/{template}/versions/archive", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(byID, authz.Update, h.archiveUnused)},
		{Method: "GET", Path: "/api/v2/templates/{template}/versions/{templateversionname}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.namedVersion(byID), authz.Read, h.showVersion)},
	}
}

func (h *Handlers) organization(ctx context.Context, text string) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.OrganizationObject(o), nil
}

// named finds a template by its organization and its name.
func (h *Handlers) named(r *http.Request) (store.TemplateParts, authz.Object, error) {
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organization"))
	if err != nil {
		return store.TemplateParts{}, authz.Object{}, err
	}
	return h.Store.TemplateByName(r.Context(), o, r.PathValue("templatename"))
}

func (h *Handlers) show(_ context.Context, t store.TemplateParts, _ httpapi.None) (codersdk.Template, error) {
	return view.Template(view.TemplateParts(t)), nil
}

// list shows those templates of an organization that the caller may see, by name.
func (h *Handlers) list(ctx context.Context, o *v1alpha1.Organization, q httpapi.Query) ([]codersdk.Template, error) {
	deprecated := q.Bool("deprecated")
	if err := q.Err(); err != nil {
		return nil, err
	}
	all, err := h.Store.Templates(ctx, o)
	if err != nil {
		return nil, err
	}
	caller, shown := authz.From(ctx), []codersdk.Template{}
	for _, t := range all {
		if !caller.Can(authz.Read, authz.TemplateObject(t.Template)) {
			continue
		}
		if wire := view.Template(view.TemplateParts(t)); !q.Has("deprecated") || wire.Deprecated == deprecated {
			shown = append(shown, wire)
		}
	}
	return shown, nil
}

// versions shows a page of a template's versions, oldest first.
func (h *Handlers) versions(ctx context.Context, t store.TemplateParts, q httpapi.Query) ([]codersdk.TemplateVersion, error) {
	page, archived := q.Page(), q.Bool("include_archived")
	if err := q.Err(); err != nil {
		return nil, err
	}
	all, err := h.Store.Versions(ctx, t, archived)
	if err != nil {
		return nil, err
	}
	shown := make([]codersdk.TemplateVersion, 0, len(all))
	for _, v := range all {
		shown = append(shown, view.Version(view.VersionParts(v)))
	}
	return httpapi.Cut(shown, page, func(v codersdk.TemplateVersion) uuid.UUID { return v.ID })
}
