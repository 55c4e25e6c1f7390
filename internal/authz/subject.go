// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Subject is a person as far as rights go. The zero value is nobody and may do nothing.
type Subject struct {
	// User is the metadata.name of the person's User.
	User string
	// Roles are the roles over the whole deployment.
	Roles []v1alpha1.SiteRole
	// Memberships are the roles in each organization that the person belongs to, by the Organization's metadata.name. An
	// ordinary member's entry is empty.
	Memberships map[string][]v1alpha1.OrganizationRole
	// Groups are the Groups that the person belongs to.
	Groups map[types.NamespacedName]bool
	// Provider is the identity provider, who is no person: it has the accounts that it keeps, and nothing else.
	Provider bool
}

// Caller is the person behind one request.
type Caller struct {
	Subject
	// Account is the person's User as the cache holds it: read only.
	Account *v1alpha1.User
	// Key is the id of the API key that the request carried; empty at the aggregated door.
	Key string
}

type callerKey struct{}

// NewContext gives a context that knows the caller.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From is the caller of the request whose context this is. Where nobody is known it is a caller without any right and
// with an empty Account, never nil.
func From(ctx context.Context) *Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok && c != nil {
		return c
	}
	return &Caller{Account: &v1alpha1.User{}}
}

// Known tells whether the caller is somebody.
func (c *Caller) Known() bool { return c.User != "" }

// Member tells whether the subject belongs to the organization.
func (s Subject) Member(organization string) bool {
	_, ok := s.Memberships[organization]
	return ok
}

func (s Subject) has(role v1alpha1.SiteRole) bool { return slices.Contains(s.Roles, role) }

func (s Subject) administers(organization string) bool {
	return slices.Contains(s.Memberships[organization], v1alpha1.OrganizationRoleAdmin)
}

func (s Subject) administersAny() bool {
	for organization := range s.Memberships {
		if s.administers(organization) {
			return true
		}
	}
	return false
}

func (s Subject) in(namespace, group string) bool {
	return s.Groups[types.NamespacedName{Namespace: namespace, Name: group}]
}

// Memberships are a User's organizations with the roles there. A User that names none is a member of the default
// organization, if there is one.
func Memberships(u *v1alpha1.User, defaultOrganization string) map[string][]v1alpha1.OrganizationRole {
	memberships := make(map[string][]v1alpha1.OrganizationRole, len(u.Spec.Memberships)+1)
	for _, m := range u.Spec.Memberships {
		memberships[string(m.Organization)] = m.Roles
	}
	if len(memberships) == 0 && defaultOrganization != "" {
		memberships[defaultOrganization] = nil
	}
	return memberships
}
