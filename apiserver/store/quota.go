// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/quota"
)

// Quota is how many credits a day a User's workspaces may cost in an Organization, quota.Unlimited where nothing limits
// them, and how many they cost.
func (s *Store) Quota(ctx context.Context, u *v1alpha1.User, o *v1alpha1.Organization) (budget, consumed int64, err error) {
	rules := quota.Rules{Owner: u.Name}
	if o.Spec.Everyone != nil {
		rules.Everyone = o.Spec.Everyone.Quota
	}
	groups, err := s.GroupsOf(ctx, u)
	if err != nil {
		return 0, 0, err
	}
	for key := range groups {
		if key.Namespace != o.Name {
			continue
		}
		g := &v1alpha1.Group{}
		err := s.get(ctx, key.Namespace, key.Name, g)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		rules.Groups = append(rules.Groups, quota.Group{Name: g.Name, Quota: g.Spec.Quota})
	}
	own, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Owner, u.Name)
	if err != nil {
		return 0, 0, err
	}
	j := s.newJoin()
	for _, w := range own {
		at, err := j.organization(ctx, w.Namespace)
		if fault.Is(err, fault.NotFound) || err == nil && at.Name != o.Name {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		builds, err := j.builds(ctx, w)
		if err != nil {
			return 0, 0, err
		}
		consumed += quota.Count(w, builds).Cost
	}
	return rules.Budget(), consumed, nil
}
