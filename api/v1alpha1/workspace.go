// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The condition types of a Workspace beside the shared ones.
const (
	// ConditionRunning is True while every agent of the workspace is there.
	ConditionRunning = "Running"
	// ConditionUpdatePending is True when the next start takes another version or other parameters than the last one.
	ConditionUpdatePending = "UpdatePending"
	// ConditionDormant is True when the workspace was not used for long and is left alone until somebody wakes it.
	ConditionDormant = "Dormant"
)

// Reasons that a Workspace gives beside the shared ones.
const (
	// ReasonAgentReady: the workspace runs and its agents are there.
	ReasonAgentReady = "AgentReady"
	// ReasonStopped: the workspace is stopped as wished.
	ReasonStopped = "Stopped"
	// ReasonStarting: the start is on its way.
	ReasonStarting = "Starting"
	// ReasonStopping: the pod is ending.
	ReasonStopping = "Stopping"
	// ReasonDeleting: the workspace is being deleted.
	ReasonDeleting = "Deleting"
	// ReasonTemplateMissing: spec.templateRef names no Template of the organization; the message suggests one.
	ReasonTemplateMissing = "TemplateMissing"
	// ReasonTemplateNotReady: the template has no version that could be built; its own conditions say why.
	ReasonTemplateNotReady = "TemplateNotReady"
	// ReasonOwnerMissing: spec.owner.user names no User; make one, or correct the name.
	ReasonOwnerMissing = "OwnerMissing"
	// ReasonOwnerSuspended: the owner's account is suspended; activate it.
	ReasonOwnerSuspended = "OwnerSuspended"
	// ReasonOwnerNamespace: the namespace takes the workspaces of another person only.
	ReasonOwnerNamespace = "OwnerNamespace"
	// ReasonParameterRefused: a parameter is unknown, missing or out of bounds; the message names it.
	ReasonParameterRefused = "ParameterRefused"
	// ReasonScheduleInvalid: autostart, autostop or a time zone can't be read; the message names the field.
	ReasonScheduleInvalid = "ScheduleInvalid"
	// ReasonClaimPending: a volume claim is not bound yet; the message names it.
	ReasonClaimPending = "ClaimPending"
	// ReasonUnschedulable: no node fits the pod; the message says what lacks. Ask for less, or add a node.
	ReasonUnschedulable = "Unschedulable"
	// ReasonImagePull: an image can't be pulled; the message names it and the field it stands in.
	ReasonImagePull = "ImagePull"
	// ReasonCrashLoop: a container ends again and again; the message shows its exit code.
	ReasonCrashLoop = "CrashLoop"
	// ReasonOutOfMemory: a container used more memory than its limit; raise the limit.
	ReasonOutOfMemory = "OutOfMemory"
	// ReasonContainerConfig: a container can't be created; the message says what it names that is not there.
	ReasonContainerConfig = "ContainerConfig"
	// ReasonClaimTaken: a volume claim of the name that the workspace needs is somebody else's; the message names it.
	ReasonClaimTaken = "ClaimTaken"
	// ReasonPodRefused: the cluster refused the pod, by Pod Security, quota or admission; the message is its own.
	ReasonPodRefused = "PodRefused"
	// ReasonPodGone: the pod was deleted or evicted and is being made again.
	ReasonPodGone = "PodGone"
	// ReasonStartTimeout: the start did not succeed in time; the message says what it waited for.
	ReasonStartTimeout = "StartTimeout"
	// ReasonUpdatePending: a changed version or parameter waits for the next start; restart to take it now.
	ReasonUpdatePending = "Pending"
	// ReasonUpToDate: the next start takes what the last one took.
	ReasonUpToDate = "UpToDate"
	// ReasonUpdateBlocked: the next start would be refused; the message says why.
	ReasonUpdateBlocked = "Blocked"
	// ReasonBuildFailed: the last build failed; the message says why. It stays so until something changes.
	ReasonBuildFailed = "BuildFailed"
)

// WorkspaceState is a lasting wish of a manifest.
// +kubebuilder:validation:Enum=Running;Stopped
type WorkspaceState string

const (
	// StateRunning wishes the workspace to run.
	StateRunning WorkspaceState = "Running"
	// StateStopped wishes it to be stopped.
	StateStopped WorkspaceState = "Stopped"
)

// RequestTransition is what a request asks for once.
// +kubebuilder:validation:Enum=Start;Stop;Restart
type RequestTransition string

const (
	// RequestStart starts the workspace.
	RequestStart RequestTransition = "Start"
	// RequestStop stops it.
	RequestStop RequestTransition = "Stop"
	// RequestRestart stops and starts it.
	RequestRestart RequestTransition = "Restart"
)

