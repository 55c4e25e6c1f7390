// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ids"
)

// hasFirst says whether anybody can administer the deployment yet.
func (h *Handlers) hasFirst(ctx context.Context, _ httpapi.None) (codersdk.Response, error) {
	there, err := h.Store.HasOwner(ctx)
	if err != nil {
		return codersdk.Response{}, err
	}
	if !there {
		return codersdk.Response{}, fault.New(fault.NotFound, "The initial user has not been created!")
	}
	return codersdk.Response{Message: "The initial user has already been created."}, nil
}

// createFirst makes the deployment's first owner, exactly once, whoever asks first.
func (h *Handlers) createFirst(ctx context.Context, in codersdk.CreateFirstUserRequest) (codersdk.CreateFirstUserResponse, error) {
	none := codersdk.CreateFirstUserResponse{}
	if err := checkFirst(in); err != nil {
		return none, err
	}
	organization, err := h.Store.FreshDefaultOrganization(ctx)
	if fault.Is(err, fault.NotFound) {
		f := fault.New(fault.Conflict, "There is no default organization yet, and the first user belongs to it.")
		f.Detail = "Apply one: {apiVersion: berth.dev/v1alpha1, kind: Organization, metadata: {name: platform}, spec: {default: true}}"
		return none, f
	}
	if err != nil {
		return none, err
	}
	user, err := h.Store.CreateFirstUser(ctx, store.FirstUser{
		Username: in.Username, Email: in.Email, Organization: organization.Name,
		SetPassword: func(ctx context.Context, u *v1alpha1.User) error {
			return h.Credentials.SetPassword(ctx, u, ids.Of(u), in.Password)
		},
	})
	if err != nil {
		return none, err
	}
	return codersdk.CreateFirstUserResponse{UserID: ids.Of(user), OrganizationID: ids.Of(organization)}, nil
}

// checkFirst says everything that is wrong with the request at once.
func checkFirst(in codersdk.CreateFirstUserRequest) error {
	if f := fault.Join("Validation failed.", identity.CheckUsername("username", in.Username), identity.CheckEmail("email", in.Email), credentials.CheckPolicy(in.Password)); f != nil {
		return f
	}
	return nil
}
