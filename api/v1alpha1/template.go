// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Reasons that a Template gives beside the shared ones.
const (
	// ReasonVersionChecking: the version of the present content is being checked; wait.
	ReasonVersionChecking = "VersionChecking"
	// ReasonVersionInvalid: the present content is wrong, the message names the field; the last good version stays.
	ReasonVersionInvalid = "VersionInvalid"
	// ReasonVersionNotPromoted: the present content is good and waits for rollout.pin, as the strategy says.
	ReasonVersionNotPromoted = "VersionNotPromoted"
	// ReasonPinMissing: rollout.pin names no TemplateVersion of this template that could be promoted.
	ReasonPinMissing = "PinMissing"
	// ReasonRollingOut: the present content comes out step by step; the message says how far it is.
	ReasonRollingOut = "RollingOut"
	// ReasonRolloutFailed: the present content is good by itself, and its rollout was taken back as its starts failed or
	// came too late; the message says which. Change the content, or set rollout.pin to the version to try it all the same.
	ReasonRolloutFailed = "RolloutFailed"
	// ReasonHeld: spec.hold keeps the template at a version; the message says until when.
	ReasonHeld = "Held"
	// ReasonHoldMissing: spec.hold names no TemplateVersion of this template that could be promoted.
	ReasonHoldMissing = "HoldMissing"
	// ReasonInUse: the template can't be deleted while workspaces use it; set spec.deprecated to stop new ones.
	ReasonInUse = "InUse"
)

// AccessRole is what an access entry lets people do.
// +kubebuilder:validation:Enum=Use;Admin
type AccessRole string

const (
	// AccessRoleUse may read the template and make workspaces of it.
	AccessRoleUse AccessRole = "Use"
	// AccessRoleAdmin may change the template too.
	AccessRoleAdmin AccessRole = "Admin"
)

// AccessKind is whom an access entry speaks of.
// +kubebuilder:validation:Enum=User;Group;Everyone;Organization
type AccessKind string

const (
	// AccessKindUser is one User.
	AccessKindUser AccessKind = "User"
	// AccessKindGroup is a Group of the organization.
	AccessKindGroup AccessKind = "Group"
	// AccessKindEveryone is every member of the organization.
	AccessKindEveryone AccessKind = "Everyone"
	// AccessKindOrganization is every member of another organization, for workspaces there.
	AccessKindOrganization AccessKind = "Organization"
)

// AccessEntry gives a role on a template to people.
//
// +kubebuilder:validation:XValidation:rule="(self.kind == 'Everyone') != has(self.name)",message="name a User, Group or Organization; Everyone has no name"
// +kubebuilder:validation:XValidation:rule="self.kind != 'Organization' || self.role == 'Use'",message="another organization may only Use a template; name its people to let them change it"
type AccessEntry struct {
	// Kind is User, Group, Everyone or Organization.
	Kind AccessKind `json:"kind"`

	// Name is the User's, Group's or Organization's metadata.name.
	// +optional
	Name ObjectName `json:"name,omitempty"`

	// Role is Use or Admin.
	Role AccessRole `json:"role"`
}

// RolloutStrategy says how a new version becomes the active one.
// +kubebuilder:validation:Enum=Immediate;Manual;Progressive
type RolloutStrategy string

const (
	// RolloutImmediate promotes a version as soon as it is checked.
	RolloutImmediate RolloutStrategy = "Immediate"
	// RolloutManual promotes a version when rollout.pin names it.
	RolloutManual RolloutStrategy = "Manual"
	// RolloutProgressive promotes a version step by step.
	RolloutProgressive RolloutStrategy = "Progressive"
)

