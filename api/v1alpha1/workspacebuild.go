// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons that a WorkspaceBuild gives beside the shared ones and those of a Workspace.
const (
	// ReasonSucceeded: the build has done what was asked.
	ReasonSucceeded = "Succeeded"
	// ReasonFailed: the build has given up; the message says why. Start again, or change what it names.
	ReasonFailed = "Failed"
	// ReasonSuperseded: a newer build was accepted before this one; it will do nothing.
	ReasonSuperseded = "Superseded"
	// ReasonWaitingForAcceptance: the manager has not yet accepted the build; wait.
	ReasonWaitingForAcceptance = "WaitingForAcceptance"
	// ReasonQueued: as many starts are at work as may be at once; this one waits for its turn, first come first.
	ReasonQueued = "Queued"
	// ReasonCanceled: the build ended early, as was asked.
	ReasonCanceled = "Canceled"
)

// Transition is what a build does to its workspace.
// +kubebuilder:validation:Enum=Start;Stop;Delete
type Transition string

const (
	// TransitionStart makes the workspace run.
	TransitionStart Transition = "Start"
	// TransitionStop ends its pod and keeps its claims.
	TransitionStop Transition = "Stop"
	// TransitionDelete ends its pod and treats its claims as their whenDeleted says.
	TransitionDelete Transition = "Delete"
)

// BuildReason is why a build was made.
// +kubebuilder:validation:Enum=Initiator;Autostart;Autostop;Dormancy;Failure;Update
type BuildReason string

const (
	// BuildReasonInitiator: a person, a manifest or a program asked for it.
	BuildReasonInitiator BuildReason = "Initiator"
	// BuildReasonAutostart: the workspace's schedule.
	BuildReasonAutostart BuildReason = "Autostart"
	// BuildReasonAutostop: the workspace's time was over.
	BuildReasonAutostop BuildReason = "Autostop"
	// BuildReasonDormancy: the workspace was not used for long.
	BuildReasonDormancy BuildReason = "Dormancy"
	// BuildReasonFailure: the start before it had failed, and its time was over.
	BuildReasonFailure BuildReason = "Failure"
	// BuildReasonUpdate: updates: Restart, and the version or a parameter changed.
	BuildReasonUpdate BuildReason = "Update"
)

// InitiatorSystem is the initiator's name of what the manager does by itself, and of a manifest whose author is unknown.
const InitiatorSystem = "system"

