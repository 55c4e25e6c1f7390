// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Reasons that a DryRun gives beside the shared ones.
const (
	// ReasonWouldStart: the cluster would take the workspace's pod and its claims.
	ReasonWouldStart = "WouldStart"
	// ReasonRefused: the cluster would not take them; the message is its own sentence.
	ReasonRefused = "Refused"
	// ReasonVersionMissing: the version is gone, or was not checked with success.
	ReasonVersionMissing = "VersionMissing"
)

// DryRunSpec is a start that is only tried. Only cancel may be added to it later.
//
// +kubebuilder:validation:XValidation:rule="self.versionRef == oldSelf.versionRef && self.owner == oldSelf.owner",message="a dry run never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.workspaceName) == has(oldSelf.workspaceName) && (!has(self.workspaceName) || self.workspaceName == oldSelf.workspaceName)",message="a dry run never changes; make another"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="a dry run never changes; make another"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.cancel) || (has(self.cancel) && self.cancel == oldSelf.cancel)",message="spec.cancel is set once"
type DryRunSpec struct {
	// VersionRef is the version that is tried, in the same namespace.
	VersionRef UIDReference `json:"versionRef"`

	// Owner is who asked, and who would own the workspace.
	Owner WorkspaceOwner `json:"owner"`

	// WorkspaceName is the name that expressions see; absent means "dry-run".
	// +optional
	WorkspaceName WireName `json:"workspaceName,omitempty"`

	// Parameters are the values to try; absent ones have their defaults.
	// +optional
	Parameters *BuildParameters `json:"parameters,omitempty"`

	// Cancel asks it to end early. It is set once.
	// +optional
	Cancel *BuildCancel `json:"cancel,omitempty"`
}

// DryRunStatus is what came of it.
type DryRunStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Job is the work, as the wire shows it.
	// +optional
	Job *Job `json:"job,omitempty"`

	// Log tells what was tried, from the first step to the end.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Log []LogLine `json:"log,omitempty"`

	// Resources are the objects that a start would make.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Resources []BuildResource `json:"resources,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DryRun tries whether the cluster would take a workspace of a version with given parameters: its pod and its claims are
// rendered, and created by a server-side dry run that makes nothing. It is removed an hour after it ended.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bdr,categories=berth
// +kubebuilder:printcolumn:name=VERSION,type=string,JSONPath=`.spec.versionRef.name`
// +kubebuilder:printcolumn:name=OWNER,type=string,JSONPath=`.spec.owner.user`
// +kubebuilder:printcolumn:name=STATE,type=string,JSONPath=`.status.job.phase`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type DryRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is tried.
	Spec DryRunSpec `json:"spec"`

	// Status is what came of it.
	// +optional
	// +default={"observedGeneration": -1}
	Status DryRunStatus `json:"status,omitempty"`
}

// DryRunList is a list of DryRuns.
//
// +kubebuilder:object:root=true
type DryRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DryRun `json:"items"`
}

// WireName is the name of the object: a dry run has no other.
func (d *DryRun) WireName() string { return d.Name }

// WireID implements Object. A dry run lives for an hour, so that its uid is id enough.
func (d *DryRun) WireID() ID { return "" }

// GetConditions implements Object.
func (d *DryRun) GetConditions() []metav1.Condition { return d.Status.Conditions }

// GetObservedGeneration implements Object.
func (d *DryRun) GetObservedGeneration() int64 { return d.Status.ObservedGeneration }
