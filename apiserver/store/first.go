// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
)

// annotationFirst marks a User that is being made the first owner and is not yet: it has no role, and the process that
// made it may have died.
const annotationFirst = "berth.dev/becoming-first-user"

// FirstUser is who the first owner is to be.
type FirstUser struct {
	// Username and Email are the person's.
	Username, Email string
	// Organization is the metadata.name of the organization that the person administers.
	Organization string
	// SetPassword gives the User, who is stored by then, a password.
	SetPassword func(context.Context, *v1alpha1.User) error
}

// HasOwner tells whether the cache knows a User with the role Owner.
func (s *Store) HasOwner(ctx context.Context) (bool, error) {
	all, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, "", "")
	return slices.ContainsFunc(all, isOwner), err
}

func isOwner(u *v1alpha1.User) bool { return slices.Contains(u.Spec.Roles, v1alpha1.SiteRoleOwner) }

// CreateFirstUser makes the first owner, once: whoever comes second gets a Conflict, on whichever replica.
//
// The User is stored without a role, gets its password, and only then becomes owner, so that a process that dies in
// between leaves nobody who is owner and cannot sign in. The claim of being first serializes: it is made before the User
// and confirmed with its uid before the role is given. What a dead process left is taken away once its claim is over.
func (s *Store) CreateFirstUser(ctx context.Context, wish FirstUser) (*v1alpha1.User, error) {
	if err := s.noOwner(ctx); err != nil {
		return nil, err
	}
	c := s.claims()
	holder := claims.Holder{Name: strings.ToLower(wish.Username)}
	wanted := []claims.Claim{
		{Kind: claims.FirstUser},
		{Kind: claims.Username, Value: wish.Username},
		{Kind: claims.Email, Value: wish.Email},
	}
	for i, claim := range wanted {
		if err := s.hold(ctx, c, claim, holder); err != nil {
			return nil, errors.Join(err, release(ctx, c, holder, wanted[:i]))
		}
	}
	user, err := s.makeFirst(ctx, c, wish, holder)
	if err != nil {
		return nil, errors.Join(err, release(ctx, c, holder, wanted))
	}
	return user, nil
}

func (s *Store) makeFirst(ctx context.Context, c *claims.Claims, wish FirstUser, holder claims.Holder) (*v1alpha1.User, error) {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	user := &v1alpha1.User{
		ObjectMeta: metav1.ObjectMeta{
			Name:        holder.Name,
			Annotations: map[string]string{annotationFirst: now, v1alpha1.AnnotationCreatedAt: now},
		},
		Spec: v1alpha1.UserSpec{
			Email:     wish.Email,
			LoginType: v1alpha1.LoginTypePassword,
			Memberships: []v1alpha1.Membership{{
				Organization: v1alpha1.ObjectName(wish.Organization),
				Roles:        []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin},
			}},
		},
	}
	if wish.Username != holder.Name {
		user.Spec.Username = v1alpha1.WireName(wish.Username)
	}
	err := s.client.Create(ctx, user)
	if apierrors.IsAlreadyExists(err) {
		return nil, taken("username", wish.Username)
	}
	if err != nil {
		return nil, asFault(err)
	}
	owner, err := s.promoteFirst(ctx, c, wish, user)
	if err != nil {
		return nil, errors.Join(err, asFault(s.unmake(ctx, user)))
	}
	return owner, nil
}

// promoteFirst gives the stored User its password and then, if the claim is still its own and nobody else became owner,
// the role.
func (s *Store) promoteFirst(ctx context.Context, c *claims.Claims, wish FirstUser, user *v1alpha1.User) (*v1alpha1.User, error) {
	if err := wish.SetPassword(ctx, user); err != nil {
		return nil, err
	}
	if err := s.hold(ctx, c, claims.Claim{Kind: claims.FirstUser}, claims.Holder{Name: user.Name, UID: user.UID}); err != nil {
		return nil, err
	}
	if err := s.noOwner(ctx); err != nil {
		return nil, err
	}
	return s.ChangeUser(ctx, user, func(u *v1alpha1.User) error {
		if _, ok := u.Annotations[annotationFirst]; !ok {
			return firstExists() // somebody took it for their own meanwhile
		}
		delete(u.Annotations, annotationFirst)
		u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}
		return nil
	})
}

