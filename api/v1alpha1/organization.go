// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Reasons that an Organization gives beside the shared ones.
const (
	// ReasonNamespaceTaken: a namespace of the organization's name belongs to another organization; choose another name.
	ReasonNamespaceTaken = "NamespaceTaken"
	// ReasonNamespaceTerminating: the home namespace is being deleted; wait, it is made anew afterwards.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonDefaultTaken: an older Organization is the default one; set spec.default on one only.
	ReasonDefaultTaken = "DefaultTaken"
)

// WorkspaceNamespaces says where the workspaces of an organization stand.
// +kubebuilder:validation:Enum=Shared;PerOwner
type WorkspaceNamespaces string

const (
	// WorkspaceNamespacesShared puts every workspace into the home namespace.
	WorkspaceNamespacesShared WorkspaceNamespaces = "Shared"
	// WorkspaceNamespacesPerOwner gives each owner a namespace, so that RBAC, quotas and policies can tell owners apart.
	WorkspaceNamespacesPerOwner WorkspaceNamespaces = "PerOwner"
)

// OrganizationSpec says what an organization is called and what its workspaces may be.
type OrganizationSpec struct {
	// ID is the organization's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Name is the name on the wire; absent means metadata.name. It may be changed.
	// +optional
	Name WireName `json:"name,omitempty"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Description is a sentence about the organization.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Icon is the picture beside the name.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Default makes this the organization of Users without memberships. One Organization only may say so.
	// +optional
	Default bool `json:"default,omitempty"`

	// PodSecurity is the Pod Security level that the organization's namespaces enforce; absent means restricted.
	// +optional
	// +kubebuilder:validation:Enum=restricted;baseline;privileged
	PodSecurity string `json:"podSecurity,omitempty"`

	// WorkspaceNamespaces says where workspaces stand: Shared (in the home namespace; also when absent) or PerOwner.
	// +optional
	WorkspaceNamespaces WorkspaceNamespaces `json:"workspaceNamespaces,omitempty"`

	// ServiceAccountName is the account that every workspace pod runs as; absent means berth-workspace, which the
	// manager makes without any right.
	// +optional
	ServiceAccountName ObjectName `json:"serviceAccountName,omitempty"`

	// Everyone is what all members get.
	// +optional
	Everyone *Everyone `json:"everyone,omitempty"`
}

// Everyone is the group that every member of an organization belongs to.
type Everyone struct {
	// Quota is what each member may use.
	// +optional
	Quota *Quota `json:"quota,omitempty"`

	// AvatarURL is the group's picture.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	AvatarURL string `json:"avatarURL,omitempty"`
}

// OrganizationStatus is what the manager found and made.
type OrganizationStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Namespace is the home namespace, which holds the templates, groups and, when shared, the workspaces.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// InUse is true while a workspace stands in a namespace of the organization; it can't be deleted then.
	// +optional
	InUse bool `json:"inUse,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Organization is a team with a home namespace of its own name, which the manager makes, or adopts where it stands
// already. Templates, groups and workspaces of the organization live there; every namespace with the label
// berth.dev/organization=NAME belongs to it as well. Deleting it leaves the namespace and all that stands in it: it only
// loses that label.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=borg,categories=berth
// +kubebuilder:printcolumn:name=DISPLAY NAME,type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name=DEFAULT,type=boolean,JSONPath=`.spec.default`
// +kubebuilder:printcolumn:name=NAMESPACES,type=string,JSONPath=`.spec.workspaceNamespaces`,priority=1
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=REASON,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.metadata.name.size() <= 32",message="metadata.name must be lower-case letters and digits joined by single hyphens, at most 32 characters: it becomes a namespace"
type Organization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wished.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
	Spec OrganizationSpec `json:"spec,omitempty"`

	// Status is what is.
	// +optional
	// +default={"observedGeneration": -1}
	Status OrganizationStatus `json:"status,omitempty"`
}

// OrganizationList is a list of Organizations.
//
// +kubebuilder:object:root=true
type OrganizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Organization `json:"items"`
}

// DefaultServiceAccount is the account of workspaces where their Organization names none.
const DefaultServiceAccount = "berth-workspace"

// ServiceAccount is the account that the organization's workspaces run as.
func (o *Organization) ServiceAccount() string {
	if o.Spec.ServiceAccountName == "" {
		return DefaultServiceAccount
	}
	return string(o.Spec.ServiceAccountName)
}

// WireName is the name that people see.
func (o *Organization) WireName() string { return orName(o.Spec.Name, o.Name) }

// WireID implements Object.
func (o *Organization) WireID() ID { return o.Spec.ID }

// GetConditions implements Object.
func (o *Organization) GetConditions() []metav1.Condition { return o.Status.Conditions }

// GetObservedGeneration implements Object.
func (o *Organization) GetObservedGeneration() int64 { return o.Status.ObservedGeneration }

// orName is the name on the wire, which is the object's own where the spec gives none.
func orName(wire WireName, object string) string {
	if wire != "" {
		return string(wire)
	}
	return object
}
