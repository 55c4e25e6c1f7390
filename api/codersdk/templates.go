// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// Template is a catalogue entry from which workspaces are made. A template without a version that works is not on the
// wire at all, so ActiveVersionID always names one.
type Template struct {
	ID             uuid.UUID `json:"id"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	OrganizationID uuid.UUID `json:"organization_id"`
	// OrganizationName and OrganizationDisplayName spare clients a second request.
	OrganizationName        string `json:"organization_name"`
	OrganizationDisplayName string `json:"organization_display_name"`
	// Name stands in URLs and is unique in its organization; DisplayName is for people and may be "".
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	// Provisioner is always ProvisionerTypeTerraform.
	Provisioner     ProvisionerType `json:"provisioner"`
	ActiveVersionID uuid.UUID       `json:"active_version_id"`
	// ActiveUserCount is how many people used the template lately; -1 while that is not known yet.
	ActiveUserCount int `json:"active_user_count"`
	// BuildTimeStats has one entry for each transition, with or without numbers.
	BuildTimeStats TemplateBuildTimeStats `json:"build_time_stats"`
	Description    string                 `json:"description"`
	// Deprecated is true while DeprecationMessage is not ""; no new workspace is made from a deprecated template.
	Deprecated         bool   `json:"deprecated"`
	DeprecationMessage string `json:"deprecation_message"`
	// Icon is the address of a picture, or "".
	Icon string `json:"icon"`
	// DefaultTTLMillis is after how long a new workspace stops by itself; 0 is never.
	DefaultTTLMillis int64 `json:"default_ttl_ms"`
	// UseMaxTTL is true when MaxTTLMillis limits a workspace's running time, in place of AutostopRequirement.
	UseMaxTTL bool `json:"use_max_ttl"`
	// MaxTTLMillis is the longest that a workspace may run; 0 is no limit.
	MaxTTLMillis int64 `json:"max_ttl_ms"`
	// AutostopRequirement names the days on which a workspace must have been stopped.
	AutostopRequirement TemplateAutostopRequirement `json:"autostop_requirement"`
	// AutostartRequirement names the days on which a workspace may start by itself.
	AutostartRequirement TemplateAutostartRequirement `json:"autostart_requirement"`
	CreatedByID          uuid.UUID                    `json:"created_by_id"`
	CreatedByName        string                       `json:"created_by_name"`
	// AllowUserAutostart and AllowUserAutostop say whether owners may set the schedule of their workspaces.
	AllowUserAutostart bool `json:"allow_user_autostart"`
	AllowUserAutostop  bool `json:"allow_user_autostop"`
	// AllowUserCancelWorkspaceJobs says whether owners may cancel a build of theirs that is under way.
	AllowUserCancelWorkspaceJobs bool `json:"allow_user_cancel_workspace_jobs"`
	// FailureTTLMillis is after how long a workspace whose start failed is cleaned up; 0 is never.
	FailureTTLMillis int64 `json:"failure_ttl_ms"`
	// TimeTilDormantMillis is after how long without use a workspace becomes dormant; 0 is never.
	TimeTilDormantMillis int64 `json:"time_til_dormant_ms"`
	// TimeTilDormantAutoDeleteMillis is after how long a dormant workspace is deleted; 0 is never.
	TimeTilDormantAutoDeleteMillis int64 `json:"time_til_dormant_autodelete_ms"`
	// RequireActiveVersion makes every start take the active version.
	RequireActiveVersion bool `json:"require_active_version"`
}

// ProvisionerType names what turns a template into running things.
type ProvisionerType string

// ProvisionerTypeTerraform is the only value that clients know, so it is sent although no Terraform runs here.
const ProvisionerTypeTerraform ProvisionerType = "terraform"

// TemplateAutostopRequirement says when a workspace must stop: on each of DaysOfWeek, every so many weeks.
type TemplateAutostopRequirement struct {
	// DaysOfWeek lists English day names in lower case, Monday first; empty is no requirement.
	DaysOfWeek []string `json:"days_of_week"`
	// Weeks is 1 for every week, 2 for every second one, counted from Monday 2 January 2023.
	Weeks int64 `json:"weeks"`
}

// TemplateAutostartRequirement says on which days a workspace may start by itself.
type TemplateAutostartRequirement struct {
	// DaysOfWeek lists English day names in lower case, Monday first; all seven is no restriction.
	DaysOfWeek []string `json:"days_of_week"`
}

// TemplateBuildTimeStats tells how long builds of a template took, by transition.
type TemplateBuildTimeStats map[WorkspaceTransition]TransitionStats

// TransitionStats is the spread of build times in milliseconds. Both are null until a build has been measured. The keys
// are in capitals on the wire.
type TransitionStats struct {
	P50 *int64 `json:"P50"`
	P95 *int64 `json:"P95"`
}
