// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// provisioned tells whether an identity provider keeps the account.
func provisioned(u *v1alpha1.User) bool { return u.Annotations[v1alpha1.AnnotationProvisionedAs] != "" }

// ProvisionedUsers are the Users on the wire that an identity provider keeps, by username; only those that it calls by the
// name, where one is given.
func (s *Store) ProvisionedUsers(ctx context.Context, name string) ([]*v1alpha1.User, error) {
	var found []*v1alpha1.User
	var err error
	if name == "" {
		found, err = s.Users(ctx)
	} else {
		found, err = list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.ProvisionedAs, index.Fold(name))
	}
	found = slices.DeleteFunc(found, func(u *v1alpha1.User) bool { return Hidden(u) || !provisioned(u) })
	slices.SortFunc(found, byName)
	return found, err
}

// NameProvisioned runs do, which gives an account the name that an identity provider knows it by; u is that account, or nil
// where it is to be made. A name that it has for another account is a Conflict. No two requests give a name at once; who has
// it, the cache tells, since a provider makes thousands of accounts and all of them read live for each would be too dear.
func (s *Store) NameProvisioned(ctx context.Context, name string, u *v1alpha1.User, do func() error) error {
	return s.alone(ctx, claims.Claim{Kind: claims.ProvisionedName, Value: name}, func() error {
		holders, err := s.ProvisionedUsers(ctx, name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(holders, func(o *v1alpha1.User) bool { return u == nil || o.UID != u.UID }) {
			f := fault.New(fault.Conflict, "Another account is provisioned by this name.")
			f.Fields = []fault.Field{{Path: "userName", Detail: "This value is already in use and should be unique."}}
			return f
		}
		return do()
	})
}
