// SPDX-License-Identifier: Apache-2.0

package codersdk

// TemplateRole is what somebody may do with a template.
type TemplateRole string

// The roles of an access list.
const (
	// TemplateRoleAdmin may change the template.
	TemplateRoleAdmin TemplateRole = "admin"
	// TemplateRoleUse may make workspaces of it.
	TemplateRoleUse TemplateRole = "use"
	// TemplateRoleDeleted takes a role away.
	TemplateRoleDeleted TemplateRole = ""
)

// TemplateACL says who may do what with a template, beside administrators.
type TemplateACL struct {
	Users  []TemplateUser  `json:"users"`
	Groups []TemplateGroup `json:"group"`
}

// TemplateUser is a user with a role.
type TemplateUser struct {
	User
	Role TemplateRole `json:"role"`
}

// TemplateGroup is a group with a role.
type TemplateGroup struct {
	Group
	Role TemplateRole `json:"role"`
}

// UpdateTemplateACL gives and takes roles, by the ids of users and groups. Who is not named keeps theirs.
type UpdateTemplateACL struct {
	UserPerms  map[string]TemplateRole `json:"user_perms,omitempty"`
	GroupPerms map[string]TemplateRole `json:"group_perms,omitempty"`
}

// ACLAvailable are those whom an access list may name.
type ACLAvailable struct {
	Users  []User  `json:"users"`
	Groups []Group `json:"groups"`
}
