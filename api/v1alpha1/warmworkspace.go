// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons that a WarmWorkspace gives beside the shared ones and those of a Workspace.
const (
	// ReasonWarm: the prepared workspace can be claimed.
	ReasonWarm = "Warm"
	// ReasonAgentsAway: the pod runs, and not every agent of it is connected to an API server; it can't be claimed until
	// they are.
	ReasonAgentsAway = "AgentsAway"
	// ReasonClaimed: the prepared workspace is a person's by now.
	ReasonClaimed = "Claimed"
	// ReasonNotPoolable: the template's pod is not the same for everybody, so none can be prepared; the message names the
	// fields. Use a variable of an agent's own container for what depends on the owner or the workspace.
	ReasonNotPoolable = "NotPoolable"
)

// WarmPhase is how far a prepared workspace is.
// +kubebuilder:validation:MaxLength=32
type WarmPhase string

const (
	// WarmPreparing is being made.
	WarmPreparing WarmPhase = "Preparing"
	// WarmReady can be claimed.
	WarmReady WarmPhase = "Ready"
	// WarmClaimed is a workspace's.
	WarmClaimed WarmPhase = "Claimed"
)

// WarmClaim says whose a prepared workspace has become.
type WarmClaim struct {
	// WorkspaceRef is the workspace, in the same namespace.
	WorkspaceRef UIDReference `json:"workspaceRef"`

	// Owner is whose workspace it is.
	Owner WorkspaceOwner `json:"owner"`

	// At is when it was claimed, in RFC 3339.
	// +kubebuilder:validation:MaxLength=64
	At string `json:"at"`
}

// WarmWorkspaceSpec is what a prepared workspace was made from, and who has claimed it.
//
// +kubebuilder:validation:XValidation:rule="self.templateRef == oldSelf.templateRef && self.versionRef == oldSelf.versionRef && self.resolvedHash == oldSelf.resolvedHash",message="a prepared workspace never changes; the pool makes another"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="a prepared workspace never changes; the pool makes another"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.claim) || (has(self.claim) && self.claim == oldSelf.claim)",message="spec.claim is set once"
type WarmWorkspaceSpec struct {
	// TemplateRef is the template whose pool it belongs to, in the same namespace.
	TemplateRef NameReference `json:"templateRef"`

	// VersionRef is the TemplateVersion that it runs.
	VersionRef UIDReference `json:"versionRef"`

	// Parameters are the values that the version was rendered with.
	// +optional
	Parameters *BuildParameters `json:"parameters,omitempty"`

	// ResolvedHash is the hash of version and parameters: a workspace whose first build has the same may claim it.
	// +kubebuilder:validation:MaxLength=64
	ResolvedHash string `json:"resolvedHash"`

	// Claim says whose it has become. It is set once, by one write at the resourceVersion at which it was free.
	// +optional
	Claim *WarmClaim `json:"claim,omitempty"`
}

// WarmAgent is an agent of a prepared workspace, as the API servers know it.
type WarmAgent struct {
	// Name is the agent's name in the version.
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// Connected is true while the agent's stream is up, by which it hears of a claim.
	// +optional
	Connected bool `json:"connected,omitempty"`

	// Replica names the API server that holds the stream.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Replica string `json:"replica,omitempty"`

	// SecretHash is the SHA-256, in hex, of the secret that the agent was given after the claim. It is written before the
	// secret is sent. From the claim on the agent's token opens nothing without it. It is set once.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SecretHash string `json:"secretHash,omitempty"`

	// Bound is true once the agent has said that it has the secret, and with it whose its pod has become. An agent that is
	// not bound soon after the claim never will be.
	// +optional
	Bound bool `json:"bound,omitempty"`
}

// WarmWorkspaceStatus is how far a prepared workspace is. The manager writes all of it but the agents, which are the API
// servers'.
type WarmWorkspaceStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase is Preparing, Ready or Claimed.
	// +optional
	Phase WarmPhase `json:"phase,omitempty"`

	// Pod is its pod; only the pod that stands here is the prepared workspace's.
	// +optional
	Pod *PodStatus `json:"pod,omitempty"`

	// Volumes are its claims.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Volumes []VolumeStatus `json:"volumes,omitempty"`

	// Agents are its agents' connections.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="oldSelf.all(o, !has(o.secretHash) || self.exists(n, n.name == o.name && has(n.secretHash) && n.secretHash == o.secretHash))",message="a secret is given once"
	Agents []WarmAgent `json:"agents,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WarmWorkspace is a prepared workspace of a template's pool. It belongs to nobody until it is claimed; then its pod and
// its volumes become the workspace's, and it stays as the record of that for as long as the pod lives. The manager makes
// and removes them; people only read them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bwws,categories=berth
// +kubebuilder:printcolumn:name=TEMPLATE,type=string,JSONPath=`.spec.templateRef.name`
// +kubebuilder:printcolumn:name=VERSION,type=string,JSONPath=`.spec.versionRef.name`
// +kubebuilder:printcolumn:name=STATE,type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name=WORKSPACE,type=string,JSONPath=`.spec.claim.workspaceRef.name`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.templateRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
type WarmWorkspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what it was made from, and who has claimed it.
	Spec WarmWorkspaceSpec `json:"spec"`

	// Status is how far it is.
	// +optional
	// +default={"observedGeneration": -1}
	Status WarmWorkspaceStatus `json:"status,omitempty"`
}

// WarmWorkspaceList is a list of WarmWorkspaces.
//
// +kubebuilder:object:root=true
type WarmWorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WarmWorkspace `json:"items"`
}

// WireID implements Object; a prepared workspace is not on the wire.
func (w *WarmWorkspace) WireID() ID { return "" }

// WireName is its metadata.name.
func (w *WarmWorkspace) WireName() string { return w.Name }

// GetConditions implements Object.
func (w *WarmWorkspace) GetConditions() []metav1.Condition { return w.Status.Conditions }

// GetObservedGeneration implements Object.
func (w *WarmWorkspace) GetObservedGeneration() int64 { return w.Status.ObservedGeneration }
