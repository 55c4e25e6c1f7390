// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// RenameUser is ChangeUser by an edit that gives the User the username. One that another User has is a Conflict.
func (s *Store) RenameUser(ctx context.Context, u *v1alpha1.User, username string, edit func(*v1alpha1.User) error) (*v1alpha1.User, error) {
	return s.reclaim(ctx, u, claims.Claim{Kind: claims.Username, Value: username}, u.WireName(), s.UserByName, edit)
}

// ReaddressUser is ChangeUser by an edit that gives the User the e-mail address. One that another User has is a Conflict.
func (s *Store) ReaddressUser(ctx context.Context, u *v1alpha1.User, email string, edit func(*v1alpha1.User) error) (*v1alpha1.User, error) {
	return s.reclaim(ctx, u, claims.Claim{Kind: claims.Email, Value: email}, u.Spec.Email, s.UserByEmail, edit)
}

// reclaim is ChangeUser by an edit after which the User has what is claimed, in place of what was; bearer finds the User who
// has it now.
func (s *Store) reclaim(ctx context.Context, u *v1alpha1.User, claim claims.Claim, was string,
	bearer func(context.Context, string) (*v1alpha1.User, error), edit func(*v1alpha1.User) error,
) (*v1alpha1.User, error) {
	if index.Fold(claim.Value) == index.Fold(was) {
		return s.ChangeUser(ctx, u, edit) // other capitals are no other name
	}
	other, err := bearer(ctx, claim.Value)
	if err == nil && other.UID != u.UID {
		return nil, taken(string(claim.Kind), claim.Value)
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return s.reserving(ctx, u, claim, func() (*v1alpha1.User, error) {
		return s.ChangeUser(ctx, u, edit)
	})
}

// reserving runs a change of the User that gives it what is claimed. The claim is a reservation, which the manager makes
// the User's own once it sees the change, and is given back when that fails.
func (s *Store) reserving(ctx context.Context, u *v1alpha1.User, claim claims.Claim, do func() (*v1alpha1.User, error)) (*v1alpha1.User, error) {
	c, holder := s.claims(), claims.Holder{Name: u.Name}
	var held *claims.Taken
	switch err := c.Hold(ctx, claim, holder); {
	case err == nil:
	case errors.As(err, &held) && held.Holder.Name == u.Name: // the User had it before, or gets it by another request
	case held != nil:
		if err := s.hold(ctx, c, claim, holder); err != nil {
			return nil, err
		}
	default:
		return nil, asFault(err)
	}
	changed, err := do()
	if err != nil {
		left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
		defer cancel()
		return nil, errors.Join(err, release(left, c, holder, []claims.Claim{claim}))
	}
	return changed, nil
}