// Rollout says how new versions become active. The first valid version of a template is always promoted.
//
// +kubebuilder:validation:XValidation:rule="has(self.strategy) && self.strategy == 'Progressive' || !has(self.steps)",message="steps belong to strategy: Progressive"
type Rollout struct {
	// Strategy is Immediate (also when absent), Manual or Progressive.
	// +optional
	Strategy RolloutStrategy `json:"strategy,omitempty"`

	// Steps are the stages of a Progressive rollout, in order; after the last one everybody gets the version.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Steps []RolloutStep `json:"steps,omitempty"`

	// MinBuilds is how many starts with the version must have succeeded since a step began before it is passed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	MinBuilds *int32 `json:"minBuilds,omitempty"`

	// Deadline is how long a step may wait for its builds, from its begin, before the rollout returns to the last good
	// version. Absent waits for ever.
	// +optional
	Deadline Duration `json:"deadline,omitempty"`

	// Paused holds the rollout where it is: its time stands still, and no failed start takes it back.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// Pin is the TemplateVersion, by metadata.name, that is active whatever the strategy and the content say.
	// +optional
	Pin ObjectName `json:"pin,omitempty"`
}

// RolloutStep is one stage of a Progressive rollout: a group or a share of the workspaces.
//
// +kubebuilder:validation:XValidation:rule="has(self.group) != has(self.percent)",message="give one of group and percent"
type RolloutStep struct {
	// Group is a Group of the organization whose members' workspaces get the version, in this step and all that follow.
	// +optional
	Group ObjectName `json:"group,omitempty"`

	// Percent is the share of all workspaces that gets the version. Which ones they are follows from the version, the
	// workspace's owner and its name, so it stays the same, and a larger share holds the smaller one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Percent *int32 `json:"percent,omitempty"`

	// For is how long the step lasts at least.
	// +optional
	For Duration `json:"for,omitempty"`
}

