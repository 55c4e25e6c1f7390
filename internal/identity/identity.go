// SPDX-License-Identifier: Apache-2.0

// Package identity says which person a Kubernetes identity is, and what a person brings along when it comes to rights:
// roles, memberships and groups. Users list the identities that are theirs; one that two of them list is nobody's.
//
// It does not check that an identity is real (apiserver/authn does) and decides about no right (internal/authz does).
package identity

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// The kinds of v1alpha1.Subject.
const (
	kindUser           = "User"
	kindGroup          = "Group"
	kindServiceAccount = "ServiceAccount"

	serviceAccountPrefix = "system:serviceaccount:"
	anonymous            = "system:anonymous"
	everyone             = "system:authenticated"
)

// Kubernetes is an identity as Kubernetes has proven it.
type Kubernetes struct {
	// Name is the user name, "oidc:ada" or "system:serviceaccount:platform:robot".
	Name string
	// Groups are the groups, "system:authenticated" among them.
	Groups []string
}

// Subject is the identity in the words of spec.subjects.
func (k Kubernetes) Subject() v1alpha1.Subject {
	if rest, ok := strings.CutPrefix(k.Name, serviceAccountPrefix); ok {
		if namespace, name, ok := strings.Cut(rest, ":"); ok && namespace != "" && name != "" && !strings.Contains(name, ":") {
			return v1alpha1.Subject{Kind: kindServiceAccount, Namespace: namespace, Name: name}
		}
	}
	return v1alpha1.Subject{Kind: kindUser, Name: k.Name}
}

// Directory is where Users and Groups are looked up.
type Directory interface {
	// UsersBySubject finds all Users that list a subject.
	UsersBySubject(context.Context, v1alpha1.Subject) ([]*v1alpha1.User, error)
	// GroupsBySubject finds all Groups that list a subject.
	GroupsBySubject(context.Context, v1alpha1.Subject) ([]*v1alpha1.Group, error)
	// GroupsOf are the Groups that a User belongs to by name.
	GroupsOf(context.Context, *v1alpha1.User) (map[types.NamespacedName]bool, error)
	// DefaultOrganization is the Organization of Users without memberships; a fault.NotFound when there is none.
	DefaultOrganization(context.Context) (*v1alpha1.Organization, error)
}

// Person finds the one User who is the identity. An identity without a name is nobody and Unauthenticated; one that no
// User lists, or more than one, is Forbidden.
func Person(ctx context.Context, d Directory, k Kubernetes) (*v1alpha1.User, error) {
	if strings.TrimSpace(k.Name) == "" || k.Name == anonymous {
		return nil, fault.New(fault.Unauthenticated, "The request carries no identity.")
	}
	users, err := d.UsersBySubject(ctx, k.Subject())
	if err != nil {
		return nil, err
	}
	switch len(users) {
	case 1:
		return users[0], nil
	case 0:
		return nil, k.unlisted()
	}
	return nil, fault.New(fault.Forbidden, "you are %q, which more than one User lists in spec.subjects, so it is nobody's. "+
		"A user-admin can take it out of all but one", k.Name)
}

// unlisted tells a stranger how the door sees them, and who can change that by what.
func (k Kubernetes) unlisted() error {
	groups := ""
	if named := k.named(); len(named) > 0 {
		groups = " (groups " + strings.Join(named, ", ") + ")"
	}
	s := k.Subject()
	entry := fmt.Sprintf("{kind: %s, name: %q}", s.Kind, s.Name)
	if s.Namespace != "" {
		entry = fmt.Sprintf("{kind: %s, namespace: %q, name: %q}", s.Kind, s.Namespace, s.Name)
	}
	return fault.New(fault.Forbidden, "you are %q%s, which no User lists in spec.subjects. A user-admin can add %s there: "+
		"kubectl edit users.berth.dev %s", k.Name, groups, entry, k.guess())
}

// plainly is a name as it stands, or quoted where it holds what a terminal or a shell would not show as it is.
func plainly(name string) string {
	odd := strings.ContainsFunc(name, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune(":@._/-", c))
	})
	if odd {
		return strconv.Quote(name)
	}
	return name
}

// named are the groups that tell something, in order and as many as a sentence bears.
func (k Kubernetes) named() []string {
	const bearable = 5
	named := make([]string, 0, bearable)
	for _, g := range slices.Sorted(slices.Values(k.Groups)) {
		if g == everyone || strings.HasPrefix(g, "system:serviceaccounts") {
			continue
		}
		if len(named) == bearable {
			return append(named, "…")
		}
		named = append(named, plainly(g))
	}
	return named
}

// guess is the username that the identity most likely has.
func (k Kubernetes) guess() string {
	name := k.Name[strings.LastIndex(k.Name, ":")+1:]
	name, _, _ = strings.Cut(name, "@")
	name = strings.ToLower(strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' {
			return c
		}
		return -1
	}, name))
	if name = strings.Trim(name, "-"); name == "" {
		return "NAME"
	}
	return name
}

// Caller is a User with the rights that come from everywhere: from the User, from Groups that name the User, and, where
// the caller came with a Kubernetes identity, from Groups that list one of its groups.
func Caller(ctx context.Context, d Directory, u *v1alpha1.User, kubernetesGroups []string) (*authz.Caller, error) {
	defaultOrganization, err := DefaultOrganization(ctx, d)
	if err != nil {
		return nil, err
	}
	groups, err := d.GroupsOf(ctx, u)
	if err != nil {
		return nil, err
	}
	for _, name := range kubernetesGroups {
		brought, err := d.GroupsBySubject(ctx, v1alpha1.Subject{Kind: kindGroup, Name: name})
		if err != nil {
			return nil, err
		}
		for _, g := range brought {
			groups[types.NamespacedName{Namespace: g.Namespace, Name: g.Name}] = true
		}
	}
	return &authz.Caller{
		Subject: authz.Subject{
			User:        u.Name,
			Roles:       slices.Clone(u.Spec.Roles),
			Memberships: authz.Memberships(u, defaultOrganization),
			Groups:      groups,
		},
		Account: u,
	}, nil
}

// DefaultOrganization is the name of the default Organization; empty when there is none.
func DefaultOrganization(ctx context.Context, d Directory) (string, error) {
	o, err := d.DefaultOrganization(ctx)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return o.Name, nil
}
