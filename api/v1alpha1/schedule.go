// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Schedule is a time that returns, as in a CronJob.
type Schedule struct {
	// Schedule is a cron expression of five fields: minute, hour, day of month, month, day of week (0 to 6, Sunday
	// first).
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^\\\\S+( +\\\\S+){4}$')",message="must have five fields: minute, hour, day of month, month and day of week; the time zone goes into timeZone"
	Schedule string `json:"schedule"`

	// TimeZone is the IANA name of the zone the schedule is read in, such as Europe/Zurich; absent means UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// Weekday is a day of the week.
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// Permission says whether the owner of a workspace may do something.
// +kubebuilder:validation:Enum=Allow;Forbid
type Permission string

const (
	// PermissionAllow lets owners do it.
	PermissionAllow Permission = "Allow"
	// PermissionForbid keeps owners from it.
	PermissionForbid Permission = "Forbid"
)

// Lifecycle says how long workspaces of a template run and live.
type Lifecycle struct {
	// AutostopAfter stops a workspace so long after its start, unless the workspace says otherwise; absent or 0s: never.
	// +optional
	AutostopAfter Duration `json:"autostopAfter,omitempty"`

	// AutostopMax is the longest that any workspace may run; absent or 0s: no limit.
	// +optional
	AutostopMax Duration `json:"autostopMax,omitempty"`

	// ActivityBump is how long a workspace runs on after its last use, where it would be stopped before; absent means 1h,
	// 0s that use moves nothing.
	// +optional
	ActivityBump Duration `json:"activityBump,omitempty"`

	// FailureStopAfter stops a workspace so long after a failed start; absent or 0s: never.
	// +optional
	FailureStopAfter Duration `json:"failureStopAfter,omitempty"`

	// DormantAfter makes a workspace dormant when it was not used for so long; absent or 0s: never.
	// +optional
	DormantAfter Duration `json:"dormantAfter,omitempty"`

	// DeleteDormantAfter deletes a workspace that was dormant for so long; absent or 0s: never.
	// +optional
	DeleteDormantAfter Duration `json:"deleteDormantAfter,omitempty"`

	// KeepDeletedFor keeps the claims of a deleted workspace for so long; absent means 168h, 0s removes them at once.
	// +optional
	KeepDeletedFor Duration `json:"keepDeletedFor,omitempty"`

	// StartTimeout is how long a start may take before it has failed; absent means 10m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s))+$') || (duration(self) >= duration('30s') && duration(self) <= duration('24h'))",message="must be between 30s and 24h"
	StartTimeout Duration `json:"startTimeout,omitempty"`

	// AutostartDays are the days on which workspaces may be started by their schedule; absent means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	AutostartDays []Weekday `json:"autostartDays,omitempty"`

	// AutostopRequirement stops every workspace on some days as its owner's quiet hours begin; autostopMax is ignored then.
	// +optional
	AutostopRequirement *AutostopRequirement `json:"autostopRequirement,omitempty"`

	// UserAutostart says whether workspaces may have an autostart: Allow (also when absent) or Forbid. Where it is
	// forbidden, what a workspace says is not acted on.
	// +optional
	UserAutostart Permission `json:"userAutostart,omitempty"`

	// UserAutostop says whether workspaces may have an autostop of their own: Allow (also when absent) or Forbid. Where
	// it is forbidden, all run as long as autostopAfter says.
	// +optional
	UserAutostop Permission `json:"userAutostop,omitempty"`

	// UserCancel says whether owners may cancel a build in progress: Allow (also when absent) or Forbid.
	// +optional
	UserCancel Permission `json:"userCancel,omitempty"`
}

// AutostopRequirement stops workspaces regularly.
type AutostopRequirement struct {
	// DaysOfWeek are the days on which workspaces must stop.
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	DaysOfWeek []Weekday `json:"daysOfWeek"`

	// Weeks is every how many weeks, counted from Monday 2 January 2023; absent means every week.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Weeks *int32 `json:"weeks,omitempty"`
}
