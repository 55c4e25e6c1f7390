// SPDX-License-Identifier: Apache-2.0

package codersdk

import "github.com/google/uuid"

// Group is a set of an organization's members. The one of all members has the organization's id.
type Group struct {
	ID             uuid.UUID `json:"id"`
	Name           string    `json:"name"`
	DisplayName    string    `json:"display_name"`
	OrganizationID uuid.UUID `json:"organization_id"`
	// Members are those whom the caller may see.
	Members   []User `json:"members"`
	AvatarURL string `json:"avatar_url"`
	// QuotaAllowance is how many credits a day the group adds to what each member's workspaces may cost.
	QuotaAllowance int `json:"quota_allowance"`
	// Source says who decides about the members.
	Source GroupSource `json:"source"`
}

// GroupSource says who decides about a group's members.
type GroupSource string

// The sources of groups.
const (
	// GroupSourceUser is a group whose members people choose.
	GroupSourceUser GroupSource = "user"
	// GroupSourceOIDC is a group that an identity provider fills.
	GroupSourceOIDC GroupSource = "oidc"
)

// CreateGroupRequest makes a group without members.
type CreateGroupRequest struct {
	Name           string `json:"name"`
	DisplayName    string `json:"display_name,omitempty"`
	AvatarURL      string `json:"avatar_url,omitempty"`
	QuotaAllowance int    `json:"quota_allowance,omitempty"`
}

// PatchGroupRequest changes a group. What is absent stays.
type PatchGroupRequest struct {
	// AddUsers and RemoveUsers are ids of users.
	AddUsers    []string `json:"add_users,omitempty"`
	RemoveUsers []string `json:"remove_users,omitempty"`
	// Name stays also when it is "".
	Name           string  `json:"name,omitempty"`
	DisplayName    *string `json:"display_name,omitempty"`
	AvatarURL      *string `json:"avatar_url,omitempty"`
	QuotaAllowance *int    `json:"quota_allowance,omitempty"`
}
