// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/index"
)

// Account is a User with the organizations that it belongs to.
type Account struct {
	User *v1alpha1.User
	// Organizations are those that are on the wire, by name.
	Organizations []*v1alpha1.Organization
	// Rights are what the rights to the User depend on.
	Rights authz.Object
}

// Accounts joins Users with their organizations, in the order given.
func (s *Store) Accounts(ctx context.Context, users ...*v1alpha1.User) ([]Account, error) {
	byDefault, err := identity.DefaultOrganization(ctx, s)
	if err != nil {
		return nil, err
	}
	known := map[string]answer[*v1alpha1.Organization]{}
	joined := make([]Account, 0, len(users))
	for _, u := range users {
		a := Account{User: u, Rights: authz.UserObject(u, byDefault)}
		for name := range a.Rights.Memberships {
			o, err := once(known, name, func() (*v1alpha1.Organization, error) { return s.Organization(ctx, name) })
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			a.Organizations = append(a.Organizations, o)
		}
		slices.SortFunc(a.Organizations, byName)
		joined = append(joined, a)
	}
	return joined, nil
}

// Account joins one User with its organizations.
func (s *Store) Account(ctx context.Context, u *v1alpha1.User) (Account, error) {
	joined, err := s.Accounts(ctx, u)
	if err != nil {
		return Account{}, err
	}
	return joined[0], nil
}

// MembersOf are the Users of an organization, by username.
func (s *Store) MembersOf(ctx context.Context, o *v1alpha1.Organization) ([]*v1alpha1.User, error) {
	members, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Membership, o.Name)
	if err != nil {
		return nil, err
	}
	byDefault, err := identity.DefaultOrganization(ctx, s)
	if err != nil {
		return nil, err
	}
	if byDefault == o.Name {
		unnamed, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Membership, "")
		if err != nil {
			return nil, err
		}
		members = append(members, unnamed...)
	}
	members = slices.DeleteFunc(members, func(u *v1alpha1.User) bool { return Hidden(u) })
	slices.SortFunc(members, byName)
	return members, nil
}