// FreshDefaultOrganization is DefaultOrganization read live: the first user is often asked for in the moment after the
// organization was applied, which the cache may not have seen.
func (s *Store) FreshDefaultOrganization(ctx context.Context) (*v1alpha1.Organization, error) {
	var all v1alpha1.OrganizationList
	if err := s.live.List(ctx, &all); err != nil {
		return nil, asFault(err)
	}
	var found []*v1alpha1.Organization
	for i := range all.Items {
		if all.Items[i].Spec.Default {
			found = append(found, &all.Items[i])
		}
	}
	return first(found, nil)
}

// noOwner is a Conflict when the cluster has an owner. It reads live: a cache that is a moment late would let in a second.
func (s *Store) noOwner(ctx context.Context) error {
	var users v1alpha1.UserList
	if err := s.live.List(ctx, &users); err != nil {
		return asFault(err)
	}
	for i := range users.Items {
		if isOwner(&users.Items[i]) {
			return firstExists()
		}
	}
	return nil
}

// hold makes a claim, if necessary by taking away what a dead process left behind.
func (s *Store) hold(ctx context.Context, c *claims.Claims, claim claims.Claim, holder claims.Holder) error {
	err := c.Hold(ctx, claim, holder)
	var other *claims.Taken
	if !errors.As(err, &other) {
		return asFault(err)
	}
	abandoned, sweepErr := s.sweepAbandoned(ctx, c, claim, other.Holder)
	if sweepErr != nil {
		return sweepErr
	}
	if abandoned {
		if err = c.Hold(ctx, claim, holder); !errors.As(err, &other) {
			return asFault(err)
		}
	}
	switch claim.Kind {
	case claims.FirstUser:
		return firstExists()
	case claims.Identity:
		return fault.New(fault.Conflict, "The account at the identity provider signs in as another user.")
	}
	return taken(string(claim.Kind), claim.Value)
}

// sweepAbandoned takes away a User who was to become first and did not in time, and the claims in that name. It tells
// whether the claim may be free now.
func (s *Store) sweepAbandoned(ctx context.Context, c *claims.Claims, claim claims.Claim, holder claims.Holder) (bool, error) {
	left := &v1alpha1.User{}
	err := s.live.Get(ctx, client.ObjectKey{Name: holder.Name}, left)
	switch {
	case err == nil:
		since, parseErr := time.Parse(time.RFC3339Nano, left.Annotations[annotationFirst])
		if parseErr != nil || len(left.Spec.Roles) > 0 || time.Since(since) < claims.Pending {
			return false, nil
		}
		if err := s.unmake(ctx, left); err != nil {
			return false, asFault(err)
		}
	case !apierrors.IsNotFound(err):
		return false, asFault(err)
	}
	return true, asFault(c.Abandon(ctx, claim, holder))
}

// unmake removes a User just as it was read.
func (s *Store) unmake(ctx context.Context, u *v1alpha1.User) error {
	return client.IgnoreNotFound(s.client.Delete(ctx, u, client.Preconditions{UID: &u.UID, ResourceVersion: &u.ResourceVersion}))
}

func release(ctx context.Context, c *claims.Claims, holder claims.Holder, made []claims.Claim) error {
	var errs []error
	for _, claim := range made {
		errs = append(errs, c.Release(ctx, claim, holder))
	}
	return errors.Join(errs...)
}

// claims are the deployment's claims, read live: the API server makes one in a lifetime.
func (s *Store) claims() *claims.Claims {
	return &claims.Claims{Client: s.live, Live: s.live, Namespace: s.namespace, Clock: clock.RealClock{}}
}

func firstExists() error {
	return fault.New(fault.Conflict, "The initial user has already been created, or is being created at this moment.")
}

func taken(field, value string) error {
	f := fault.New(fault.Conflict, "%s %q is taken.", field, value)
	f.Fields = []fault.Field{{Path: field, Detail: "belongs to another user; choose another"}}
	return f
}
