// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// TemplateContent is what a workspace of a template consists of: what its owner may choose (parameters), where it runs
// (image or podTemplate), what is kept (volumeClaims) and how it is reached (agents, apps). Changing it stamps a new
// TemplateVersion, checked before it is promoted as spec.rollout says; running workspaces move at their next start.
// Strings may hold CEL in ${…}; write $${ for a literal ${. Smallest: `image: registry.example/base`.
//
// It has no defaults in the CRD, so that a new release never changes the hash of what an author wrote: an absent field
// is filled in when a workspace is rendered.
//
// +kubebuilder:validation:XValidation:rule="(has(self.image) ? 1 : 0) + (has(self.podTemplate) ? 1 : 0) == 1",message="exactly one of image and podTemplate says what runs"
// +kubebuilder:validation:XValidation:rule="has(self.image) || !has(self.resources)",message="resources belongs to image; with podTemplate set them on its containers"
// +kubebuilder:validation:XValidation:rule="has(self.image) || !has(self.env)",message="env belongs to image; with podTemplate set it on its containers or on an agent"
// +kubebuilder:validation:XValidation:rule="!has(self.image) || !has(self.agents) || self.agents.size() <= 1",message="with image there is one container and so one agent; use podTemplate for several"
type TemplateContent struct {
	// Image is the short form: one container of this image, with one agent, a home of 10Gi at /home/dev and safe
	// defaults for the rest. It may hold expressions.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// Resources are the requests and limits of the image's container. Values are quantities, and may hold expressions.
	// +optional
	Resources *ContentResources `json:"resources,omitempty"`

	// Env is the environment of the image's container.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// PodTemplate is the long form: the metadata and spec of a real pod. Any string in it may hold expressions, also
	// where Kubernetes wants a number. A container that no agent names keeps its own entrypoint.
	// +optional
	// +kubebuilder:validation:Type=object
	// +structType=atomic
	// +kubebuilder:pruning:PreserveUnknownFields
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`

	// Parameters are what the owner of a workspace may choose; ${parameters.NAME} is the choice.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Parameters []Parameter `json:"parameters,omitempty"`

	// Variables are what the template's administrator sets, the same for all workspaces; ${variables.NAME} is the value.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Variables []Variable `json:"variables,omitempty"`

	// Agents are the ways into the pod's containers. Absent means one, "main", in the image's container or in the first
	// container of the pod.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Agents []Agent `json:"agents,omitempty"`

	// Apps are what the workspace serves, opened from a client or a browser.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Apps []App `json:"apps,omitempty"`

	// Scripts run in the workspace at its start, at its stop or by the clock. They are never interpolated: parameters
	// reach them as BERTH_PARAM_NAME in the environment.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Scripts []Script `json:"scripts,omitempty"`

	// VolumeClaims are the workspace's own volumes, kept while it is stopped. With image and none declared there is one,
	// home, of 10Gi at /home/dev, seeded from the image.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	VolumeClaims []VolumeClaim `json:"volumeClaims,omitempty"`

	// Sidecars are further containers beside the image or the pod's own.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Sidecars []Sidecar `json:"sidecars,omitempty"`

	// Secrets are made once for each workspace, with random values, and kept as long as its volumes are. ${secrets.NAME.name}
	// is such a Secret's name, and stands only where a Secret is named: in a secretKeyRef, a secretRef or a secret volume.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Secrets []GeneratedSecret `json:"secrets,omitempty"`

	// Files are small texts put into the workspace at its start.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=32
	Files []File `json:"files,omitempty"`

	// ExtraObjects are further objects of the workspace's namespace. They are applied with the rights of the
	// organization's service account, never with Berth's.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=16
	ExtraObjects []ExtraObject `json:"extraObjects,omitempty"`

	// Presets are sets of choices that are offered together.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Presets []Preset `json:"presets,omitempty"`

	// ExternalAuth are the git and other providers that the owner must or may be signed in to.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ExternalAuth []ExternalAuth `json:"externalAuth,omitempty"`

	// DailyCost is what a running workspace costs in credits a day: a whole number, or an expression for one.
	// +optional
	DailyCost *Value `json:"dailyCost,omitempty"`

	// ResourceMetadata is what clients show of the pod and the claims, and what each costs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	ResourceMetadata []ResourceMetadata `json:"resourceMetadata,omitempty"`

	// StartTimeout is how long a start may take before it has failed; absent means the template's.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s))+$') || (duration(self) >= duration('30s') && duration(self) <= duration('24h'))",message="must be between 30s and 24h"
	StartTimeout Duration `json:"startTimeout,omitempty"`

	// Readme is Markdown about the version, shown in clients.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Readme string `json:"readme,omitempty"`

	// Tags say which provisioners may build the version; absent means Berth itself.
	// +optional
	// +mapType=granular
	// +kubebuilder:validation:MaxProperties=32
	Tags map[string]TagValue `json:"tags,omitempty"`
}

// TagValue is the value of a provisioner tag.
// +kubebuilder:validation:MaxLength=256
type TagValue string

// ContentResources are requests and limits by resource name.
type ContentResources struct {
	// Requests is what the container is promised.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Requests map[string]Value `json:"requests,omitempty"`

	// Limits is what the container may not exceed.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Limits map[string]Value `json:"limits,omitempty"`
}

// EnvVar is one environment variable.
// +kubebuilder:validation:XValidation:rule="!has(self.value) || !has(self.valueFrom)",message="give value or valueFrom, not both"
type EnvVar struct {
	// Name is the variable's name. Names that start with BERTH_ are Berth's own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`

	// Value is its value, and may hold expressions.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Value string `json:"value,omitempty"`

	// ValueFrom takes the value from a Secret or a ConfigMap.
	// +optional
	ValueFrom *EnvSource `json:"valueFrom,omitempty"`
}

