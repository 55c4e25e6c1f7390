// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ParameterType is the type of a parameter or variable.
// +kubebuilder:validation:Enum=string;integer;number;boolean;array
type ParameterType string

const (
	// TypeString is text.
	TypeString ParameterType = "string"
	// TypeInteger is a whole number; in expressions an int.
	TypeInteger ParameterType = "integer"
	// TypeNumber is a number with decimals; in expressions a double.
	TypeNumber ParameterType = "number"
	// TypeBoolean is true or false.
	TypeBoolean ParameterType = "boolean"
	// TypeArray is a list of text.
	TypeArray ParameterType = "array"
)

// Monotonic says in which direction a number may be changed.
// +kubebuilder:validation:Enum=Increasing;Decreasing
type Monotonic string

const (
	// MonotonicIncreasing lets a number grow only.
	MonotonicIncreasing Monotonic = "Increasing"
	// MonotonicDecreasing lets a number shrink only.
	MonotonicDecreasing Monotonic = "Decreasing"
)

// Parameter is one choice of a workspace's owner. What CEL can't see in a value of any type (that a required parameter
// has no default, that bounds are numbers) the check of the version says.
//
// +kubebuilder:validation:XValidation:rule="self.type in ['integer', 'number'] || !has(self.monotonic)",message="monotonic is for integer and number"
// +kubebuilder:validation:XValidation:rule="self.type == 'string' || !has(self.pattern)",message="pattern is for string"
// +kubebuilder:validation:XValidation:rule="has(self.pattern) || !has(self.patternMessage)",message="patternMessage needs a pattern"
type Parameter struct {
	// Name is how expressions and manifests name the parameter: ${parameters.NAME}, and BERTH_PARAM_NAME in the
	// environment, in capitals.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	Name string `json:"name"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Description is Markdown about what to choose.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`

	// Icon is the picture beside the name.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Type is string, integer, number, boolean or array (a list of text).
	Type ParameterType `json:"type"`

	// Default is the value of a workspace that gives none.
	// +optional
	Default *Value `json:"default,omitempty"`

	// Required says in so many words that there is no default. A parameter without a default is required anyway.
	// +optional
	Required bool `json:"required,omitempty"`

	// Options are the only values there are; absent allows any.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Options []ParameterOption `json:"options,omitempty"`

	// Mutable lets the value be changed after the workspace's first start.
	// +optional
	Mutable bool `json:"mutable,omitempty"`

	// Ephemeral makes a value count for the one start that it is given to.
	// +optional
	Ephemeral bool `json:"ephemeral,omitempty"`

	// Order is where clients list the parameter, lowest first; equal ones by name.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Order int32 `json:"order,omitempty"`

	// Minimum is the least number allowed.
	// +optional
	Minimum *Value `json:"minimum,omitempty"`

	// Maximum is the greatest number allowed.
	// +optional
	Maximum *Value `json:"maximum,omitempty"`

	// Monotonic lets a number be changed in one direction only: Increasing or Decreasing.
	// +optional
	Monotonic Monotonic `json:"monotonic,omitempty"`

	// Pattern is a regular expression (RE2) that the text must match. Anchor it with ^ and $ to match the whole.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Pattern string `json:"pattern,omitempty"`

	// PatternMessage tells people what the pattern wants: "must be an https address".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	PatternMessage string `json:"patternMessage,omitempty"`
}

// ParameterOption is one of a parameter's allowed values.
type ParameterOption struct {
	// Value is the value.
	Value Value `json:"value"`

	// DisplayName is shown to people in place of the value.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Description is a sentence about the option.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Icon is the picture beside the option.
	// +optional
	Icon Icon `json:"icon,omitempty"`
}

// Variable is a value that the template's administrator sets for all its workspaces. The check of the version says when
// value and valueFrom are both there, and when a sensitive variable holds its value in the open.
type Variable struct {
	// Name is how expressions name the variable: ${variables.NAME}.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	Name string `json:"name"`

	// Description is a sentence about the variable.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Type is string, integer, number, boolean or array.
	Type ParameterType `json:"type"`

	// Default is the value where none is given.
	// +optional
	Default *Value `json:"default,omitempty"`

	// Value is the value.
	// +optional
	Value *Value `json:"value,omitempty"`

	// ValueFrom takes the value from a Secret of the organization's namespace. Such a variable stands only where a
	// secretKeyRef can.
	// +optional
	ValueFrom *VariableSource `json:"valueFrom,omitempty"`

	// Sensitive hides the value from everybody.
	// +optional
	Sensitive bool `json:"sensitive,omitempty"`
}

// VariableSource is where a variable's value stands.
type VariableSource struct {
	// SecretKeyRef is a key of a Secret in the organization's namespace.
	SecretKeyRef KeyReference `json:"secretKeyRef"`
}