// Initiator is who asked for a build, as they were then.
type Initiator struct {
	// User is the User's metadata.name; absent when it was the manager, or a manifest whose author is unknown.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user,omitempty"`

	// ID is the User's id on the wire.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	ID string `json:"id,omitempty"`

	// Name is the name that people see, "system" for the manager's own doing.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Wish is what a workspace's manifest asked for when the build was made.
type Wish struct {
	// State is spec.state of the workspace.
	// +optional
	State WorkspaceState `json:"state,omitempty"`

	// Request is spec.request of the workspace.
	// +optional
	Request *WorkspaceRequest `json:"request,omitempty"`
}

// BuildCancel asks a build to end early.
type BuildCancel struct {
	// RequestedAt is when, in RFC 3339.
	// +kubebuilder:validation:MaxLength=64
	RequestedAt string `json:"requestedAt"`

	// By is the User's metadata.name.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	By string `json:"by,omitempty"`
}

// BuildParameters are the resolved parameters of a build.
type BuildParameters struct {
	// Values are those of all lasting parameters, by name.
	// +optional
	// +kubebuilder:validation:MaxProperties=128
	Values map[string]Value `json:"values,omitempty"`

	// Ephemeral are those of ephemeral parameters, for this build alone.
	// +optional
	// +kubebuilder:validation:MaxProperties=128
	Ephemeral map[string]Value `json:"ephemeral,omitempty"`
}

// WorkspaceBuildSpec is one transition of a workspace. Only cancel may be added to it later.
//
// +kubebuilder:validation:XValidation:rule="has(oldSelf.cancel) == has(self.cancel) && (!has(self.cancel) || self.cancel == oldSelf.cancel) || !has(oldSelf.cancel)",message="spec.cancel is set once"
// +kubebuilder:validation:XValidation:rule="self.workspaceRef == oldSelf.workspaceRef && self.number == oldSelf.number && self.transition == oldSelf.transition && self.reason == oldSelf.reason && self.initiator == oldSelf.initiator",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.versionRef) == has(oldSelf.versionRef) && (!has(self.versionRef) || self.versionRef == oldSelf.versionRef)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.restart) == has(oldSelf.restart) && (!has(self.restart) || self.restart == oldSelf.restart) && has(self.orphan) == has(oldSelf.orphan) && (!has(self.orphan) || self.orphan == oldSelf.orphan)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.wish) == has(oldSelf.wish) && (!has(self.wish) || self.wish == oldSelf.wish)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.resolvedHash) == has(oldSelf.resolvedHash) && (!has(self.resolvedHash) || self.resolvedHash == oldSelf.resolvedHash)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.requestID) == has(oldSelf.requestID) && (!has(self.requestID) || self.requestID == oldSelf.requestID) && has(self.logLevel) == has(oldSelf.logLevel) && (!has(self.logLevel) || self.logLevel == oldSelf.logLevel)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.slot) == has(oldSelf.slot) && (!has(self.slot) || self.slot == oldSelf.slot)",message="a build never changes; make another"
// +kubebuilder:validation:XValidation:rule="!has(self.slot) || (self.transition == 'Start' && self.number == 1)",message="slot belongs to the first start"
// +kubebuilder:validation:XValidation:rule="!has(self.orphan) || !self.orphan || self.transition == 'Delete'",message="orphan belongs to transition: Delete"
// +kubebuilder:validation:XValidation:rule="!has(self.restart) || !self.restart || self.transition == 'Start'",message="restart belongs to transition: Start"
type WorkspaceBuildSpec struct {
	// WorkspaceRef is the workspace, in the same namespace.
	WorkspaceRef UIDReference `json:"workspaceRef"`

	// Number counts the workspace's builds from 1; the build is named WORKSPACE-NUMBER.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Number int64 `json:"number"`

	// Transition is Start, Stop or Delete.
	Transition Transition `json:"transition"`

	// Restart ends the pod that runs first: stop and start are two stages of one build.
	// +optional
	Restart bool `json:"restart,omitempty"`

	// Reason is why the build was made.
	Reason BuildReason `json:"reason"`

	// Initiator is who asked for it.
	Initiator Initiator `json:"initiator"`

	// RequestID is the id of the API call that asked for it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	RequestID string `json:"requestID,omitempty"`

	// VersionRef is the TemplateVersion that is built, in the organization's home namespace. A deletion may have none.
	// +optional
	VersionRef *UIDReference `json:"versionRef,omitempty"`

	// Parameters are the values that the version is rendered with.
	// +optional
	Parameters *BuildParameters `json:"parameters,omitempty"`

	// ResolvedHash is the hash of version and parameters, by which a pending change is told.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ResolvedHash string `json:"resolvedHash,omitempty"`

	// Wish is what the workspace's manifest asked for when the build was made.
	// +optional
	Wish *Wish `json:"wish,omitempty"`

	// Slot is the WarmWorkspace, in the same namespace, that the workspace has claimed: its pod becomes the build's.
	// +optional
	Slot *UIDReference `json:"slot,omitempty"`

	// Orphan deletes the workspace and leaves its claims behind, unlabelled.
	// +optional
	Orphan bool `json:"orphan,omitempty"`

	// LogLevel is how much the build's log tells: absent, or debug.
	// +optional
	// +kubebuilder:validation:Enum=debug
	LogLevel string `json:"logLevel,omitempty"`

	// Cancel asks the build to end early. It is set once.
	// +optional
	Cancel *BuildCancel `json:"cancel,omitempty"`
}

// BuildStage is which half of a restart a build is in.
// +kubebuilder:validation:MaxLength=32
type BuildStage string

const (
	// StageStopping ends the pod.
	StageStopping BuildStage = "Stopping"
	// StageStarting makes the pod.
	StageStarting BuildStage = "Starting"
)

// BuildResource is an object of the workspace, as the build left it.
type BuildResource struct {
	// Kind is Pod, PersistentVolumeClaim or Secret, or the kind of an extra object.
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// Name is "pod", or the name of the volume claim, the Secret or the extra object in the version.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// ObjectName is the metadata.name of an extra object; absent for everything else.
	// +optional
	ObjectName ObjectName `json:"objectName,omitempty"`

	// DailyCost is what it costs in credits a day.
	// +optional
	DailyCost int64 `json:"dailyCost,omitempty"`

	// Hide leaves it out of what people see first.
	// +optional
	Hide bool `json:"hide,omitempty"`

	// Icon is the picture beside it.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Items are what to show of it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Items []ResourceMetadataItem `json:"items,omitempty"`
}

// WorkspaceBuildStatus is how far the build is.
type WorkspaceBuildStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Job is the work, as the wire shows it.
	// +optional
	Job *Job `json:"job,omitempty"`

	// Stage is which half of a restart the build is in.
	// +optional
	Stage BuildStage `json:"stage,omitempty"`

	// Took is how long the work took, as the column shows it: "9s".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Took string `json:"took,omitempty"`

	// Resources are the objects of the workspace, as the build left them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Resources []BuildResource `json:"resources,omitempty"`

	// Log tells what happened, from the first step to the end.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Log []LogLine `json:"log,omitempty"`

	// HiddenApps are the apps of the version that this build leaves out, as their includeWhen says.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=32
	HiddenApps []string `json:"hiddenApps,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkspaceBuild is one transition of a workspace: what was asked for, by whom, with which version and parameters, and
// how it went. The newest one that the manager has accepted says what the workspace is held to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bwb,categories=berth
// +kubebuilder:printcolumn:name=WORKSPACE,type=string,JSONPath=`.spec.workspaceRef.name`
// +kubebuilder:printcolumn:name=NUMBER,type=integer,JSONPath=`.spec.number`
// +kubebuilder:printcolumn:name=TRANSITION,type=string,JSONPath=`.spec.transition`
// +kubebuilder:printcolumn:name=REASON,type=string,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name=BY,type=string,JSONPath=`.spec.initiator.name`
// +kubebuilder:printcolumn:name=STATE,type=string,JSONPath=`.status.job.phase`
// +kubebuilder:printcolumn:name=TOOK,type=string,JSONPath=`.status.took`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.workspaceRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.transition`
type WorkspaceBuild struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what was asked for.
	Spec WorkspaceBuildSpec `json:"spec"`

	// Status is how far it is.
	// +optional
	// +default={"observedGeneration": -1}
	Status WorkspaceBuildStatus `json:"status,omitempty"`
}

// WorkspaceBuildList is a list of WorkspaceBuilds.
//
// +kubebuilder:object:root=true
type WorkspaceBuildList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkspaceBuild `json:"items"`
}

// WireID implements Object; a build's id on the wire follows from its workspace's id and its number (package ids).
func (b *WorkspaceBuild) WireID() ID { return "" }

// WireName is the name that people know the build by: WORKSPACE-NUMBER.
func (b *WorkspaceBuild) WireName() string { return b.Name }

// GetConditions implements Object.
func (b *WorkspaceBuild) GetConditions() []metav1.Condition { return b.Status.Conditions }

// GetObservedGeneration implements Object.
func (b *WorkspaceBuild) GetObservedGeneration() int64 { return b.Status.ObservedGeneration }

// Phase is the job's, Pending before there is one.
func (b *WorkspaceBuild) Phase() JobPhase {
	if b.Status.Job == nil {
		return JobPending
	}
	return b.Status.Job.Phase
}
