// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// Workspace is a developer's place to work, together with its newest build and what clients show of its template. What
// comes from the template follows the template, and owner_name follows a rename of the owner.
type Workspace struct {
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// UpdatedAt moves with changes of the workspace, not with its use.
	UpdatedAt        time.Time `json:"updated_at"`
	OwnerID          uuid.UUID `json:"owner_id"`
	OwnerName        string    `json:"owner_name"`
	OwnerAvatarURL   string    `json:"owner_avatar_url"`
	OrganizationID   uuid.UUID `json:"organization_id"`
	OrganizationName string    `json:"organization_name"`
	TemplateID       uuid.UUID `json:"template_id"`
	TemplateName     string    `json:"template_name"`
	// TemplateDisplayName may be ""; clients then show TemplateName.
	TemplateDisplayName                  string    `json:"template_display_name"`
	TemplateIcon                         string    `json:"template_icon"`
	TemplateAllowUserCancelWorkspaceJobs bool      `json:"template_allow_user_cancel_workspace_jobs"`
	TemplateActiveVersionID              uuid.UUID `json:"template_active_version_id"`
	TemplateRequireActiveVersion         bool      `json:"template_require_active_version"`
	// LatestBuild is the build with the highest number. Clients follow its id, so it is always there and so is its job.
	LatestBuild WorkspaceBuild `json:"latest_build"`
	// Outdated is true while the newest build is not of the template's active version.
	Outdated bool `json:"outdated"`
	// Name stands in URLs and is unique for its owner.
	Name string `json:"name"`
	// AutostartSchedule is a cron line with an optional CRON_TZ= before it; left out when the workspace does not start
	// by itself.
	AutostartSchedule *string `json:"autostart_schedule,omitempty"`
	// TTLMillis is after how long a start is stopped again; left out when it is not.
	TTLMillis *int64 `json:"ttl_ms,omitempty"`
	// LastUsedAt is the last connection to an app, a terminal or SSH; the zero time before the first.
	LastUsedAt time.Time `json:"last_used_at"`
	// DeletingAt is when a dormant workspace will be deleted; null unless it will.
	DeletingAt NullTime `json:"deleting_at"`
	// DormantAt is since when the workspace is dormant; null while it is awake.
	DormantAt NullTime `json:"dormant_at"`
	// Health says which agents of the newest start fail.
	Health           WorkspaceHealth  `json:"health"`
	AutomaticUpdates AutomaticUpdates `json:"automatic_updates"`
	// AllowRenames tells clients whether to offer a new name.
	AllowRenames bool `json:"allow_renames"`
	// Favorite is the caller's mark; always false, as the server keeps no marks.
	Favorite bool `json:"favorite"`
}

// WorkspacesResponse is one page of workspaces.
type WorkspacesResponse struct {
	Workspaces []Workspace `json:"workspaces"`
	// Count is how many workspaces match the query on all pages.
	Count int `json:"count"`
}

// WorkspaceHealth sums up the agents of a workspace's newest build. A stopped workspace is healthy.
type WorkspaceHealth struct {
	Healthy bool `json:"healthy"`
	// FailingAgents lists the ids of the agents that are not healthy.
	FailingAgents []uuid.UUID `json:"failing_agents"`
}

// AutomaticUpdates says whether a start moves a workspace to its template's active version.
type AutomaticUpdates string

// The ways to update.
const (
	// AutomaticUpdatesAlways moves at every start.
	AutomaticUpdatesAlways AutomaticUpdates = "always"
	// AutomaticUpdatesNever moves only when asked to.
	AutomaticUpdatesNever AutomaticUpdates = "never"
)

// CreateWorkspaceRequest makes a workspace and starts it. Exactly one of TemplateID and TemplateVersionID is given; the
// other is absent, which decodes to the nil UUID.
type CreateWorkspaceRequest struct {
	// TemplateID asks for the template's active version.
	TemplateID uuid.UUID `json:"template_id"`
	// TemplateVersionID asks for that very version.
	TemplateVersionID uuid.UUID `json:"template_version_id"`
	Name              string    `json:"name"`
	// AutostartSchedule is a cron line with an optional CRON_TZ= before it; absent, null or "" is no autostart.
	AutostartSchedule *string `json:"autostart_schedule,omitempty"`
	// TTLMillis is after how long a start is stopped again; absent or null takes the template's default.
	TTLMillis *int64 `json:"ttl_ms,omitempty"`
	// RichParameterValues are the parameters that differ from their defaults.
	RichParameterValues []WorkspaceBuildParameter `json:"rich_parameter_values,omitempty"`
	// AutomaticUpdates is "" for AutomaticUpdatesNever.
	AutomaticUpdates AutomaticUpdates `json:"automatic_updates,omitempty"`
}

// UpdateWorkspaceTTLRequest sets after how long a start is stopped again. It counts from the next start.
type UpdateWorkspaceTTLRequest struct {
	// TTLMillis absent or null turns autostop off.
	TTLMillis *int64 `json:"ttl_ms"`
}

// UpdateWorkspaceAutostartRequest sets when a workspace starts by itself.
type UpdateWorkspaceAutostartRequest struct {
	// Schedule is a cron line with an optional CRON_TZ= before it; absent, null or "" turns autostart off.
	Schedule *string `json:"schedule"`
}

// UpdateWorkspaceRequest renames a workspace.
type UpdateWorkspaceRequest struct {
	Name string `json:"name,omitempty"`
}

// UpdateWorkspaceAutomaticUpdatesRequest sets whether starts move a workspace to its template's active version.
type UpdateWorkspaceAutomaticUpdatesRequest struct {
	AutomaticUpdates AutomaticUpdates `json:"automatic_updates"`
}

// UpdateWorkspaceDormancy puts a workspace to sleep, or wakes it.
type UpdateWorkspaceDormancy struct {
	Dormant bool `json:"dormant"`
}

// PutExtendWorkspaceRequest moves the time at which a running workspace is stopped.
type PutExtendWorkspaceRequest struct {
	Deadline time.Time `json:"deadline"`
}

// ResolveAutostartResponse says whether a workspace could be started by its schedule.
type ResolveAutostartResponse struct {
	// ParameterMismatch: the version that a start would take wants a parameter that the workspace has no right value for.
	ParameterMismatch bool `json:"parameter_mismatch"`
}
