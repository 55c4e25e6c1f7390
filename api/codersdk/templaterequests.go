// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// CreateTemplateRequest makes a template of a version that belongs to none yet. Absent durations are 0, which is off, and
// absent permissions are granted.
type CreateTemplateRequest struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name,omitempty"`
	// Description has less than 128 characters.
	Description string `json:"description,omitempty"`
	Icon        string `json:"icon,omitempty"`
	// VersionID is the version that becomes the active one.
	VersionID            uuid.UUID                     `json:"template_version_id"`
	DefaultTTLMillis     int64                         `json:"default_ttl_ms,omitempty"`
	MaxTTLMillis         int64                         `json:"max_ttl_ms,omitempty"`
	AutostopRequirement  *TemplateAutostopRequirement  `json:"autostop_requirement,omitempty"`
	AutostartRequirement *TemplateAutostartRequirement `json:"autostart_requirement,omitempty"`
	// AllowUserAutostart, AllowUserAutostop and AllowUserCancelWorkspaceJobs are true when absent.
	AllowUserAutostart           *bool `json:"allow_user_autostart,omitempty"`
	AllowUserAutostop            *bool `json:"allow_user_autostop,omitempty"`
	AllowUserCancelWorkspaceJobs *bool `json:"allow_user_cancel_workspace_jobs,omitempty"`
	FailureTTLMillis             int64 `json:"failure_ttl_ms,omitempty"`
	// DormantTTLMillis and DeleteTTLMillis are called time_til_dormant_ms and time_til_dormant_autodelete_ms everywhere else.
	DormantTTLMillis int64 `json:"dormant_ttl_ms,omitempty"`
	DeleteTTLMillis  int64 `json:"delete_ttl_ms,omitempty"`
	// DisableEveryoneGroupAccess leaves the template to administrators; else all members of the organization may use it.
	DisableEveryoneGroupAccess bool `json:"disable_everyone_group_access,omitempty"`
	RequireActiveVersion       bool `json:"require_active_version,omitempty"`
}

// UpdateTemplateMeta changes a template. Clients leave out what is false or 0, so an absent number or permission is 0 or
// false; absent text and objects stay as they are.
type UpdateTemplateMeta struct {
	// Name stays when it is absent or "".
	Name                 string                        `json:"name,omitempty"`
	DisplayName          *string                       `json:"display_name,omitempty"`
	Description          *string                       `json:"description,omitempty"`
	Icon                 *string                       `json:"icon,omitempty"`
	DefaultTTLMillis     *int64                        `json:"default_ttl_ms,omitempty"`
	MaxTTLMillis         *int64                        `json:"max_ttl_ms,omitempty"`
	AutostopRequirement  *TemplateAutostopRequirement  `json:"autostop_requirement,omitempty"`
	AutostartRequirement *TemplateAutostartRequirement `json:"autostart_requirement,omitempty"`

	AllowUserAutostart           *bool `json:"allow_user_autostart,omitempty"`
	AllowUserAutostop            *bool `json:"allow_user_autostop,omitempty"`
	AllowUserCancelWorkspaceJobs *bool `json:"allow_user_cancel_workspace_jobs,omitempty"`

	FailureTTLMillis               *int64 `json:"failure_ttl_ms,omitempty"`
	TimeTilDormantMillis           *int64 `json:"time_til_dormant_ms,omitempty"`
	TimeTilDormantAutoDeleteMillis *int64 `json:"time_til_dormant_autodelete_ms,omitempty"`
	// UpdateWorkspaceLastUsedAt counts all its workspaces as used now, once; UpdateWorkspaceDormantAt counts those that are
	// dormant as so since now.
	UpdateWorkspaceLastUsedAt bool  `json:"update_workspace_last_used_at,omitempty"`
	UpdateWorkspaceDormantAt  bool  `json:"update_workspace_dormant_at,omitempty"`
	RequireActiveVersion      *bool `json:"require_active_version,omitempty"`
	// DeprecationMessage deprecates the template, or ends that when it is "".
	DeprecationMessage *string `json:"deprecation_message,omitempty"`
	// DisableEveryoneGroupAccess takes the right to use the template from who has it as a member alone.
	DisableEveryoneGroupAccess bool `json:"disable_everyone_group_access,omitempty"`
}

// UpdateActiveTemplateVersion names the version that new starts take.
type UpdateActiveTemplateVersion struct {
	ID uuid.UUID `json:"id"`
}

// PatchTemplateVersionRequest changes what may be said about a version.
type PatchTemplateVersionRequest struct {
	// Name stays when it is absent or "".
	Name string `json:"name,omitempty"`
	// Message stays when it is absent.
	Message *string `json:"message,omitempty"`
}

// ArchiveTemplateVersionsRequest archives the versions of a template that nothing uses.
type ArchiveTemplateVersionsRequest struct {
	// All means the good ones too; else only those whose check has failed.
	All bool `json:"all"`
}

// ArchiveTemplateVersionsResponse tells which versions were archived.
type ArchiveTemplateVersionsResponse struct {
	TemplateID  uuid.UUID   `json:"template_id"`
	ArchivedIDs []uuid.UUID `json:"archived_ids"`
}

// TemplateExample is a template that comes with the server.
type TemplateExample struct {
	// ID names it in requests.
	ID string `json:"id"`
	// URL is where people read more, or "".
	URL         string   `json:"url"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Icon        string   `json:"icon"`
	Tags        []string `json:"tags"`
	// Markdown is its README.
	Markdown string `json:"markdown"`
}

// DAUsResponse tells how many people were active, day by day.
type DAUsResponse struct {
	Entries []DAUEntry `json:"entries"`
	// TZHourOffset is the zone of the days, in hours from UTC.
	TZHourOffset int `json:"tz_hour_offset"`
}

// DAUEntry is one day.
type DAUEntry struct {
	// Date is the day's beginning.
	Date   time.Time `json:"date"`
	Amount int       `json:"amount"`
}
