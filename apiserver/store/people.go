// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// User is the User of that metadata.name.
func (s *Store) User(ctx context.Context, name string) (*v1alpha1.User, error) {
	u := &v1alpha1.User{}
	if err := s.get(ctx, "", name, u); err != nil {
		return nil, err
	}
	if Hidden(u) {
		return nil, notFound()
	}
	return u, nil
}

// UserByID finds a User by the id on the wire.
func (s *Store) UserByID(ctx context.Context, id uuid.UUID) (*v1alpha1.User, error) {
	return first(list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.ID, id.String()))
}

// UserByName finds a User by the username on the wire, without case.
func (s *Store) UserByName(ctx context.Context, username string) (*v1alpha1.User, error) {
	return first(list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Name, index.Fold(username)))
}

// UserByEmail finds a User by address, without case.
func (s *Store) UserByEmail(ctx context.Context, email string) (*v1alpha1.User, error) {
	return first(list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Email, index.Fold(email)))
}

// UserOf finds the User that a path names: by id, by username, or the caller for "me".
func (s *Store) UserOf(ctx context.Context, text string) (*v1alpha1.User, error) {
	if text == "me" {
		caller := authz.From(ctx)
		if !caller.Known() {
			return nil, notFound()
		}
		return s.User(ctx, caller.User)
	}
	if id, err := uuid.Parse(text); err == nil && len(text) == len(uuid.Nil.String()) {
		return s.UserByID(ctx, id)
	}
	return s.UserByName(ctx, text)
}

// UsersBySubject finds the Users that claim a Kubernetes identity. An identity that two claim is nobody's; who asks
// decides that.
func (s *Store) UsersBySubject(ctx context.Context, subject v1alpha1.Subject) ([]*v1alpha1.User, error) {
	return list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Subject, index.SubjectKey(subject))
}

// Users are all Users on the wire, by username.
func (s *Store) Users(ctx context.Context) ([]*v1alpha1.User, error) {
	all, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, "", "")
	all = slices.DeleteFunc(all, func(u *v1alpha1.User) bool { return Hidden(u) })
	slices.SortFunc(all, byName)
	return all, err
}

// GroupsBySubject finds the Groups that claim a Kubernetes group.
func (s *Store) GroupsBySubject(ctx context.Context, subject v1alpha1.Subject) ([]*v1alpha1.Group, error) {
	return list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, index.Subject, index.SubjectKey(subject))
}

// GroupsOf are the Groups a User belongs to: those that declare the User, and those a login or SCIM brought. Groups that
// a Kubernetes identity brings are found by GroupsBySubject.
func (s *Store) GroupsOf(ctx context.Context, u *v1alpha1.User) (map[types.NamespacedName]bool, error) {
	declared, err := list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, index.Member, u.Name)
	if err != nil {
		return nil, err
	}
	groups := map[types.NamespacedName]bool{}
	for _, g := range declared {
		groups[client.ObjectKeyFromObject(g)] = true
	}
	for _, text := range u.Status.Groups {
		if namespace, name, ok := strings.Cut(text, "/"); ok {
			groups[types.NamespacedName{Namespace: namespace, Name: name}] = true
		}
	}
	return groups, nil
}

// Organization is the Organization of that metadata.name.
func (s *Store) Organization(ctx context.Context, name string) (*v1alpha1.Organization, error) {
	o := &v1alpha1.Organization{}
	if err := s.get(ctx, "", name, o); err != nil {
		return nil, err
	}
	if Hidden(o) {
		return nil, notFound()
	}
	return o, nil
}

// OrganizationByID finds an Organization by the id on the wire.
func (s *Store) OrganizationByID(ctx context.Context, id uuid.UUID) (*v1alpha1.Organization, error) {
	return first(list[*v1alpha1.Organization](ctx, s, &v1alpha1.OrganizationList{}, index.ID, id.String()))
}

// OrganizationOf finds the Organization that a path names: by id, by name, or the default one for "default".
func (s *Store) OrganizationOf(ctx context.Context, text string) (*v1alpha1.Organization, error) {
	if id, err := uuid.Parse(text); err == nil && len(text) == len(uuid.Nil.String()) {
		return s.OrganizationByID(ctx, id)
	}
	o, err := first(list[*v1alpha1.Organization](ctx, s, &v1alpha1.OrganizationList{}, index.Name, index.Fold(text)))
	if fault.Is(err, fault.NotFound) && text == "default" {
		return s.DefaultOrganization(ctx)
	}
	return o, err
}

// DefaultOrganization is the oldest Organization that calls itself the default one; NotFound when none does.
func (s *Store) DefaultOrganization(ctx context.Context) (*v1alpha1.Organization, error) {
	return first(list[*v1alpha1.Organization](ctx, s, &v1alpha1.OrganizationList{}, index.Default, "true"))
}

// Organizations are all Organizations on the wire, by name.
func (s *Store) Organizations(ctx context.Context) ([]*v1alpha1.Organization, error) {
	all, err := list[*v1alpha1.Organization](ctx, s, &v1alpha1.OrganizationList{}, "", "")
	all = slices.DeleteFunc(all, func(o *v1alpha1.Organization) bool { return Hidden(o) })
	slices.SortFunc(all, byName)
	return all, err
}

// organizationOfNamespace is the Organization that a namespace belongs to, by its label. A namespace that is none's holds
// nothing that is on the wire.
func (s *Store) organizationOfNamespace(ctx context.Context, namespace string) (*v1alpha1.Organization, error) {
	n := &corev1.Namespace{}
	if err := s.get(ctx, "", namespace, n); err != nil {
		return nil, err
	}
	return s.Organization(ctx, n.Labels[v1alpha1.LabelOrganization])
}