// TemplateHold keeps a template at one version for a while, whatever its rollout says. No GitOps tool that does not declare
// the field takes it back; it ends by itself.
type TemplateHold struct {
	// Version is the TemplateVersion, by metadata.name.
	Version ObjectName `json:"version"`

	// Until is when the hold ends, in RFC 3339.
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$`
	Until string `json:"until"`

	// By is who asked for it, for those who find it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	By string `json:"by,omitempty"`
}

// TemplateLimits cap the workspaces of a template.
type TemplateLimits struct {
	Caps `json:",inline"`

	// PerUser caps the workspaces of each owner alone.
	// +optional
	PerUser *Caps `json:"perUser,omitempty"`
}

// RolloutCandidate is the version that a Progressive rollout is bringing out.
type RolloutCandidate struct {
	UIDReference `json:",inline"`

	// Step is which of rollout.steps it is in, counted from 0. The workspaces of that step and of those before it get the
	// version at their next start; all others get the active one.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	Step int32 `json:"step"`

	// Since is when the step began; the time of a pause is added to it.
	Since metav1.Time `json:"since"`

	// StartedAt is when the rollout began.
	StartedAt metav1.Time `json:"startedAt"`

	// Succeeded is how many starts with the version succeeded since the step began.
	// +optional
	Succeeded int64 `json:"succeeded,omitempty"`

	// Failed is how many starts with the version failed since the rollout began.
	// +optional
	Failed int64 `json:"failed,omitempty"`

	// PausedAt is when the rollout was paused; absent while it goes on.
	// +optional
	PausedAt *metav1.Time `json:"pausedAt,omitempty"`
}

// RejectedVersion is a version whose rollout was taken back.
type RejectedVersion struct {
	UIDReference `json:",inline"`

	// At is when.
	At metav1.Time `json:"at"`

	// Why is what was wrong.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Why string `json:"why,omitempty"`
}

// TemplateSpec is the catalogue entry, the policy and the content of a template.
type TemplateSpec struct {
	// ID is the template's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Name is the name on the wire; absent means metadata.name. It may be changed.
	// +optional
	Name WireName `json:"name,omitempty"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Description is a sentence about the template.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Icon is the picture beside the name.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Access says who may use the template and who may change it. Absent lets in nobody but administrators.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Access []AccessEntry `json:"access,omitempty"`

	// Lifecycle says how long workspaces run and live.
	// +optional
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`

	// RequireActiveVersion makes every start take the active version; only template administrators may choose another.
	// +optional
	RequireActiveVersion bool `json:"requireActiveVersion,omitempty"`

	// Deprecated stops new workspaces; those that are there go on.
	// +optional
	Deprecated bool `json:"deprecated,omitempty"`

	// DeprecationMessage says what to use instead. It deprecates the template by itself.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	DeprecationMessage string `json:"deprecationMessage,omitempty"`

	// Rollout says how a changed content becomes the active version.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// Hold keeps the template at a version until a time, whatever rollout says.
	// +optional
	Hold *TemplateHold `json:"hold,omitempty"`

	// Limits cap how many workspaces of the template there may be at once, in each organization that uses it by itself.
	// +optional
	Limits *TemplateLimits `json:"limits,omitempty"`

	// WarmPool keeps workspaces prepared, which new ones claim in place of starting from nothing.
	// +optional
	WarmPool *WarmPool `json:"warmPool,omitempty"`

	// Content is what a workspace of the template consists of. Absent leaves the template with the versions that were
	// uploaded for it.
	// +optional
	Content *TemplateContent `json:"content,omitempty"`
}

// TemplateStatus is what the manager found and did.
type TemplateStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// ActiveVersion is the version that new starts take; absent until one was valid.
	// +optional
	ActiveVersion *UIDReference `json:"activeVersion,omitempty"`

	// PreviousVersion is the last good version before the active one: what an undo goes back to.
	// +optional
	PreviousVersion *UIDReference `json:"previousVersion,omitempty"`

	// Candidate is the version that a Progressive rollout is bringing out; absent while none is under way.
	// +optional
	Candidate *RolloutCandidate `json:"candidate,omitempty"`

	// Rejected is the version of the present content, where its rollout was taken back; it is not tried again.
	// +optional
	Rejected *RejectedVersion `json:"rejected,omitempty"`

	// LatestVersion is the version of the present content.
	// +optional
	LatestVersion *UIDReference `json:"latestVersion,omitempty"`

	// ActiveHash is the hash of the active version's content, as the column shows it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ActiveHash string `json:"activeHash,omitempty"`

	// Rollout says in words where the rollout stands: "complete", "25% until 14:00 UTC", "kept at 7c9f2a". Times are in UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Rollout string `json:"rollout,omitempty"`

	// Workspaces is how many workspaces use the template.
	// +optional
	Workspaces int64 `json:"workspaces,omitempty"`

	// UpToDate is how many of them have their newest build on the active version.
	// +optional
	UpToDate int64 `json:"upToDate,omitempty"`

	// Usage is upToDate and workspaces as the column shows them: "31/38".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Usage string `json:"usage,omitempty"`

	// UsedBy names the first few of those workspaces by owner and name: "ada/api, bob/ml, 29 more".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	UsedBy string `json:"usedBy,omitempty"`

	// WarmPool is how the pool stands; absent where the template has none.
	// +optional
	WarmPool *WarmPoolStatus `json:"warmPool,omitempty"`

	// Conditions are Ready, Reconciling, Stalled and PolicyMet.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Template is an entry of the catalogue: what a workspace consists of, who may use it, and how long workspaces live.
// As a Deployment stamps out ReplicaSets, it stamps out a TemplateVersion for each content it has had.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=btpl,categories=berth
// +kubebuilder:printcolumn:name=VERSION,type=string,JSONPath=`.status.activeHash`
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=ROLLOUT,type=string,JSONPath=`.status.rollout`
// +kubebuilder:printcolumn:name=WORKSPACES,type=string,JSONPath=`.status.usage`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="has(self.spec) && has(self.spec.name) || self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.metadata.name.size() <= 32",message="metadata.name must be lower-case letters and digits joined by single hyphens, at most 32 characters, or spec.name must give such a name"
type Template struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wished.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
	Spec TemplateSpec `json:"spec,omitempty"`

	// Status is what is.
	// +optional
	// +default={"observedGeneration": -1}
	Status TemplateStatus `json:"status,omitempty"`
}

// TemplateList is a list of Templates.
//
// +kubebuilder:object:root=true
type TemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Template `json:"items"`
}

// WireName is the name that people see.
func (t *Template) WireName() string { return orName(t.Spec.Name, t.Name) }

// WireID implements Object.
func (t *Template) WireID() ID { return t.Spec.ID }

// GetConditions implements Object.
func (t *Template) GetConditions() []metav1.Condition { return t.Status.Conditions }

// GetObservedGeneration implements Object.
func (t *Template) GetObservedGeneration() int64 { return t.Status.ObservedGeneration }
