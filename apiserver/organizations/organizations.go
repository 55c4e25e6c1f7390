// SPDX-License-Identifier: Apache-2.0

// Package organizations shows organizations to their members.
package organizations

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
)

// Handlers serves organizations.
type Handlers struct {
	// Store is where they are read.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/organizations/{organization}", Tag: "Organizations", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("organization", h.find), authz.Read, h.show)},
	}
}

// find takes an id or a name.
func (h *Handlers) find(ctx context.Context, text string) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.OrganizationObject(o), nil
}

func (h *Handlers) show(_ context.Context, o *v1alpha1.Organization, _ httpapi.None) (codersdk.Organization, error) {
	return view.Organization(o), nil
}
