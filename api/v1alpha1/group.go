// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ReasonMemberMissing is given by a Group whose members name no User, or one outside the organization: they have no
// rights until the User is there; the message names them.
const ReasonMemberMissing = "MemberMissing"

// GroupSpec says who belongs together and what they may use.
type GroupSpec struct {
	// ID is the group's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Name is the name on the wire; absent means metadata.name. It may be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$`
	Name string `json:"name,omitempty"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// AvatarURL is the group's picture.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	AvatarURL string `json:"avatarURL,omitempty"`

	// Members are Users by metadata.name. Members that a login or SCIM brought stand on the User.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Members []ObjectName `json:"members,omitempty"`

	// Subjects are Kubernetes or OIDC groups whose members belong to this group. Two Groups may list the same one.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Subjects []Subject `json:"subjects,omitempty"`

	// Quota is what the group adds to what each of its members may use.
	// +optional
	Quota *Quota `json:"quota,omitempty"`
}

// GroupStatus is what the manager found.
type GroupStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Members is how many of spec.members are Users of the organization.
	// +optional
	Members int64 `json:"members,omitempty"`

	// Cost is what the workspaces of the members cost in credits a day, of what they may cost together: the sum of the
	// members' budgets, which include what other groups add. Only a group with a quota has it.
	// +optional
	// +kubebuilder:validation:MaxLength=48
	Cost string `json:"cost,omitempty"`

	// Running is how many workspaces of the members run, of how many may: "12/40". Only a group with a quota has it.
	// +optional
	// +kubebuilder:validation:MaxLength=48
	Running string `json:"running,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Group is a set of people of one organization: templates grant it roles, and it carries a quota. It stands in the
// organization's home namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bgrp,categories=berth
// +kubebuilder:printcolumn:name=MEMBERS,type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name=COST/DAY,type=string,JSONPath=`.status.cost`
// +kubebuilder:printcolumn:name=RUNNING,type=string,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="has(self.spec) && has(self.spec.name) || self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.metadata.name.size() <= 36",message="metadata.name must be lower-case letters and digits joined by single hyphens, at most 36 characters, or spec.name must give such a name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.lowerAscii() != 'everyone' && (!has(self.spec) || !has(self.spec.name) || self.spec.name.lowerAscii() != 'everyone')",message="Everyone is the group of all members; set its quota in spec.everyone of the Organization"
type Group struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wished.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
	Spec GroupSpec `json:"spec,omitempty"`

	// Status is what is.
	// +optional
	// +default={"observedGeneration": -1}
	Status GroupStatus `json:"status,omitempty"`
}

// GroupList is a list of Groups.
//
// +kubebuilder:object:root=true
type GroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Group `json:"items"`
}

// WireName is the name that people see.
func (g *Group) WireName() string { return orName(WireName(g.Spec.Name), g.Name) }

// WireID implements Object.
func (g *Group) WireID() ID { return g.Spec.ID }

// GetConditions implements Object.
func (g *Group) GetConditions() []metav1.Condition { return g.Status.Conditions }

// GetObservedGeneration implements Object.
func (g *Group) GetObservedGeneration() int64 { return g.Status.ObservedGeneration }
