// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/index"
)

const (
	// everyone is the name of the group of all members, on the wire, without case.
	everyone = "everyone"
	// maxGroupName is how long a Group's metadata.name may be where spec.name says nothing.
	maxGroupName = 36
)

// GroupParts is a group with its organization.
type GroupParts struct {
	// Group is nil for the group of all members, which has no object and the organization's id.
	Group *v1alpha1.Group
	// Organization is the group's.
	Organization *v1alpha1.Organization
}

// WireName is the name that people see.
func (p GroupParts) WireName() string {
	if p.Group == nil {
		return "Everyone"
	}
	return p.Group.WireName()
}

// GroupByID finds a group by the id on the wire: an organization's is that of all its members.
func (s *Store) GroupByID(ctx context.Context, id uuid.UUID) (GroupParts, authz.Object, error) {
	if o, err := s.OrganizationByID(ctx, id); !fault.Is(err, fault.NotFound) {
		if err != nil {
			return GroupParts{}, authz.Object{}, err
		}
		return GroupParts{Organization: o}, authz.NewGroup(o.Name), nil
	}
	g, err := first(list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, index.ID, id.String()))
	if err != nil {
		return GroupParts{}, authz.Object{}, err
	}
	return s.joinGroup(ctx, g)
}

// joinGroup joins a group with its organization, in whose home namespace it must stand.
func (s *Store) joinGroup(ctx context.Context, g *v1alpha1.Group) (GroupParts, authz.Object, error) {
	o, err := s.organizationOfNamespace(ctx, g.Namespace)
	if err == nil && o.Name != g.Namespace {
		err = notFound()
	}
	return GroupParts{Group: g, Organization: o}, authz.GroupObject(g), err
}

// GroupByName finds a group of an organization by the name on the wire, without case.
func (s *Store) GroupByName(ctx context.Context, o *v1alpha1.Organization, name string) (GroupParts, authz.Object, error) {
	if index.Fold(name) == everyone {
		return GroupParts{Organization: o}, authz.NewGroup(o.Name), nil
	}
	g, err := first(list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, index.Name, index.Fold(name), client.InNamespace(o.Name)))
	if err != nil {
		return GroupParts{}, authz.Object{}, err
	}
	return s.joinGroup(ctx, g)
}

// GroupOf is the group of an organization that has the metadata.name; the empty name is that of all members.
func (s *Store) GroupOf(ctx context.Context, o *v1alpha1.Organization, name string) (GroupParts, error) {
	p := GroupParts{Organization: o}
	if name == "" {
		return p, nil
	}
	p.Group = &v1alpha1.Group{}
	err := s.get(ctx, o.Name, name, p.Group)
	if err == nil && Hidden(p.Group) {
		err = notFound()
	}
	return p, err
}

// Groups are all groups of an organization on the wire, by name, that of all members among them.
func (s *Store) Groups(ctx context.Context, o *v1alpha1.Organization) ([]GroupParts, error) {
	found, err := list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, "", "", client.InNamespace(o.Name))
	if err != nil {
		return nil, err
	}
	all := []GroupParts{{Organization: o}}
	for _, g := range found {
		if !Hidden(g) {
			all = append(all, GroupParts{Group: g, Organization: o})
		}
	}
	slices.SortFunc(all, byName)
	return all, nil
}

// Members are the Users in a group, by username: those that it declares and those that a login brought, as far as they
// belong to the organization. A name that is no member's gives nobody anything, and is not shown.
func (s *Store) Members(ctx context.Context, p GroupParts) ([]Account, error) {
	if p.Group == nil {
		members, err := s.MembersOf(ctx, p.Organization)
		if err != nil {
			return nil, err
		}
		return s.Accounts(ctx, members...)
	}
	users, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Brought, p.Group.Namespace+"/"+p.Group.Name)
	if err != nil {
		return nil, err
	}
	users = slices.DeleteFunc(users, func(u *v1alpha1.User) bool { return Hidden(u) })
	for _, name := range p.Group.Spec.Members {
		if slices.ContainsFunc(users, func(u *v1alpha1.User) bool { return u.Name == string(name) }) {
			continue
		}
		u, err := s.User(ctx, string(name))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	slices.SortFunc(users, byName)
	accounts, err := s.Accounts(ctx, users...)
	return slices.DeleteFunc(accounts, func(a Account) bool { return !a.Member(p.Organization) }), err
}

