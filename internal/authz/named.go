// SPDX-License-Identifier: Apache-2.0

package authz

import "github.com/berth-dev/berth/api/v1alpha1"

// The kinds that are no objects of their own and that clients ask about by name, to know what to offer.
const (
	// Execution and Connect are a shell in a workspace, and a connection to one of its apps.
	Execution Kind = "workspace_execution"
	Connect   Kind = "application_connect"
	// APIKey and UserData are a person's keys, and what else is kept for one.
	APIKey   Kind = "api_key"
	UserData Kind = "user_data"
	// AssignRole and AssignOrganizationRole are the giving of roles over the deployment, and in an organization.
	AssignRole             Kind = "assign_role"
	AssignOrganizationRole Kind = "assign_org_role"
	// Daemon and Proxy are what makes builds, and what stands before workspaces elsewhere.
	Daemon Kind = "provisioner_daemon"
	Proxy  Kind = "workspace_proxy"
	// GroupMember is who is in a group.
	GroupMember Kind = "group_member"
	// Task, Prebuilt and Dormant are workspaces of a sort.
	Task     Kind = "task"
	Prebuilt Kind = "prebuilt_workspace"
	Dormant  Kind = "workspace_dormant"
	// AuditLog is what everybody did; auditors read it, and owners.
	AuditLog Kind = "audit_log"
	// License is what other editions sell; here nobody has any.
	License Kind = "license"
	// Insights are a template's figures of use.
	Insights Kind = "template_insights"
)

// canNamed decides what an owner may anyway, and an auditor may read: what is left for everybody else. What is not named
// here is an owner's alone.
func (s Subject) canNamed(a Action, o Object) bool {
	own := o.Owner != "" && o.Owner == s.User
	switch o.Kind {
	case Execution, Connect:
		return own && s.Member(o.Organization)
	case Task, Prebuilt, Dormant:
		return s.canWorkspace(a, o)
	case GroupMember:
		return s.canGroup(a, o)
	case APIKey:
		return own
	case UserData:
		return own && (a == Read || a == Update)
	case AssignRole, Proxy:
		return a == Read
	case AssignOrganizationRole:
		return s.administers(o.Organization) || a == Read && s.Member(o.Organization)
	case Daemon:
		return a == Read && (s.Member(o.Organization) || s.has(v1alpha1.SiteRoleTemplateAdmin))
	case Insights:
		return a == Read && s.has(v1alpha1.SiteRoleTemplateAdmin)
	}
	return false
}