// EnvSource is where the value of an environment variable stands: in an object labelled berth.dev/mountable=true.
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="give one of secretKeyRef and configMapKeyRef"
type EnvSource struct {
	// SecretKeyRef is a key of a Secret in the workspace's namespace.
	// +optional
	SecretKeyRef *KeyReference `json:"secretKeyRef,omitempty"`

	// ConfigMapKeyRef is a key of a ConfigMap in the workspace's namespace.
	// +optional
	ConfigMapKeyRef *KeyReference `json:"configMapKeyRef,omitempty"`
}

// KeyReference names one key of a Secret or ConfigMap in the same namespace. It holds no expressions but those that name
// a Secret of the content.
type KeyReference struct {
	// Name is the object's metadata.name. For a Secret it may be ${secrets.NAME.name}, one that is made for the workspace,
	// or ${variables.NAME.name}, one that a variable names.
	Name ReferenceName `json:"name"`

	// Key is the key in its data. Beside ${variables.NAME.name} it is ${variables.NAME.key}.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// ReferenceName is an ObjectName, or an expression that names a Secret of the content.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.startsWith('${') ? self.matches('^[$][{] *(secrets|variables)[.][a-zA-Z_][a-zA-Z0-9_]*[.]name *[}]$') : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",messageExpression="self.startsWith('${') ? 'the one expression here is ${secrets.NAME.name} or ${variables.NAME.name}' : self != self.lowerAscii() ? 'names are lower case: ' + self.lowerAscii() : 'must be lower case letters, digits, hyphens and dots, such as go-dev'"
type ReferenceName string

// WhenDeleted says what becomes of a claim when its workspace is deleted.
// +kubebuilder:validation:Enum=Delete;Retain
type WhenDeleted string

const (
	// WhenDeletedDelete keeps the claim for the template's lifecycle.keepDeletedFor and then removes it.
	WhenDeletedDelete WhenDeleted = "Delete"
	// WhenDeletedRetain keeps the claim for ever.
	WhenDeletedRetain WhenDeleted = "Retain"
)

// VolumeClaim is a volume of the workspace's own. It outlives a stop; a deletion treats it as whenDeleted says.
type VolumeClaim struct {
	// Name names the claim, and the pod's volume.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Size is the storage asked for, a quantity such as 20Gi. It may hold expressions and may grow, never shrink.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Size string `json:"size"`

	// MountPath is where the agents' containers see the volume; absent mounts it nowhere but where a container says so.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/`
	MountPath string `json:"mountPath,omitempty"`

	// StorageClassName is the storage class; absent means the cluster's default.
	// +optional
	StorageClassName ObjectName `json:"storageClassName,omitempty"`

	// AccessModes are how the volume may be mounted; absent means ReadWriteOnce.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:Enum=ReadWriteOnce;ReadOnlyMany;ReadWriteMany;ReadWriteOncePod
	AccessModes []string `json:"accessModes,omitempty"`

	// WhenDeleted is Delete (also when absent) or Retain.
	// +optional
	WhenDeleted WhenDeleted `json:"whenDeleted,omitempty"`

	// IncludeWhen are expressions that must all be true for the volume to be there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	IncludeWhen []string `json:"includeWhen,omitempty"`
}

// Sidecar is a further container of the pod.
type Sidecar struct {
	// Name names the container.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Image is the container's image, and may hold expressions.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image"`

	// Command replaces the image's entrypoint.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	Command []string `json:"command,omitempty"`

	// Args replaces the image's arguments.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	Args []string `json:"args,omitempty"`

	// Env is the container's environment.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// Resources are the container's requests and limits.
	// +optional
	Resources *ContentResources `json:"resources,omitempty"`

	// VolumeMounts are the volumeClaims that the container sees.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`

	// IncludeWhen are expressions that must all be true for the container to be there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	IncludeWhen []string `json:"includeWhen,omitempty"`
}

// VolumeMount mounts one of the version's volumeClaims.
type VolumeMount struct {
	// Name is the volume claim's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name"`

	// MountPath is where the container sees it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	MountPath string `json:"mountPath"`

	// SubPath is the folder of the volume that is mounted; absent means its root.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	SubPath string `json:"subPath,omitempty"`

	// ReadOnly forbids writing.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}
