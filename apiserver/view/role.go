// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

const (
	// memberRole and organizationMemberRole are what everybody is. Clients may name them, and nobody need.
	memberRole             = "member"
	organizationMemberRole = "organization-member"
	organizationAdminRole  = "organization-admin"
)

// SiteRoles are the roles over the deployment that can be given, from the strongest.
func SiteRoles() []v1alpha1.SiteRole {
	return []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner, v1alpha1.SiteRoleTemplateAdmin, v1alpha1.SiteRoleUserAdmin, v1alpha1.SiteRoleAuditor}
}

// SiteRole shows a role over the deployment.
func SiteRole(r v1alpha1.SiteRole) codersdk.Role {
	switch r {
	case v1alpha1.SiteRoleOwner:
		return codersdk.Role{Name: "owner", DisplayName: "Owner"}
	case v1alpha1.SiteRoleTemplateAdmin:
		return codersdk.Role{Name: "template-admin", DisplayName: "Template Admin"}
	case v1alpha1.SiteRoleUserAdmin:
		return codersdk.Role{Name: "user-admin", DisplayName: "User Admin"}
	case v1alpha1.SiteRoleAuditor:
		return codersdk.Role{Name: "auditor", DisplayName: "Auditor"}
	}
	return codersdk.Role{Name: strings.ToLower(string(r)), DisplayName: string(r)}
}

// ReadSiteRoles are the roles over the deployment that a request names, each once, and the names that are none's.
func ReadSiteRoles(names []string) (roles []v1alpha1.SiteRole, unknown []string) {
	for _, name := range names {
		at := slices.IndexFunc(SiteRoles(), func(r v1alpha1.SiteRole) bool { return SiteRole(r).Name == name })
		switch {
		case at >= 0 && !slices.Contains(roles, SiteRoles()[at]):
			roles = append(roles, SiteRoles()[at])
		case at < 0 && name != memberRole:
			unknown = append(unknown, name)
		}
	}
	return roles, unknown
}

// OrganizationRoles are the roles in an organization that can be given.
func OrganizationRoles() []v1alpha1.OrganizationRole {
	return []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
}

// OrganizationRole shows a role in an organization.
func OrganizationRole(r v1alpha1.OrganizationRole) codersdk.Role {
	if r == v1alpha1.OrganizationRoleAdmin {
		return codersdk.Role{Name: organizationAdminRole, DisplayName: "Organization Admin"}
	}
	return codersdk.Role{Name: strings.ToLower(string(r)), DisplayName: string(r)}
}

// ReadOrganizationRoles are the roles in the organization that a request names, each once, and the names that are none's.
// Some clients put the organization's id behind a role's name.
func ReadOrganizationRoles(names []string, organization uuid.UUID) (roles []v1alpha1.OrganizationRole, unknown []string) {
	for _, full := range names {
		name := strings.TrimSuffix(full, ":"+organization.String())
		at := slices.IndexFunc(OrganizationRoles(), func(r v1alpha1.OrganizationRole) bool { return OrganizationRole(r).Name == name })
		switch {
		case at >= 0 && !slices.Contains(roles, OrganizationRoles()[at]):
			roles = append(roles, OrganizationRoles()[at])
		case at < 0 && name != organizationMemberRole:
			unknown = append(unknown, full)
		}
	}
	return roles, unknown
}

// UserRoles shows the roles of an account that has these in each of its organizations.
func UserRoles(u *v1alpha1.User, organizations []*v1alpha1.Organization) codersdk.UserRoles {
	shown := codersdk.UserRoles{Roles: make([]string, 0, len(u.Spec.Roles)), OrganizationRoles: map[uuid.UUID][]string{}}
	for _, r := range u.Spec.Roles {
		shown.Roles = append(shown.Roles, SiteRole(r).Name)
	}
	slices.Sort(shown.Roles)
	for _, o := range organizations {
		names := []string{}
		for _, r := range rolesIn(u, o) {
			names = append(names, OrganizationRole(r).Name)
		}
		shown.OrganizationRoles[ids.Of(o)] = names
	}
	return shown
}

// OrganizationMember shows what an account is in one of its organizations. A membership has no times of its own; the
// account's, and the newest that is known of it, stand for them.
func OrganizationMember(u *v1alpha1.User, o *v1alpha1.Organization) codersdk.OrganizationMember {
	shown := codersdk.OrganizationMember{
		UserID: ids.Of(u), OrganizationID: ids.Of(o), CreatedAt: born(u), UpdatedAt: updatedAt(u), Roles: []codersdk.Role{},
	}
	for _, r := range rolesIn(u, o) {
		shown.Roles = append(shown.Roles, OrganizationRole(r))
	}
	return shown
}

func rolesIn(u *v1alpha1.User, o *v1alpha1.Organization) []v1alpha1.OrganizationRole {
	for _, m := range u.Spec.Memberships {
		if string(m.Organization) == o.Name {
			return m.Roles
		}
	}
	return nil
}
