// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The condition types of a Workspace beside the shared ones.
const (
	// ConditionRunning is True while every agent of the workspace is there.
	ConditionRunning = "Running"
	// ConditionUpdatePending is True when the next start takes another version or other parameters than the last one.
	ConditionUpdatePending = "UpdatePending"
	// ConditionDormant is True when the workspace was not used for long and is left alone until somebody wakes it; it is
	// absent otherwise.
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
	// ReasonTemplateNotOpen: spec.templateRef names a Template of another organization that is not there, or not open to this
	// one; ask who administers it. What runs goes on.
	ReasonTemplateNotOpen = "TemplateNotOpen"
	// ReasonTemplateNotReady: the template has no version that could be built; its own conditions say why.
	ReasonTemplateNotReady = "TemplateNotReady"
	// ReasonOwnerMissing: spec.owner.user names no User; make one, or correct the name.
	ReasonOwnerMissing = "OwnerMissing"
	// ReasonOwnerSuspended: the owner's account is suspended; activate it.
	ReasonOwnerSuspended = "OwnerSuspended"
	// ReasonOwnerNamespace: the namespace takes the workspaces of another person only.
	ReasonOwnerNamespace = "OwnerNamespace"
	// ReasonExternalAuthRequired: the owner is not signed in to an external provider that the template's version needs; the
	// message names it. It starts once the owner has signed in there.
	ReasonExternalAuthRequired = "ExternalAuthRequired"
	// ReasonQuotaExceeded: the start would exceed a budget or a cap; the message shows the sum and what would free enough.
	ReasonQuotaExceeded = "QuotaExceeded"
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
	// ReasonObjectRefused: an extra object can't be applied; the message names it and what would let it.
	ReasonObjectRefused = "ObjectRefused"
	// ReasonPodGone: the pod was deleted or evicted and is being made again.
	ReasonPodGone = "PodGone"
	// ReasonStartTimeout: the start did not succeed in time; the message says what it waited for.
	ReasonStartTimeout = "StartTimeout"
	// ReasonUpdatePending: a changed version or parameter waits for the next start; restart to take it now.
	ReasonUpdatePending = "Pending"
	// ReasonUpToDate: the next start takes what the last one took.
	ReasonUpToDate = "UpToDate"
	// ReasonUpdateAvailable: the template has another active version, and the workspace keeps its own until a person
	// chooses one; spec.updates and spec.versionRef say so.
	ReasonUpdateAvailable = "Available"
	// ReasonUpdateBlocked: the next start would be refused; the message says why.
	ReasonUpdateBlocked = "Blocked"
	// ReasonNotUsed: the workspace was not used for long, or was put to sleep by a person; starting it wakes it.
	ReasonNotUsed = "NotUsed"
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
// +kubebuilder:validation:XValidation:rule="has(self.templateRef.organization) == has(oldSelf.templateRef.organization) && (!has(self.templateRef.organization) || self.templateRef.organization == oldSelf.templateRef.organization)",message="spec.templateRef.organization never changes; make another workspace of another template"
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

	// TemplateRef is the Template, the organization's own or one that another has opened to it. It never changes.
	TemplateRef TemplateReference `json:"templateRef"`

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

// LastBuild is the number of the last build of the workspace's earlier life, 0 where it had none: AnnotationLastBuild.
func (w *Workspace) LastBuild() int64 {
	n, err := strconv.ParseInt(w.Annotations[AnnotationLastBuild], 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// WireName is the name that people see.
func (w *Workspace) WireName() string { return orName(w.Spec.Name, w.Name) }

// WireID implements Object.
func (w *Workspace) WireID() ID { return w.Spec.ID }

// GetConditions implements Object.
func (w *Workspace) GetConditions() []metav1.Condition { return w.Status.Conditions }

// GetObservedGeneration implements Object.
func (w *Workspace) GetObservedGeneration() int64 { return w.Status.ObservedGeneration }
