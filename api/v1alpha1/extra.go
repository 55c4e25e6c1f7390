// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// GeneratedSecret is a Secret of the workspace's own, filled with random values when it is first needed. It outlives a
// stop, and goes with the workspace's volume claims; without any claim it goes with the workspace. Nobody is shown its
// values.
type GeneratedSecret struct {
	// Name is how expressions name the Secret: ${secrets.NAME.name}.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9]*$`
	Name string `json:"name"`

	// Generate are the keys, each of which gets 32 random letters and digits. A key that is added later is added to the
	// Secrets that stand; none is ever changed or removed.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[-._a-zA-Z0-9]+$`
	Generate []string `json:"generate"`
}

// File is a small text in the workspace. It is written at each start, over what stands there.
type File struct {
	// Path is where the file is: an absolute path, or one that begins with ~/ for the home directory.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/|~/)`
	Path string `json:"path"`

	// Agent is the agent in whose container it is; absent means the first agent.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Agent string `json:"agent,omitempty"`

	// Mode is the file's mode as chmod takes it, in quotes: "0644", which is also meant when absent.
	// +optional
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:Pattern=`^0[0-7]{3}$`
	Mode string `json:"mode,omitempty"`

	// Content is the text. It holds no expressions unless template is true.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Content string `json:"content,omitempty"`

	// Template has expressions in the content filled in.
	// +optional
	Template bool `json:"template,omitempty"`
}

// ExtraObject is an object beside the pod, in the workspace's namespace: a ConfigMap, PersistentVolumeClaim, Service or
// NetworkPolicy. It belongs to the workspace and goes with it, or with the next start that has it no more.
type ExtraObject struct {
	// ID names the entry among the extra objects, and what clients see of it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	ID string `json:"id"`

	// IncludeWhen are expressions that must all be true for the object to be there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	IncludeWhen []string `json:"includeWhen,omitempty"`

	// ForEach makes an object for every entry of a list: each item gives one variable of the object's expressions and
	// the list that it goes through. With several items there is an object for every combination.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MinProperties=1
	// +kubebuilder:validation:items:MaxProperties=1
	ForEach []ForEach `json:"forEach,omitempty"`

	// Keep leaves the object behind when the workspace is deleted or a later version has it no more.
	// +optional
	Keep bool `json:"keep,omitempty"`

	// Object is the whole object, with apiVersion, kind and metadata.name. Any string in it may hold expressions, the
	// name too; it has no namespace but the workspace's.
	// +kubebuilder:validation:Type=object
	// +structType=atomic
	// +kubebuilder:pruning:PreserveUnknownFields
	Object runtime.RawExtension `json:"object"`
}

// ForEach is the name of one variable and the expression for the list that it goes through.
type ForEach map[string]ForEachList

// ForEachList is one expression for a list, such as "${parameters.shares}".
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type ForEachList string

// Preset is a set of values for parameters that is offered under one name.
type Preset struct {
	// Name names the preset.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$`
	Name string `json:"name"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Description is a sentence about the preset.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Icon is the picture beside the name.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Parameters are the values, by parameter.
	// +kubebuilder:validation:MaxProperties=128
	Parameters map[string]Value `json:"parameters"`

	// Default has clients offer this preset first. At most one preset has it.
	// +optional
	Default bool `json:"default,omitempty"`
}
