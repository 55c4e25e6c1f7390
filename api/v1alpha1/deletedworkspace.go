// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ReasonKept: the record of a deleted workspace is kept until the time that it names.
const ReasonKept = "Kept"

// DeletedWorkspaceSpec is what is remembered of a workspace that was deleted. It never changes.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the record of a deleted workspace never changes"
type DeletedWorkspaceSpec struct {
	// ID is the workspace's id on the wire. A Workspace that is made with it as its spec.id takes up the claims that were
	// kept.
	ID ID `json:"id"`

	// Name is the name that people saw.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// ObjectName was its metadata.name.
	ObjectName ObjectName `json:"objectName"`

	// UID was its metadata.uid.
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`

	// Owner is whose it was.
	Owner WorkspaceOwner `json:"owner"`

	// TemplateRef is the template that it was made from.
	TemplateRef TemplateReference `json:"templateRef"`

	// DeletedAt is when it was gone, in RFC 3339.
	// +kubebuilder:validation:MaxLength=64
	DeletedAt string `json:"deletedAt"`

	// ExpiresAt is when this record is removed, in RFC 3339; not before the claims that were kept.
	// +kubebuilder:validation:MaxLength=64
	ExpiresAt string `json:"expiresAt"`

	// KeepClaimsUntil is when the claims that were kept are removed, in RFC 3339; absent where none were kept for a while.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	KeepClaimsUntil string `json:"keepClaimsUntil,omitempty"`

	// Orphan says that the claims were left behind, unlabelled.
	// +optional
	Orphan bool `json:"orphan,omitempty"`

	// Volumes are the claims that were left.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Volumes []VolumeStatus `json:"volumes,omitempty"`

	// Workspace is the Workspace as it was at last: metadata, spec and status.
	// +kubebuilder:validation:Type=object
	// +structType=atomic
	// +kubebuilder:pruning:PreserveUnknownFields
	Workspace runtime.RawExtension `json:"workspace"`

	// Builds are its last WorkspaceBuilds with their logs, the deletion's the first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	Builds []DeletedBuild `json:"builds,omitempty"`
}

// DeletedBuild is a build of a workspace that was deleted.
type DeletedBuild struct {
	// Number is the build's.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Number int64 `json:"number"`

	// Build is the WorkspaceBuild as it was at last.
	// +kubebuilder:validation:Type=object
	// +structType=atomic
	// +kubebuilder:pruning:PreserveUnknownFields
	Build runtime.RawExtension `json:"build"`
}

// DeletedWorkspaceStatus says that the record is there to be read.
type DeletedWorkspaceStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions hold Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeletedWorkspace is the record of a workspace that is gone: who follows its deletion sees how it ended, and a workspace
// that was deleted by mistake can be brought back for as long as its claims are kept. The manager makes it, and removes it
// when its time is over.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,shortName=bdws,categories=berth
// +kubebuilder:printcolumn:name=WORKSPACE,type=string,JSONPath=`.spec.objectName`
// +kubebuilder:printcolumn:name=OWNER,type=string,JSONPath=`.spec.owner.user`
// +kubebuilder:printcolumn:name=TEMPLATE,type=string,JSONPath=`.spec.templateRef.name`
// +kubebuilder:printcolumn:name=CLAIMS-UNTIL,type=string,JSONPath=`.spec.keepClaimsUntil`
// +kubebuilder:printcolumn:name=EXPIRES,type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.owner.user`
// +kubebuilder:selectablefield:JSONPath=`.spec.objectName`
type DeletedWorkspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is remembered.
	Spec DeletedWorkspaceSpec `json:"spec"`

	// Status says that the record is there to be read.
	// +optional
	// +default={"observedGeneration": -1}
	Status DeletedWorkspaceStatus `json:"status,omitempty"`
}

// DeletedWorkspaceList is a list of DeletedWorkspaces.
//
// +kubebuilder:object:root=true
type DeletedWorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DeletedWorkspace `json:"items"`
}

// WireName is the name that people saw.
func (d *DeletedWorkspace) WireName() string { return d.Spec.Name }

// WireID implements Object: the id is the workspace's.
func (d *DeletedWorkspace) WireID() ID { return d.Spec.ID }

// GetConditions implements Object.
func (d *DeletedWorkspace) GetConditions() []metav1.Condition { return d.Status.Conditions }

// GetObservedGeneration implements Object.
func (d *DeletedWorkspace) GetObservedGeneration() int64 { return d.Status.ObservedGeneration }
