// SPDX-License-Identifier: Apache-2.0

package render

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Input is what a content is rendered with.
type Input struct {
	// Parameters are the resolved values by name, those of ephemeral parameters among them. Every declared parameter
	// must have one.
	Parameters map[string]v1alpha1.Value
	// Workspace is whose pod it is.
	Workspace Workspace
	// Owner is whose workspace it is.
	Owner Owner
	// Template is the version's template.
	Template Template
	// Organization is where it runs.
	Organization Organization
	// Platform is what the installation adds to every pod.
	Platform Platform
	// Hold makes the pod a prepared one, which is nobody's yet: its agents wait until they hear whose it becomes, what
	// depends on that is left out of their variables, and there are no extra objects. Poolable tells whether that can be.
	Hold bool
}

// Workspace is what expressions see as workspace, and how its objects are called.
type Workspace struct {
	// ID is the workspace's id on the wire: workspace.id.
	ID string
	// Name is the name that people see: workspace.name.
	Name string
	// ObjectName is its metadata.name: workspace.objectName.
	ObjectName string
	// ClaimNames are the metadata.names of the claims it has, by volume, as its status recorded them. A volume that is
	// not there gets the name that ClaimName gives.
	ClaimNames map[string]string
}

// Owner is what expressions see as owner.
type Owner struct {
	// ID is the user's id on the wire: owner.id.
	ID string
	// Name is the username: owner.name.
	Name string
	// Email is owner.email; it may be empty.
	Email string
	// DisplayName is owner.displayName; it may be empty.
	DisplayName string
}

// Template is what expressions see as template.
type Template struct {
	// Name is the name that people see: template.name.
	Name string
	// DisplayName is template.displayName; it may be empty.
	DisplayName string
}

// Organization is what expressions see as organization, and what it lends to the pod.
type Organization struct {
	// Name is the name that people see: organization.name.
	Name string
	// ServiceAccountName is the account that the pod runs as.
	ServiceAccountName string
}

// Platform is what the installation adds to every pod.
type Platform struct {
	// AgentImage is the image that holds /berth-agent.
	AgentImage string
	// AgentImagePullPolicy is how that image is pulled; empty leaves it to Kubernetes.
	AgentImagePullPolicy corev1.PullPolicy
	// URL is where the agents of prepared pods reach the API server, such as https://berth-apiserver.berth-system.svc:443,
	// and CA the certificates, in PEM, by which they know it. Other pods are told neither, nor are any where URL is empty.
	URL, CA string
}

// Workload is what runs for a workspace.
type Workload struct {
	// Pod is complete but for its name, namespace, owner reference and Berth's own labels and annotations.
	Pod corev1.PodTemplateSpec
	// Claims are the volume claims, in the order of the content. The pod names them already.
	Claims []Claim
	// Secrets are those that are made for the workspace. The pod names them already.
	Secrets []Secret
	// Extras are the further objects, in the order of the content.
	Extras []Extra
	// HiddenApps are the names of the apps that this workspace does not have.
	HiddenApps []string
	// Agents are the agents and the containers they run in, in the order of the content.
	Agents []Agent
	// DailyCost is what the workspace costs in credits a day while it runs: the sum over Resources.
	DailyCost int64
	// Resources are the pod, the claims, the Secrets and the extra objects as clients see them. Texts marked sensitive are left out.
	Resources []v1alpha1.BuildResource
	// References are the Secrets and ConfigMaps that the pod names, each once, sorted. The caller must refuse one that
	// does not carry the label LabelMountable with the value "true".
	References []Reference
}

// Claim is a volume of the workspace's own.
type Claim struct {
	// Volume is its name in the content.
	Volume string
	// Name is its metadata.name.
	Name string
	// Spec is what is asked for.
	Spec corev1.PersistentVolumeClaimSpec
	// MountPath is where agents' containers see it; empty when only containers that say so do.
	MountPath string
	// WhenDeleted is Delete or Retain, never empty.
	WhenDeleted v1alpha1.WhenDeleted
}

// Secret is one that is made for the workspace.
type Secret struct {
	// Secret is its name in the content.
	Secret string
	// Name is its metadata.name.
	Name string
	// Keys are what it must hold, each with a random value.
	Keys []string
}

// Extra is a further object of the workspace.
type Extra struct {
	// ID is that of its entry in the content.
	ID string
	// Resource is what clients call it: the ID, with a number behind it where the entry makes several.
	Resource string
	// Kind and Name are the object's.
	Kind, Name string
	// Keep leaves it behind when the workspace has it no more.
	Keep bool
	// Object is what is applied, but for its namespace, its owner and Berth's own labels and annotations.
	Object map[string]any
}

// Agent is an agent and its container.
type Agent struct {
	// Name is the agent's name.
	Name string
	// Container is the pod's container that it runs in.
	Container string
}

// Reference is an object that the pod names.
type Reference struct {
	// Kind is Secret or ConfigMap.
	Kind string
	// Name is its metadata.name, in the pod's namespace.
	Name string
	// Optional is true when the pod runs without it.
	Optional bool
	// Path is the first field of the content that names it, such as spec.content.env[0].valueFrom.secretKeyRef.name.
	Path string
}

// LabelMountable, with the value "true", marks the Secrets and ConfigMaps that a template's author may name.
const LabelMountable = "berth.dev/mountable"

// Problem is something wrong with a content.
type Problem struct {
	// Path is the field, such as spec.content.podTemplate.spec.containers[0].image.
	Path string
	// Message says what is wrong with it and what would be right.
	Message string
	// Reason is the condition's reason: v1alpha1.ReasonExpressionInvalid, ReasonPodInvalid, ReasonNotAllowed,
	// ReasonParameterInvalid or ReasonInvalid.
	Reason string
}

// String is the problem as a condition shows it.
func (p Problem) String() string { return p.Path + ": " + p.Message }
