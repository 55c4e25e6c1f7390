// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Action is what is asked for.
type Action string

// The actions.
const (
	// Read is to see that it exists, and what it is.
	Read Action = "read"
	// Use is to make workspaces of a template.
	Use Action = "use"
	// Create is to make it.
	Create Action = "create"
	// Update is to change it; starting and stopping a workspace are changes of it.
	Update Action = "update"
	// Delete is to take it away.
	Delete Action = "delete"
	// Administer is to decide over a person's account against that person: roles, status, another login. It is asked of
	// users only.
	Administer Action = "administer"
	// Authenticate is to prove who one is, or to end that. It is asked of no object.
	Authenticate Action = "authenticate"
)

// Can tells whether the subject may do the action to the object.
func (s Subject) Can(a Action, o Object) bool {
	if s.Provider || o.Kind == Provisioned {
		return s.Provider && o.Kind == Provisioned
	}
	if s.User == "" {
		return false
	}
	if s.has(v1alpha1.SiteRoleOwner) {
		return true
	}
	if a == Read && s.has(v1alpha1.SiteRoleAuditor) {
		return true
	}
	switch o.Kind {
	case Workspace:
		return s.canWorkspace(a, o)
	case Template:
		return s.canTemplate(a, o)
	case Group:
		return s.canGroup(a, o)
	case User:
		return s.canUser(a, o)
	case Organization:
		return s.canOrganization(a, o)
	case File:
		return s.canFile(a, o)
	case Member:
		return s.canMember(a, o)
	}
	return s.canNamed(a, o)
}

// canWorkspace: a workspace is its owner's, as long as the owner belongs to its organization.
func (s Subject) canWorkspace(a Action, o Object) bool {
	switch {
	case s.administers(o.Organization):
		return true
	case a == Read && s.has(v1alpha1.SiteRoleTemplateAdmin):
		return true
	}
	return o.Owner != "" && o.Owner == s.User && s.Member(o.Organization)
}

// canTemplate: the access list gives rights to members of the organization, so that a name kept in it gives nothing to who
// has left, and the use of the template to members of the organizations that it names. No list lets in administrators alone.
func (s Subject) canTemplate(a Action, o Object) bool {
	if s.has(v1alpha1.SiteRoleTemplateAdmin) || s.administers(o.Organization) {
		return true
	}
	if a == Create {
		return false
	}
	for _, entry := range o.Access {
		switch {
		case entry.Kind == v1alpha1.AccessKindOrganization:
			if s.Member(string(entry.Name)) && entry.Role == v1alpha1.AccessRoleUse && roleAllows(entry.Role, a) {
				return true
			}
		case s.Member(o.Organization) && s.meant(entry, o.Organization) && roleAllows(entry.Role, a):
			return true
		}
	}
	return false
}

// OpenTo tells whether workspaces of an organization may be made of the template: it is its own, or its access list names the
// organization. Who of its people may is another question, which Can answers.
func (o Object) OpenTo(organization string) bool {
	if o.Kind != Template || organization == "" {
		return false
	}
	return o.Organization == organization || slices.ContainsFunc(o.Access, func(e v1alpha1.AccessEntry) bool {
		return e.Kind == v1alpha1.AccessKindOrganization && string(e.Name) == organization && e.Role == v1alpha1.AccessRoleUse
	})
}

// OpenToGroup tells whether a template's access list lets the organization's members do something because they belong to the
// group. What they may do by the list as Everyone, or by name, does not count.
func (o Object) OpenToGroup(a Action, group types.NamespacedName) bool {
	return o.Kind == Template && o.Organization == group.Namespace && slices.ContainsFunc(o.Access, func(e v1alpha1.AccessEntry) bool {
		return e.Kind == v1alpha1.AccessKindGroup && string(e.Name) == group.Name && roleAllows(e.Role, a)
	})
}

func (s Subject) meant(entry v1alpha1.AccessEntry, organization string) bool {
	switch entry.Kind {
	case v1alpha1.AccessKindEveryone:
		return true
	case v1alpha1.AccessKindUser:
		return string(entry.Name) == s.User
	case v1alpha1.AccessKindGroup:
		return s.in(organization, string(entry.Name))
	}
	return false
}

func roleAllows(role v1alpha1.AccessRole, a Action) bool {
	switch role {
	case v1alpha1.AccessRoleAdmin:
		return true
	case v1alpha1.AccessRoleUse:
		return a == Read || a == Use
	}
	return false
}

// canGroup: a group's administrator decides who uses its templates, so user administrators may, and members only look.
func (s Subject) canGroup(a Action, o Object) bool {
	switch {
	case s.has(v1alpha1.SiteRoleUserAdmin), s.administers(o.Organization):
		return true
	case s.has(v1alpha1.SiteRoleTemplateAdmin):
		return a == Read
	}
	return a == Read && s.Member(o.Organization)
}

// canUser: who sets another's password, roles or keys becomes that other, so a user administrator may touch only those
// who hold no role of their own. Everybody may see and edit the own account, and nobody but an owner administers it.
func (s Subject) canUser(a Action, o Object) bool {
	own := o.Owner != "" && o.Owner == s.User
	switch {
	case a == Read && (s.has(v1alpha1.SiteRoleUserAdmin) || s.has(v1alpha1.SiteRoleTemplateAdmin)):
		return true
	case s.has(v1alpha1.SiteRoleUserAdmin) && !own && !o.Privileged:
		return true
	case own:
		return a == Read || a == Update
	}
	if a != Read {
		return false
	}
	for organization := range o.Memberships {
		if s.administers(organization) {
			return true
		}
	}
	return false
}

// canFile: an archive takes room that all share, so only who may change a template may send one. It is its sender's; who
// administers a template that was made of it reads it as the template's.
func (s Subject) canFile(a Action, o Object) bool {
	own := o.Owner != "" && o.Owner == s.User
	switch a {
	case Read:
		return own || s.has(v1alpha1.SiteRoleTemplateAdmin)
	case Create:
		return own && (o.Editor || s.has(v1alpha1.SiteRoleTemplateAdmin) || s.administersAny())
	}
	return false
}

func (s Subject) canOrganization(a Action, o Object) bool {
	switch a {
	case Read:
		return s.Member(o.Organization) || s.has(v1alpha1.SiteRoleTemplateAdmin) || s.has(v1alpha1.SiteRoleUserAdmin)
	case Update:
		return s.administers(o.Organization)
	}
	return false
}
