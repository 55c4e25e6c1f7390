// SPDX-License-Identifier: Apache-2.0

// Package scim lets an identity provider keep accounts by SCIM 2.0 (RFC 7644), behind its own key: it makes them, suspends
// them and brings them back. It sees the accounts that it has made or has taken over by their e-mail address, and no others.
// What a provider's words mean is internal/scim's; Groups are not provisioned.
package scim

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/berth-dev/berth/api/coderd"
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/scim"
)

// The schemas of what is sent.
const (
	userSchema   = "urn:ietf:params:scim:schemas:core:2.0:User"
	configSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	listSchema   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// mostListed is how many accounts one answer holds at most, and as many as it does where nothing is said.
const mostListed = 200

// Handlers serves identity providers.
type Handlers struct {
	// Store is where Users are read and made.
	Store *store.Store
	// Credentials ends the sessions of accounts that are suspended.
	Credentials *credentials.Store
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	const tag, door = "Enterprise", httpapi.Provider
	return []httpapi.Route{
		{Method: "GET", Path: "/scim/v2/ServiceProviderConfig", Tag: tag, Door: door, Action: authz.Read, Status: 200,
			Do: httpapi.Raw(h.config)},
		{Method: "GET", Path: "/scim/v2/Users", Tag: tag, Door: door, Action: authz.Read, Status: 200,
			Do: httpapi.Raw(h.list)},
		{Method: "POST", Path: "/scim/v2/Users", Tag: tag, Door: door, Status: 200,
			Do: httpapi.On(newcomer, authz.Create, h.create)},
		{Method: "GET", Path: "/scim/v2/Users/{id}", Tag: tag, Door: door, Action: authz.Read, Status: 200,
			Do: httpapi.Raw(h.show)},
		{Method: "PUT", Path: "/scim/v2/Users/{id}", Tag: tag, Door: door, Status: 200,
			Do: httpapi.On(h.find, authz.Update, h.replace)},
		{Method: "PATCH", Path: "/scim/v2/Users/{id}", Tag: tag, Door: door, Status: 200,
			Do: httpapi.On(h.find, authz.Update, h.change)},
		{Method: "DELETE", Path: "/scim/v2/Users/{id}", Tag: tag, Door: door, Status: 204,
			Do: httpapi.On(h.find, authz.Delete, h.leave)},
	}
}

// newcomer is the account that is to be made.
func newcomer(*http.Request) (httpapi.None, authz.Object, error) {
	return httpapi.None{}, authz.ProvisionedObject(), nil
}

// find is the account of an id that the provider keeps. What is no id of ours, or another's, is not there.
func (h *Handlers) find(r *http.Request) (*v1alpha1.User, authz.Object, error) {
	id, err := httpapi.PathUUID(r, "id")
	if err != nil {
		return nil, authz.Object{}, unknown()
	}
	u, err := h.Store.UserByID(r.Context(), id)
	if fault.Is(err, fault.NotFound) || err == nil && !provisioned(u) {
		return nil, authz.Object{}, unknown()
	}
	return u, authz.ProvisionedObject(), err
}

func unknown() error { return fault.New(fault.NotFound, "There is no such user.") }

func provisioned(u *v1alpha1.User) bool { return u.Annotations[v1alpha1.AnnotationProvisionedAs] != "" }

// show answers with an account.
func (h *Handlers) show(w http.ResponseWriter, r *http.Request) error {
	u, object, err := h.find(r)
	if err != nil {
		return err
	}
	if err := httpapi.Allow(r.Context(), authz.Read, object); err != nil {
		return err
	}
	return send(w, wire(u))
}

// list answers with the accounts that a filter selects, a page at a time.
func (h *Handlers) list(w http.ResponseWriter, r *http.Request) error {
	if err := httpapi.Allow(r.Context(), authz.Read, authz.ProvisionedObject()); err != nil {
		return err
	}
	q := r.URL.Query()
	filter, err := scim.ParseFilter(q.Get("filter"))
	if err != nil {
		return err
	}
	page, err := scim.ParsePage(q.Get("startIndex"), q.Get("count"), mostListed)
	if err != nil {
		return err
	}
	name, _ := filter.UserName()
	users, err := h.Store.ProvisionedUsers(r.Context(), name)
	if err != nil {
		return err
	}
	found := []*v1alpha1.User{}
	for _, u := range users {
		if filter.Match(resource(u)) {
			found = append(found, u)
		}
	}
	shown := []coderd.SCIMUser{}
	for _, u := range scim.Cut(found, page) {
		shown = append(shown, wire(u))
	}
	return send(w, map[string]any{
		"schemas": []string{listSchema}, "totalResults": len(found), "startIndex": page.Start, "itemsPerPage": len(shown), "Resources": shown,
	})
}

// config says what of SCIM is spoken here.
func (h *Handlers) config(w http.ResponseWriter, r *http.Request) error {
	if err := httpapi.Allow(r.Context(), authz.Read, authz.ProvisionedObject()); err != nil {
		return err
	}
	supported := func(is bool) map[string]any { return map[string]any{"supported": is} }
	return send(w, map[string]any{
		"schemas": []string{configSchema},
		"patch":   supported(true),
		"bulk":    map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":  map[string]any{"supported": true, "maxResults": mostListed},
		"sort":    supported(false), "etag": supported(false), "changePassword": supported(false),
		"authenticationSchemes": []map[string]any{{
			"type": "oauthbearertoken", "name": "Key", "primary": true,
			"description": "The key of the deployment, as a bearer token.",
		}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig"},
	})
}

// wire is an account as the provider knows it.
func wire(u *v1alpha1.User) coderd.SCIMUser {
	given, family := scim.SplitName(u.Spec.DisplayName)
	return coderd.SCIMUser{
		Schemas: []string{userSchema}, ID: ids.Of(u).String(), ExternalID: u.Spec.ExternalID,
		UserName: u.Annotations[v1alpha1.AnnotationProvisionedAs],
		Name:     coderd.SCIMName{GivenName: given, FamilyName: family},
		Emails:   []coderd.SCIMEmail{{Primary: true, Value: u.Spec.Email, Type: "work"}},
		Active:   coderd.SCIMBool(!u.Spec.Suspended), Groups: []any{}, Meta: coderd.SCIMMeta{ResourceType: "User"},
	}
}

// resource is the same as filters ask about it.
func resource(u *v1alpha1.User) scim.Resource {
	return scim.Resource{
		ID: ids.Of(u).String(), ExternalID: u.Spec.ExternalID, UserName: u.Annotations[v1alpha1.AnnotationProvisionedAs],
		DisplayName: u.Spec.DisplayName, Email: u.Spec.Email, Active: !u.Spec.Suspended,
	}
}

func send(w http.ResponseWriter, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", httpapi.SCIMMedia)
	_, err = w.Write(append(data, '\n'))
	return err
}

// media has an answer sent as SCIM's.
func media() http.Header { return http.Header{"Content-Type": {httpapi.SCIMMedia}} }

// view is an account as Coder's clients know it, which is what the contract has for a change.
func (h *Handlers) view(ctx context.Context, u *v1alpha1.User) (httpapi.Reply[codersdk.User], error) {
	a, err := h.Store.Account(ctx, u)
	return httpapi.Reply[codersdk.User]{Body: view.User(a.User, a.Organizations, h.Now()), Header: media()}, err
}
