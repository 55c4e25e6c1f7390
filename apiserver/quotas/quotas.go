// SPDX-License-Identifier: Apache-2.0

// Package quotas shows what people may use and what they do use. That nobody uses more is the manager's to see to.
package quotas

import (
	"context"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/quota"
)

// Handlers serves quotas.
type Handlers struct {
	// Store is where they are read.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/workspace-quota/{user}", Tag: "Enterprise", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByName("user", h.find), authz.Read, h.show)},
	}
}

// find takes an id, a username or "me".
func (h *Handlers) find(ctx context.Context, text string) (*v1alpha1.User, authz.Object, error) {
	u, err := h.Store.UserOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	byDefault, err := identity.DefaultOrganization(ctx, h.Store)
	return u, authz.UserObject(u, byDefault), err
}

// show answers with the user's budget in one organization, as the path names none: the default one, or, for who is no
// member of that, the first of the user's own by name.
func (h *Handlers) show(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (codersdk.WorkspaceQuota, error) {
	byDefault, err := identity.DefaultOrganization(ctx, h.Store)
	if err != nil {
		return codersdk.WorkspaceQuota{}, err
	}
	var names []string
	for name := range authz.Memberships(u, byDefault) {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == byDefault) != (b == byDefault) {
			if a == byDefault {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		o, err := h.Store.Organization(ctx, name)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return codersdk.WorkspaceQuota{}, err
		}
		budget, consumed, err := h.Store.Quota(ctx, u, o)
		return codersdk.WorkspaceQuota{CreditsConsumed: consumed, Budget: budget}, err
	}
	return codersdk.WorkspaceQuota{Budget: quota.Unlimited}, nil
}
