// SPDX-License-Identifier: Apache-2.0

// Package entitlements tells clients which features this server has, and takes no licence for any of them: Berth has all
// that it can without one, and nobody signs any. What a feature does is its own package's business.
package entitlements

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// Settings are those of the deployment that turn features on.
type Settings struct {
	// SCIM says that an identity provider may keep accounts.
	SCIM bool
	// RoleSync says that an identity provider decides people's roles.
	RoleSync bool
	// ExternalProviders is how many git hosts and the like workspaces may use in their owners' names.
	ExternalProviders int
}

// Handlers serves entitlements and licences.
type Handlers struct {
	// Store is where people are counted.
	Store *store.Store
	// Settings are the deployment's.
	Settings Settings
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/entitlements", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.show)},
		{Method: "GET", Path: "/api/v2/licenses", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(licenses, authz.Read, h.list)},
		{Method: "POST", Path: "/api/v2/licenses", Tag: "Organizations", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(licenses, authz.Create, h.add)},
		{Method: "POST", Path: "/api/v2/licenses/refresh-entitlements", Tag: "Organizations", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(licenses, authz.Create, h.refresh)},
		{Method: "DELETE", Path: "/api/v2/licenses/{id}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(licence, authz.Delete, h.remove)},
	}
}

// show is for everybody who is signed in: clients ask before they know what to offer.
func (h *Handlers) show(ctx context.Context, _ httpapi.None) (codersdk.Entitlements, error) {
	people, err := h.Store.Users(ctx)
	if err != nil {
		return codersdk.Entitlements{}, err
	}
	now, active := h.Now(), int64(0)
	for _, u := range people {
		if view.UserStatus(u, now) == codersdk.UserStatusActive {
			active++
		}
	}
	return codersdk.Entitlements{
		Features: h.Settings.features(active), Warnings: []string{}, Errors: []string{},
		// No licence is here, and clients mean something else by it: they offer what is enabled below only where this is
		// true, and treat anything else as the edition that has none of it.
		HasLicense: true,
		// A trial would make clients look for the licence that it ends with.
		Trial: false,
		// Nothing is kept: each answer is found out anew.
		RefreshedAt: now.UTC(),
	}, nil
}

// features are all that clients know by name, also those that are not here: what is left out they take for missing, but
// some fail over it.
func (s Settings) features(active int64) map[string]codersdk.Feature {
	has := func(on bool) codersdk.Feature {
		return codersdk.Feature{Entitlement: codersdk.EntitlementEntitled, Enabled: on}
	}
	lacks := codersdk.Feature{Entitlement: codersdk.EntitlementNotEntitled}
	people := has(false) // there is no limit that could be on
	people.Actual = &active
	return map[string]codersdk.Feature{
		"user_limit": people,

		"access_control":               has(true),
		"advanced_template_scheduling": has(true),
		"audit_log":                    has(true),
		"high_availability":            has(true), // any number of API servers serve side by side, and that needs no setting
		"template_rbac":                has(true),
		"workspace_batch_actions":      has(true), // clients make them of the routes for one workspace

		"multiple_external_auth": has(s.ExternalProviders > 1),
		"scim":                   has(s.SCIM),
		"user_role_management":   has(s.RoleSync),

		"appearance":                   lacks,
		"browser_only":                 lacks,
		"control_shared_ports":         lacks,
		"custom_roles":                 lacks,
		"external_provisioner_daemons": lacks,
		"external_token_encryption":    lacks, // tokens are Secrets, which the cluster encrypts or not
		"workspace_proxy":              lacks,
	}
}

// licenses is a Load of all licences: nothing, with the rights to them.
func licenses(*http.Request) (httpapi.None, authz.Object, error) {
	return httpapi.None{}, authz.LicenseObject(), nil
}

// licence is a Load of the id of one, which need not be there.
func licence(r *http.Request) (int32, authz.Object, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, authz.LicenseObject(), fault.On("id", "must be a whole number")
	}
	return int32(id), authz.LicenseObject(), nil
}

// list has none, as none is taken.
func (h *Handlers) list(context.Context, httpapi.None, httpapi.None) ([]codersdk.License, error) {
	return []codersdk.License{}, nil
}

// add takes none. What was sent is not repeated: it is worth something elsewhere.
func (h *Handlers) add(_ context.Context, _ httpapi.None, in codersdk.AddLicenseRequest) (codersdk.License, error) {
	wrong := &fault.Error{Kind: fault.Invalid, Message: "Berth has all its features without a licence, and takes none."}
	wrong.Fields = []fault.Field{{Path: "license", Detail: "is of no use here: nothing is locked"}}
	if in.License == "" {
		wrong.Fields[0].Detail = "is required, and none is taken: nothing is locked"
	}
	return codersdk.License{}, wrong
}

// refresh has nothing to do but to say so, since entitlements are found out whenever somebody asks.
func (h *Handlers) refresh(context.Context, httpapi.None, httpapi.None) (codersdk.Response, error) {
	return codersdk.Response{Message: "Entitlements updated"}, nil
}

// remove finds none.
func (h *Handlers) remove(_ context.Context, id int32, _ httpapi.None) (httpapi.None, error) {
	return httpapi.None{}, fault.New(fault.NotFound, "There is no licence %d.", id)
}
