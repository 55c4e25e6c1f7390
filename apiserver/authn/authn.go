// SPDX-License-Identifier: Apache-2.0

// Package authn finds out who calls. Whatever a request carries, a session token at /api/v2 or an identity that the
// kube-apiserver vouches for at the aggregated door, it becomes one authz.Caller or is refused; it never becomes Berth
// itself. The package does not decide what a caller may do.
package authn

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
)

// People is where accounts are looked up; the store is one.
type People interface {
	identity.Directory
	// UserByID finds a User by the id on the wire; a fault.NotFound when there is none.
	UserByID(context.Context, uuid.UUID) (*v1alpha1.User, error)
	// User finds a User by metadata.name; a fault.NotFound also when it is kept off the wire.
	User(context.Context, string) (*v1alpha1.User, error)
}

// Noter is told who was there.
type Noter interface{ Note(*v1alpha1.User) }

// admit makes a person the caller, unless the account is suspended. That is asked of every request, so that nothing which
// was begun before goes on.
func admit(ctx context.Context, people People, noter Noter, u *v1alpha1.User, kubernetesGroups []string) (*authz.Caller, error) {
	if u.Spec.Suspended || u.DeletionTimestamp != nil {
		return nil, &httpapi.RefusedCaller{Account: u, Err: Suspended()}
	}
	caller, err := identity.Caller(ctx, people, u, kubernetesGroups)
	if err != nil {
		return nil, err
	}
	if noter != nil {
		noter.Note(u)
	}
	return caller, nil
}

// Suspended is the answer to a suspended account, at every door.
func Suspended() error {
	return fault.New(fault.Unauthenticated, "Your account is suspended. Contact an admin to reactivate your account.")
}
