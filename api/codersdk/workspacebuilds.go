// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// WorkspaceBuild is one transition of a workspace: a start, a stop or its deletion.
type WorkspaceBuild struct {
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// UpdatedAt is when the build's job last changed.
	UpdatedAt               time.Time `json:"updated_at"`
	WorkspaceID             uuid.UUID `json:"workspace_id"`
	WorkspaceName           string    `json:"workspace_name"`
	WorkspaceOwnerID        uuid.UUID `json:"workspace_owner_id"`
	WorkspaceOwnerName      string    `json:"workspace_owner_name"`
	WorkspaceOwnerAvatarURL string    `json:"workspace_owner_avatar_url"`
	TemplateVersionID       uuid.UUID `json:"template_version_id"`
	TemplateVersionName     string    `json:"template_version_name"`
	// BuildNumber counts a workspace's builds from 1 without gaps and stands in URLs.
	BuildNumber int64               `json:"build_number"`
	Transition  WorkspaceTransition `json:"transition"`
	// InitiatorID and InitiatorName say who asked for the build; for Reason other than BuildReasonInitiator it is the
	// workspace's owner.
	InitiatorID   uuid.UUID `json:"initiator_id"`
	InitiatorName string    `json:"initiator_name"`
	// Job is the work of the build; never absent.
	Job    ProvisionerJob `json:"job"`
	Reason BuildReason    `json:"reason"`
	// Resources lists what the build made or kept; empty for a deletion.
	Resources []WorkspaceResource `json:"resources"`
	// Deadline is when the workspace stops by itself; null when it does not, or is not running.
	Deadline NullTime `json:"deadline"`
	// MaxDeadline is the latest time to which Deadline can be moved; null when there is no limit.
	MaxDeadline NullTime        `json:"max_deadline"`
	Status      WorkspaceStatus `json:"status"`
	// DailyCost is the sum of the resources' costs, in the credits that quotas count.
	DailyCost int32 `json:"daily_cost"`
}

// WorkspaceTransition is what a build does to its workspace.
type WorkspaceTransition string

// The transitions.
const (
	// WorkspaceTransitionStart brings up the pod; a restart is one as well.
	WorkspaceTransitionStart WorkspaceTransition = "start"
	// WorkspaceTransitionStop removes the pod and keeps the volumes.
	WorkspaceTransitionStop WorkspaceTransition = "stop"
	// WorkspaceTransitionDelete removes the workspace.
	WorkspaceTransitionDelete WorkspaceTransition = "delete"
	// WorkspaceTransitionCreate is legal in requests only and means WorkspaceTransitionStart.
	WorkspaceTransitionCreate WorkspaceTransition = "create"
)

// BuildReason says what caused a build.
type BuildReason string

// The causes. Other causes that the cluster knows, such as dormancy, are sent as the nearest of these.
const (
	// BuildReasonInitiator is a person's wish, by whatever door.
	BuildReasonInitiator BuildReason = "initiator"
	// BuildReasonAutostart is the workspace's autostart schedule.
	BuildReasonAutostart BuildReason = "autostart"
	// BuildReasonAutostop is the deadline, or another rule that stops or removes workspaces.
	BuildReasonAutostop BuildReason = "autostop"
)

// WorkspaceStatus is a build's job status seen with its transition: the one word that clients show for a workspace.
type WorkspaceStatus string

// The statuses of a workspace.
const (
	// WorkspaceStatusPending is a build of any transition that has not begun.
	WorkspaceStatusPending WorkspaceStatus = "pending"
	// WorkspaceStatusStarting is a start under way.
	WorkspaceStatusStarting WorkspaceStatus = "starting"
	// WorkspaceStatusRunning is a start that succeeded, whatever became of its agents later.
	WorkspaceStatusRunning WorkspaceStatus = "running"
	// WorkspaceStatusStopping is a stop under way.
	WorkspaceStatusStopping WorkspaceStatus = "stopping"
	// WorkspaceStatusStopped is a stop that succeeded.
	WorkspaceStatusStopped WorkspaceStatus = "stopped"
	// WorkspaceStatusFailed is a build of any transition that failed.
	WorkspaceStatusFailed WorkspaceStatus = "failed"
	// WorkspaceStatusCanceling is a build that was asked to stop and has not ended yet.
	WorkspaceStatusCanceling WorkspaceStatus = "canceling"
	// WorkspaceStatusCanceled is a build that ended because somebody asked for it.
	WorkspaceStatusCanceled WorkspaceStatus = "canceled"
	// WorkspaceStatusDeleting is a deletion under way.
	WorkspaceStatusDeleting WorkspaceStatus = "deleting"
	// WorkspaceStatusDeleted is a deletion that succeeded.
	WorkspaceStatusDeleted WorkspaceStatus = "deleted"
)

// WorkspaceBuildParameter is one parameter's value; the value travels as a string whatever its type.
type WorkspaceBuildParameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CreateWorkspaceBuildRequest asks for a transition of a workspace.
type CreateWorkspaceBuildRequest struct {
	// TemplateVersionID is the version to start; absent decodes to the nil UUID and keeps the last build's.
	TemplateVersionID uuid.UUID           `json:"template_version_id"`
	Transition        WorkspaceTransition `json:"transition"`
	// DryRun checks the request and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// State is a provisioner's saved state. Clients send it base64-encoded; the server refuses it unless it is empty.
	State []byte `json:"state,omitempty"`
	// Orphan, with a deletion, forgets the workspace's volumes instead of removing them.
	Orphan bool `json:"orphan,omitempty"`
	// RichParameterValues are the parameters to change; the others keep the last build's values.
	RichParameterValues []WorkspaceBuildParameter `json:"rich_parameter_values,omitempty"`
	// LogLevel asks for a more talkative log.
	LogLevel ProvisionerLogLevel `json:"log_level,omitempty"`
}

// ProvisionerLogLevel is how much a build tells in its log; "" is the usual amount.
type ProvisionerLogLevel string

// ProvisionerLogLevelDebug tells everything. Only administrators may ask for it.
const ProvisionerLogLevelDebug ProvisionerLogLevel = "debug"