// WorkspaceRequest asks for one transition. A request with another time is a new one.
type WorkspaceRequest struct {
	// Transition is Start, Stop or Restart.
	Transition RequestTransition `json:"transition"`

	// At tells one request from the next: the time it is made, in RFC 3339.
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$`
	At string `json:"at"`
}

// Updates says when a workspace takes a new version or changed parameters.
// +kubebuilder:validation:Enum=Manual;OnStart;Restart
type Updates string

const (
	// UpdatesManual keeps the version of the last build until a person chooses another.
	UpdatesManual Updates = "Manual"
	// UpdatesOnStart takes the active version with the next start.
	UpdatesOnStart Updates = "OnStart"
	// UpdatesRestart restarts a running workspace for it.
	UpdatesRestart Updates = "Restart"
)

// WorkspaceOwner is whose a workspace is.
type WorkspaceOwner struct {
	// User is the User's metadata.name.
	User ObjectName `json:"user"`
}

// Autostop says how long a workspace may run.
type Autostop struct {
	// After stops the workspace so long after its start; 0s: never, as far as the template allows.
	After Duration `json:"after"`
}

// WorkspaceSpec is what is wished of a workspace.
//
// +kubebuilder:validation:XValidation:rule="self.owner.user == oldSelf.owner.user",message="spec.owner.user never changes; make another workspace for another person"
// +kubebuilder:validation:XValidation:rule="self.templateRef.name == oldSelf.templateRef.name",message="spec.templateRef.name never changes; make another workspace of another template"
// +kubebuilder:validation:XValidation:rule="has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",message="spec.name never changes; workspaces are not renamed"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
type WorkspaceSpec struct {
	// ID is the workspace's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Name is the name on the wire, unique among its owner's workspaces; absent means metadata.name. It never changes.
	// +optional
	Name WireName `json:"name,omitempty"`

	// Owner is whose the workspace is. It never changes.
	Owner WorkspaceOwner `json:"owner"`

	// TemplateRef is the Template in the organization's home namespace. It never changes.
	TemplateRef NameReference `json:"templateRef"`

	// VersionRef holds the workspace to one TemplateVersion; absent means the template's active one.
	// +optional
	VersionRef *NameReference `json:"versionRef,omitempty"`

	// Parameters are the owner's choices by parameter name; absent ones take the template's default.
	// +optional
	// +kubebuilder:validation:MaxProperties=128
	Parameters map[string]Value `json:"parameters,omitempty"`

	// State is a lasting wish: Running or Stopped. Absent means that people and the schedule decide after the first
	// start; it is acted on when it changes, never against an autostop.
	// +optional
	State WorkspaceState `json:"state,omitempty"`

	// Request asks for one start, stop or restart.
	// +optional
	Request *WorkspaceRequest `json:"request,omitempty"`

	// Autostart is when the workspace is started; absent: never by itself.
	// +optional
	Autostart *Schedule `json:"autostart,omitempty"`

	// Autostop is how long it may run; absent means as the template says.
	// +optional
	Autostop *Autostop `json:"autostop,omitempty"`

	// Updates is Manual, OnStart (also when absent) or Restart.
	// +optional
	Updates Updates `json:"updates,omitempty"`
}

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

// WorkspaceSchedule are the instants at which the schedule acts, computed when the build was accepted.
type WorkspaceSchedule struct {
	// Deadline is when the workspace is stopped.
	// +optional
	Deadline *metav1.Time `json:"deadline,omitempty"`

	// MaxDeadline is what the deadline can't be moved beyond.
	// +optional
	MaxDeadline *metav1.Time `json:"maxDeadline,omitempty"`

	// StartDeadline is when a start in progress has failed.
	// +optional
	StartDeadline *metav1.Time `json:"startDeadline,omitempty"`

	// NextStart is when the workspace is started.
	// +optional
	NextStart *metav1.Time `json:"nextStart,omitempty"`

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

// Workspace is a person's place to work: a pod and its volumes, made of a template. Its transitions are WorkspaceBuilds.
// Deleting it stops it at once and keeps its claims for the template's lifecycle.keepDeletedFor.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bws,categories=berth
// +kubebuilder:printcolumn:name=OWNER,type=string,JSONPath=`.spec.owner.user`
// +kubebuilder:printcolumn:name=TEMPLATE,type=string,JSONPath=`.spec.templateRef.name`
// +kubebuilder:printcolumn:name=STATE,type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=REASON,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=VERSION,type=string,JSONPath=`.status.version`,priority=1
// +kubebuilder:printcolumn:name=UPDATE,type=string,JSONPath=`.status.conditions[?(@.type=="UpdatePending")].reason`,priority=1
// +kubebuilder:printcolumn:name=STOPS-AT,type=string,JSONPath=`.status.schedule.deadline`,priority=1
// +kubebuilder:printcolumn:name=LAST-USED,type=date,JSONPath=`.status.lastUsedAt`,priority=1
// +kubebuilder:printcolumn:name=POD,type=string,JSONPath=`.status.pod.name`,priority=1
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.owner.user`
// +kubebuilder:selectablefield:JSONPath=`.spec.templateRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:validation:XValidation:rule="has(self.spec.name) || self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.metadata.name.size() <= 32",message="metadata.name must be lower-case letters and digits joined by single hyphens, at most 32 characters, or spec.name must give such a name"
type Workspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wished.
	Spec WorkspaceSpec `json:"spec"`

	// Status is what is.
	// +optional
	// +default={"observedGeneration": -1}
	Status WorkspaceStatus `json:"status,omitempty"`
}

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workspace `json:"items"`
}

// WireName is the name that people see.
func (w *Workspace) WireName() string { return orName(w.Spec.Name, w.Name) }

// WireID implements Object.
func (w *Workspace) WireID() ID { return w.Spec.ID }

// GetConditions implements Object.
func (w *Workspace) GetConditions() []metav1.Condition { return w.Status.Conditions }

// GetObservedGeneration implements Object.
func (w *Workspace) GetObservedGeneration() int64 { return w.Status.ObservedGeneration }
