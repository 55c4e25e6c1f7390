// SPDX-License-Identifier: Apache-2.0

package authz

import "github.com/berth-dev/berth/api/v1alpha1"

// CanAssign tells whether the subject may give a role over the deployment to another, or take it away. Whoever gives a
// role could sign in as the one who has it, by a password set before; so nobody gives what they lack, and only an owner
// lacks nothing.
func (s Subject) CanAssign(v1alpha1.SiteRole) bool {
	return s.User != "" && s.has(v1alpha1.SiteRoleOwner)
}

// CanAssignIn tells whether the subject may give a role in the organization to another member, or take it away.
func (s Subject) CanAssignIn(organization string, _ v1alpha1.OrganizationRole) bool {
	return s.User != "" && (s.has(v1alpha1.SiteRoleOwner) || s.administers(organization))
}

// canMember: who administers an organization decides over its members' roles there, but not over one's own, nor over those
// of somebody with a role over the deployment, who may be the stronger one.
func (s Subject) canMember(a Action, o Object) bool {
	own := o.Owner != "" && o.Owner == s.User
	switch a {
	case Read:
		return own || s.administers(o.Organization) || s.has(v1alpha1.SiteRoleUserAdmin)
	case Create, Update, Delete:
		return !own && !o.Privileged && s.administers(o.Organization)
	}
	return false
}
