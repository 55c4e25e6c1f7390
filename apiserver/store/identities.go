// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// maxBrought is how many groups a login may bring, as the schema has it.
const maxBrought = 1000

// UserByIdentity finds the User that an account at an identity provider signs in as; a NotFound when it is nobody's yet. One
// that two Users list is Forbidden: nobody can tell whose it is.
func (s *Store) UserByIdentity(ctx context.Context, identity v1alpha1.LinkedIdentity) (*v1alpha1.User, error) {
	found, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Identity, index.IdentityKey(identity))
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, notFound()
	case 1:
		return first(found, nil)
	}
	return nil, fault.New(fault.Forbidden, "More than one User lists this account in spec.identities, so it is nobody's. "+
		"A user administrator can take it out of all but one.")
}

// LinkUser is ChangeUser by an edit that makes an account at an identity provider one of the User's. One that is another
// User's is a Conflict.
func (s *Store) LinkUser(ctx context.Context, u *v1alpha1.User, identity v1alpha1.LinkedIdentity, edit func(*v1alpha1.User) error) (*v1alpha1.User, error) {
	return s.reserving(ctx, u, identityClaim(identity), func() (*v1alpha1.User, error) {
		return s.ChangeUser(ctx, u, func(u *v1alpha1.User) error {
			if err := edit(u); err != nil {
				return err
			}
			if !slices.Contains(u.Spec.Identities, identity) {
				u.Spec.Identities = append(u.Spec.Identities, identity)
			}
			return nil
		})
	})
}

// SetBrought says which Groups a login put the User into, in place of those that stood there. Who may be in which group is
// the identity provider's word here, so it stands in the status, which no manifest holds.
func (s *Store) SetBrought(ctx context.Context, u *v1alpha1.User, groups []types.NamespacedName) error {
	wish := make([]string, 0, len(groups))
	for _, g := range groups {
		wish = append(wish, g.Namespace+"/"+g.Name)
	}
	slices.Sort(wish)
	wish = slices.Compact(wish)
	wish = wish[:min(len(wish), maxBrought)]
	if slices.Equal(wish, u.Status.Groups) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": u.UID},
		"status":   map[string]any{"groups": wish},
	})
	if err != nil {
		return err
	}
	target := &v1alpha1.User{}
	target.Name = u.Name
	return asFault(s.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)))
}

// SetSignedIn says to which external providers a User is signed in, in place of those that stood there. The links themselves
// nobody else may read; that there are some is what a start depends on.
func (s *Store) SetSignedIn(ctx context.Context, u *v1alpha1.User, providers []string) error {
	if slices.Equal(providers, u.Status.ExternalAuth) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": u.UID},
		"status":   map[string]any{"externalAuth": providers},
	})
	if err != nil {
		return err
	}
	target := &v1alpha1.User{}
	target.Name = u.Name
	return asFault(s.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)))
}

func identityClaim(i v1alpha1.LinkedIdentity) claims.Claim {
	return claims.Claim{Kind: claims.Identity, Value: index.IdentityKey(i)}
}
