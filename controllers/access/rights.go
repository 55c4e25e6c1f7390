// SPDX-License-Identifier: Apache-2.0

package access

import (
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
)

// The chart's ClusterRoles, by what somebody is in a namespace.
const (
	memberRole            = "berth-member"
	ownerRole             = "berth-owner"
	organizationAdminRole = "berth-organization-admin"
	templateAdminRole     = "berth-template-admin"
	userAdminRole         = "berth-user-admin"
	auditorRole           = "berth-auditor"
)

// ofSite are the ClusterRoles of those who have a role over the deployment, in every organization's namespaces.
var ofSite = map[v1alpha1.SiteRole]string{
	v1alpha1.SiteRoleOwner:         organizationAdminRole,
	v1alpha1.SiteRoleTemplateAdmin: templateAdminRole,
	v1alpha1.SiteRoleUserAdmin:     userAdminRole,
	v1alpha1.SiteRoleAuditor:       auditorRole,
}

// place is a namespace of an organization, with what in it matters to one person.
type place struct {
	namespace, organization string
	// owner is whose namespace it is, by metadata.name of the User; empty where the organization's members share it.
	owner string
	// workspaces are the names of those that the person owns there.
	workspaces []string
	// templates are those that stand there.
	templates []*v1alpha1.Template
}

// rights are what a person has in one namespace.
type rights struct {
	// rules name the person's own objects, and the templates that are open to them.
	rules []rbacv1.PolicyRule
	// roles are ClusterRoles of the chart.
	roles []string
}

// rightsAt is what the person may do in the namespace by kubectl: what package authz lets them do on the wire, as far as
// RBAC can say it. What changes an account, and what administers a template by its access list alone, it does not say.
func rightsAt(person authz.Subject, p place) rights {
	roles := map[string]bool{}
	for _, role := range person.Roles {
		if name, known := ofSite[role]; known {
			roles[name] = true
		}
	}
	if slices.Contains(person.Memberships[p.organization], v1alpha1.OrganizationRoleAdmin) {
		roles[organizationAdminRole] = true
	}
	var r rights
	if person.Member(p.organization) && (p.owner == "" || p.owner == person.User) {
		r.rules = append(r.rules, rule("owners", []string{person.User}, "own"))
		if p.owner == "" {
			roles[memberRole] = true
			r.rules = append(r.rules, rule("workspaces", p.workspaces, "get", "list", "watch", "update", "patch", "delete"))
		} else {
			roles[ownerRole] = true
		}
	}
	var open []string
	for _, t := range p.templates {
		if person.Can(authz.Use, authz.TemplateObject(t)) {
			open = append(open, t.Name)
		}
	}
	r.rules = append(r.rules, useOf(open))
	r.rules = slices.DeleteFunc(r.rules, func(r rbacv1.PolicyRule) bool { return len(r.ResourceNames) == 0 })
	r.roles = slices.Sorted(maps.Keys(roles))
	return r
}

// useOf lets somebody see templates and use them. To administer one takes the API, whoever has it by the access list alone:
// the manager can't give what it may not do itself.
func useOf(templates []string) rbacv1.PolicyRule {
	return rule("templates", templates, "get", "list", "watch", "use")
}

func nothing(r rights) bool { return len(r.rules)+len(r.roles) == 0 }

// rule gives verbs on single objects. Without a name it would give them on all: such a one is left out.
func rule(resource string, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{resource},
		ResourceNames: slices.Sorted(slices.Values(names)), Verbs: verbs,
	}
}