// Member tells whether the User belongs to the organization.
func (a Account) Member(o *v1alpha1.Organization) bool {
	_, ok := a.Rights.Memberships[o.Name]
	return ok
}

// CreateGroup stores a new group that people call by the name. One that another group of the organization has is a
// Conflict. Its metadata.name is one that no access list holds any more.
func (s *Store) CreateGroup(ctx context.Context, o *v1alpha1.Organization, name, by string, spec v1alpha1.GroupSpec) (*v1alpha1.Group, error) {
	var made *v1alpha1.Group
	err := s.alone(ctx, groupName(o.Name, name), func() error {
		if err := s.freeGroupName(ctx, o.Name, name, ""); err != nil {
			return err
		}
		object, err := s.freeName(ctx, strings.ToLower(name), maxGroupName, s.groupTaken(o))
		if err != nil {
			return err
		}
		made = &v1alpha1.Group{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.Name, Name: object, Annotations: map[string]string{
				v1alpha1.AnnotationCreatedAt: time.Now().UTC().Format(time.RFC3339Nano), v1alpha1.AnnotationCreatedBy: by,
			}},
			Spec: spec,
		}
		if name != object {
			made.Spec.Name = name
		}
		return asFault(s.client.Create(ctx, made))
	})
	return made, err
}

// groupTaken tells whether a metadata.name is a Group's of the organization, or stands in an access list or at a User
// still.
func (s *Store) groupTaken(o *v1alpha1.Organization) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, name string) (bool, error) {
		err := s.live.Get(ctx, client.ObjectKey{Namespace: o.Name, Name: name}, &v1alpha1.Group{})
		if !apierrors.IsNotFound(err) {
			return err == nil, asFault(err)
		}
		brought, err := list[*v1alpha1.User](ctx, s, &v1alpha1.UserList{}, index.Brought, o.Name+"/"+name)
		if err != nil || len(brought) > 0 {
			return true, err
		}
		templates, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, "", "", client.InNamespace(o.Name))
		return slices.ContainsFunc(templates, func(t *v1alpha1.Template) bool {
			return slices.ContainsFunc(t.Spec.Access, func(e v1alpha1.AccessEntry) bool {
				return e.Kind == v1alpha1.AccessKindGroup && string(e.Name) == name
			})
		}), err
	}
}

// RenameGroup is ChangeGroup by an edit that gives the group the name. One that another group of the organization has is a
// Conflict.
func (s *Store) RenameGroup(ctx context.Context, g *v1alpha1.Group, name string, edit func(*v1alpha1.Group) error) (*v1alpha1.Group, error) {
	var changed *v1alpha1.Group
	err := s.alone(ctx, groupName(g.Namespace, name), func() error {
		err := s.freeGroupName(ctx, g.Namespace, name, string(g.UID))
		if err == nil {
			changed, err = s.ChangeGroup(ctx, g, edit)
		}
		return err
	})
	return changed, err
}

// DeleteGroup removes a group. Access lists that name it give nothing from then on.
func (s *Store) DeleteGroup(ctx context.Context, g *v1alpha1.Group) error {
	if err := gitops.Editable(g, "Group "+g.WireName()); err != nil {
		return err
	}
	return asFault(s.client.Delete(ctx, g, client.Preconditions{UID: &g.UID}))
}

// freeGroupName is a Conflict when another group of the organization than that of the uid has the name. It reads live.
func (s *Store) freeGroupName(ctx context.Context, organization, name, uid string) error {
	var all v1alpha1.GroupList
	if err := s.live.List(ctx, &all, client.InNamespace(organization)); err != nil {
		return asFault(err)
	}
	if slices.ContainsFunc(all.Items, func(g v1alpha1.Group) bool {
		return string(g.UID) != uid && g.DeletionTimestamp == nil && !Hidden(&g) && index.Fold(g.WireName()) == index.Fold(name)
	}) {
		f := fault.New(fault.Conflict, "A group of this name exists already.")
		f.Fields = []fault.Field{{Path: "name", Detail: "This value is already in use and should be unique."}}
		return f
	}
	return nil
}

func groupName(organization, name string) claims.Claim {
	return claims.Claim{Kind: claims.GroupName, Value: organization + "/" + name}
}
