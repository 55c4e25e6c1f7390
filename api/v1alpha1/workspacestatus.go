// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// WorkspacePhase is what a workspace does, in one word for people; rules read conditions.
// +kubebuilder:validation:MaxLength=32
type WorkspacePhase string

const (
	// PhasePending waits for its first build.
	PhasePending WorkspacePhase = "Pending"
	// PhaseStarting has a start in progress.
	PhaseStarting WorkspacePhase = "Starting"
	// PhaseRunning was started; conditions say how it fares.
	PhaseRunning WorkspacePhase = "Running"
	// PhaseStopping has a stop in progress.
	PhaseStopping WorkspacePhase = "Stopping"
	// PhaseStopped has no pod.
	PhaseStopped WorkspacePhase = "Stopped"
	// PhaseFailed has a failed build.
	PhaseFailed WorkspacePhase = "Failed"
	// PhaseDeleting is going.
	PhaseDeleting WorkspacePhase = "Deleting"
)

// AcceptedBuild is the build that a workspace is held to.
type AcceptedBuild struct {
	UIDReference `json:",inline"`

	// Number is the build's number.
	// +kubebuilder:validation:Minimum=0
	Number int64 `json:"number"`

	// Transition is the build's, as a quota counts it.
	// +optional
	Transition Transition `json:"transition,omitempty"`

	// DailyCost is what the workspace costs in credits a day once the build has succeeded; recorded where a quota asked.
	// +optional
	DailyCost *int64 `json:"dailyCost,omitempty"`
}

// PodStatus is the workspace's own pod.
type PodStatus struct {
	// Name is the pod's metadata.name. It is recorded when the pod is made and never computed anew.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// UID is the pod's metadata.uid; only the pod that stands here is the workspace's.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	UID types.UID `json:"uid,omitempty"`

	// Slot is the metadata.uid of the WarmWorkspace that the pod was prepared as; absent for a pod of the workspace's own. The
	// record of that one alone knows the agents of such a pod.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	Slot types.UID `json:"slot,omitempty"`

	// IP is the pod's address.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	IP string `json:"ip,omitempty"`

	// Node is where it runs.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`
}

// VolumeStatus is one of the workspace's own claims.
type VolumeStatus struct {
	// Name is the volume claim's name in the version.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// ClaimName is the PersistentVolumeClaim's metadata.name. It is recorded once and never computed anew.
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName"`

	// UID is the PersistentVolumeClaim's metadata.uid.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	UID types.UID `json:"uid,omitempty"`

	// WhenDeleted is what becomes of the claim, as the last accepted build's version says.
	// +optional
	WhenDeleted WhenDeleted `json:"whenDeleted,omitempty"`
}

// WorkspaceSchedule are the instants at which the schedule acts. Those of a run are fixed when its start is accepted;
// later changes of the template or of autostop count from the next start.
type WorkspaceSchedule struct {
	// Deadline is when the workspace is stopped, moved by its use and by who extended it.
	// +optional
	Deadline *metav1.Time `json:"deadline,omitempty"`

	// PlannedStop is the deadline as it was when the start was accepted; absent while nothing has moved it.
	// +optional
	PlannedStop *metav1.Time `json:"plannedStop,omitempty"`

	// MaxDeadline is what the deadline can't be moved beyond.
	// +optional
	MaxDeadline *metav1.Time `json:"maxDeadline,omitempty"`

	// StartDeadline is when a start in progress has failed.
	// +optional
	StartDeadline *metav1.Time `json:"startDeadline,omitempty"`

	// NextStart is when a stopped workspace is started by its autostart.
	// +optional
	NextStart *metav1.Time `json:"nextStart,omitempty"`

	// IdleSince is when a person last started, stopped or woke the workspace. The time until it is dormant counts from
	// here, or from lastUsedAt where that is later.
	// +optional
	IdleSince *metav1.Time `json:"idleSince,omitempty"`

	// DormantAt is when it became dormant.
	// +optional
	DormantAt *metav1.Time `json:"dormantAt,omitempty"`

	// DeletingAt is when it is deleted.
	// +optional
	DeletingAt *metav1.Time `json:"deletingAt,omitempty"`
}

// AgentStatus is one agent, as it last reported.
type AgentStatus struct {
	// Name is the agent's name in the version. No other field is required: two processes write the entry.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// ID is the agent's id on the wire.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	ID string `json:"id,omitempty"`

	// Build is the number of the build that the agent belongs to.
	// +optional
	Build int64 `json:"build,omitempty"`

	// Ready tells whether the agent's container is ready.
	// +optional
	Ready bool `json:"ready,omitempty"`

	// Lifecycle is the agent's own word for how far it is.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Lifecycle string `json:"lifecycle,omitempty"`

	// Seq rises with each report.
	// +optional
	Seq int64 `json:"seq,omitempty"`

	// ConnectedAt is when it first connected, or, before agents connect, when its container was first ready.
	// +optional
	ConnectedAt *metav1.Time `json:"connectedAt,omitempty"`

	// DisconnectedAt is when it last went.
	// +optional
	DisconnectedAt *metav1.Time `json:"disconnectedAt,omitempty"`

	// Apps are its apps' health.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Apps []AppStatus `json:"apps,omitempty"`
}

// AppStatus is one app's health.
type AppStatus struct {
	// Name is the app's name in the version.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Health is disabled, initializing, healthy or unhealthy.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Health string `json:"health,omitempty"`
}

// DeletionStatus is how far the deletion of a workspace is. It stands here, as builds may be gone by then.
type DeletionStatus struct {
	// StartedAt is when the deletion was accepted.
	StartedAt metav1.Time `json:"startedAt"`

	// Orphan leaves the claims behind, unlabelled.
	// +optional
	Orphan bool `json:"orphan,omitempty"`

	// KeepClaimsUntil is when kept claims are removed; absent removes them at once.
	// +optional
	KeepClaimsUntil *metav1.Time `json:"keepClaimsUntil,omitempty"`
}

// WorkspaceStatus is what the manager found, accepted and made.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.build) || has(self.build) && self.build.number >= oldSelf.build.number",message="accepted build numbers only rise"
type WorkspaceStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase is Pending, Starting, Running, Stopping, Stopped, Failed or Deleting.
	// +optional
	Phase WorkspacePhase `json:"phase,omitempty"`

	// Build is the newest build that the manager has accepted; it says what the workspace is held to.
	// +optional
	Build *AcceptedBuild `json:"build,omitempty"`

	// Acted is the wish that was last acted upon, also where no build was needed.
	// +optional
	Acted *Wish `json:"acted,omitempty"`

	// Version is the version of the accepted build, as the column shows it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// Pod is the workspace's own pod; absent when there is none.
	// +optional
	Pod *PodStatus `json:"pod,omitempty"`

	// Volumes are the workspace's own claims.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Volumes []VolumeStatus `json:"volumes,omitempty"`

	// Schedule are the instants at which the schedule acts.
	// +optional
	Schedule *WorkspaceSchedule `json:"schedule,omitempty"`

	// LastUsedAt is when the workspace was last used, at most five minutes old.
	// +optional
	LastUsedAt *metav1.Time `json:"lastUsedAt,omitempty"`

	// Agents are the agents of the accepted build.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Agents []AgentStatus `json:"agents,omitempty"`

	// Deletion is how far the deletion is; absent before one is asked for.
	// +optional
	Deletion *DeletionStatus `json:"deletion,omitempty"`

	// Conditions are Ready, Reconciling and Stalled for tools, Running, UpdatePending, PolicyMet and Dormant for people.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
