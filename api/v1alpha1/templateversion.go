// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Reasons that a TemplateVersion gives beside the shared ones.
const (
	// ReasonChecked: the content compiles, renders and was accepted by a dry run; it may be promoted.
	ReasonChecked = "Checked"
	// ReasonExpressionInvalid: an expression in ${…} does not compile or has the wrong type; the message shows where.
	ReasonExpressionInvalid = "ExpressionInvalid"
	// ReasonPodInvalid: what is rendered is no valid pod; the message names the field.
	ReasonPodInvalid = "PodInvalid"
	// ReasonNotAllowed: the pod names something that the version does not declare or the organization does not allow,
	// or its Pod Security level refuses it.
	ReasonNotAllowed = "NotAllowed"
	// ReasonVariableMissing: a variable has neither value nor default; push the version again with one.
	ReasonVariableMissing = "VariableMissing"
	// ReasonSourceInvalid: the uploaded archive holds no content that can be read; the message says why.
	ReasonSourceInvalid = "SourceInvalid"
	// ReasonParameterInvalid: a parameter's declaration contradicts itself; the message names it.
	ReasonParameterInvalid = "ParameterInvalid"
)

// ConditionPolicyMet is True when every policy that the object states or falls under is acted on and kept. False names
// what is stated and not acted on.
const ConditionPolicyMet = "PolicyMet"

// Reasons of ConditionPolicyMet.
const (
	// ReasonPolicyMet: nothing stands against it.
	ReasonPolicyMet = "PolicyMet"
	// ReasonNotEnforced: the message names fields that are stored and shown, and not acted on by this release.
	ReasonNotEnforced = "NotEnforced"
)

// TemplateVersionSpec is one content of a template, with what may be said about it later.
//
// +kubebuilder:validation:XValidation:rule="has(self.content) == has(oldSelf.content) && (!has(self.content) || self.content == oldSelf.content)",message="TemplateVersion.spec.content never changes; edit spec.content of the Template and a new version follows"
// +kubebuilder:validation:XValidation:rule="has(self.content) || (has(self.source) && has(self.source.error))",message="content says what a workspace consists of; only an archive that can't be read has none"
// +kubebuilder:validation:XValidation:rule="has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",message="spec.source never changes"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.cancel) || (has(self.cancel) && self.cancel == oldSelf.cancel)",message="spec.cancel is set once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.templateRef) || (has(self.templateRef) && self.templateRef.name == oldSelf.templateRef.name)",message="spec.templateRef never changes once it is set"
type TemplateVersionSpec struct {
	// ID is the version's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Name is the version's name on the wire, unique within its template; absent means metadata.name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]+([_.-][a-zA-Z0-9]+)*$`
	Name string `json:"name,omitempty"`

	// Message says what changed.
	// +optional
	// +kubebuilder:validation:MaxLength=1048
	Message string `json:"message,omitempty"`

	// Archived hides the version and keeps it from being promoted.
	// +optional
	Archived bool `json:"archived,omitempty"`

	// TemplateRef names the Template in the same namespace; a version that was uploaded first gets it later, once.
	// +optional
	TemplateRef *NameReference `json:"templateRef,omitempty"`

	// Content is what a workspace of this version consists of. It never changes. It is absent only where source.error says
	// why the archive could not be read.
	// +optional
	Content TemplateContent `json:"content,omitempty,omitzero"`

	// Source is the uploaded archive that the content was read from; absent for a version that a Template stamped. It
	// never changes.
	// +optional
	Source *VersionSource `json:"source,omitempty"`

	// Cancel asks the check to end early. It is set once.
	// +optional
	Cancel *BuildCancel `json:"cancel,omitempty"`
}

// VersionSource is an uploaded archive, and what reading it came to.
type VersionSource struct {
	// File is the archive's id on the wire.
	File ID `json:"file"`

	// Hash is the SHA-256 of the archive as a tar, in hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-f]*$`
	Hash string `json:"hash,omitempty"`

	// Error is why no content could be read from the archive, with file and line; the check fails with it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Error string `json:"error,omitempty"`

	// Notes are what was read and left out, for the log of the check.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	Notes []string `json:"notes,omitempty"`
}

// TemplateVersionStatus is what the check found.
type TemplateVersionStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// ContentHash is the hash of the content's canonical JSON, in hexadecimal; object names carry its first digits.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ContentHash string `json:"contentHash,omitempty"`

	// Active tells whether new starts take this version.
	// +optional
	Active bool `json:"active,omitempty"`

	// Builds is how many of the kept start builds with this version succeeded, of how many: "41/42".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Builds string `json:"builds,omitempty"`

	// Job is the check, as the wire shows it.
	// +optional
	Job *Job `json:"job,omitempty"`

	// Log tells what the check did, from the first step to the end.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Log []LogLine `json:"log,omitempty"`

	// Resources are what a workspace of this version consists of, as the check rendered it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Resources []BuildResource `json:"resources,omitempty"`

	// PodSecurity is the organization's Pod Security level that the check was made at; at another one it is made again.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	PodSecurity string `json:"podSecurity,omitempty"`

	// Conditions are Ready, Reconciling, Stalled and PolicyMet.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// TemplateVersion is one content of a Template, checked once and never changed. It is made by its Template, or by an
// upload, and lives while a build, a pool or a Template names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=btv,categories=berth
// +kubebuilder:printcolumn:name=TEMPLATE,type=string,JSONPath=`.spec.templateRef.name`
// +kubebuilder:printcolumn:name=ACTIVE,type=boolean,JSONPath=`.status.active`
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=BUILDS,type=string,JSONPath=`.status.builds`
// +kubebuilder:printcolumn:name=REVISION,type=string,JSONPath=`.metadata.annotations.berth\.dev/revision`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.templateRef.name`
type TemplateVersion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the content, and what may be said about it.
	Spec TemplateVersionSpec `json:"spec"`

	// Status is what the check found.
	// +optional
	// +default={"observedGeneration": -1}
	Status TemplateVersionStatus `json:"status,omitempty"`
}

// TemplateVersionList is a list of TemplateVersions.
//
// +kubebuilder:object:root=true
type TemplateVersionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TemplateVersion `json:"items"`
}

// WireName is the name that people see.
func (v *TemplateVersion) WireName() string { return orName(WireName(v.Spec.Name), v.Name) }

// WireID implements Object.
func (v *TemplateVersion) WireID() ID { return v.Spec.ID }

// GetConditions implements Object.
func (v *TemplateVersion) GetConditions() []metav1.Condition { return v.Status.Conditions }

// GetObservedGeneration implements Object.
func (v *TemplateVersion) GetObservedGeneration() int64 { return v.Status.ObservedGeneration }
