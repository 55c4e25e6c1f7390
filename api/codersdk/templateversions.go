// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// TemplateVersion is one content of a template that never changes.
type TemplateVersion struct {
	ID uuid.UUID `json:"id"`
	// TemplateID is left out while the version belongs to no template yet.
	TemplateID     *uuid.UUID `json:"template_id,omitempty"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	// Name is unique in its template.
	Name string `json:"name"`
	// Message says what is new in this version, as its author put it; may be "".
	Message string `json:"message"`
	// Job is the check of the version: it succeeds when workspaces can be made from it.
	Job ProvisionerJob `json:"job"`
	// Readme is Markdown.
	Readme    string      `json:"readme"`
	CreatedBy MinimalUser `json:"created_by"`
	// Archived versions are hidden from lists and can't be started any more.
	Archived bool                     `json:"archived"`
	Warnings []TemplateVersionWarning `json:"warnings,omitempty"`
}

// TemplateVersionWarning is a reason to look at a version twice.
type TemplateVersionWarning string

// TemplateVersionWarningUnsupportedWorkspaces told of workspaces that an old parameter format kept back. Nothing here
// can cause it.
const TemplateVersionWarningUnsupportedWorkspaces TemplateVersionWarning = "UNSUPPORTED_WORKSPACES"

// TemplateVersionParameter is something that whoever makes a workspace may choose.
type TemplateVersionParameter struct {
	// Name is the key in requests and unique in the version.
	Name string `json:"name"`
	// DisplayName is left out when the author gave none.
	DisplayName string `json:"display_name,omitempty"`
	// Description is Markdown, DescriptionPlaintext the same without markup.
	Description          string `json:"description"`
	DescriptionPlaintext string `json:"description_plaintext"`
	// Type says how the value's string is read.
	Type ParameterType `json:"type"`
	// Mutable values may be changed after the workspace was made.
	Mutable bool `json:"mutable"`
	// Ephemeral values hold for one build and are never carried over.
	Ephemeral bool `json:"ephemeral"`
	// DefaultValue is the value as a string; "" when there is none.
	DefaultValue string `json:"default_value"`
	// Icon is the address of a picture, or "".
	Icon string `json:"icon"`
	// Options lists the only legal values; empty when any value of the type that passes validation is legal.
	Options []TemplateVersionParameterOption `json:"options"`
	// ValidationError is what to say when ValidationRegex refuses a value.
	ValidationError string `json:"validation_error,omitempty"`
	// ValidationRegex is what a string must match.
	ValidationRegex string `json:"validation_regex,omitempty"`
	// ValidationMin and ValidationMax bound a number, both included; left out when unbounded, as 0 is a bound.
	ValidationMin *int64 `json:"validation_min,omitempty"`
	ValidationMax *int64 `json:"validation_max,omitempty"`
	// ValidationMonotonic forbids a number to move the other way from build to build.
	ValidationMonotonic ValidationMonotonicOrder `json:"validation_monotonic,omitempty"`
	// Required parameters have no default and must be given.
	Required bool `json:"required"`
}

// ParameterType is the type of a parameter's value; the value itself always travels as a string.
type ParameterType string

// The types of a parameter.
const (
	// ParameterTypeString is any text.
	ParameterTypeString ParameterType = "string"
	// ParameterTypeNumber is a decimal number.
	ParameterTypeNumber ParameterType = "number"
	// ParameterTypeBool is true or false.
	ParameterTypeBool ParameterType = "bool"
	// ParameterTypeListString is a JSON array of strings, itself encoded as a string.
	ParameterTypeListString ParameterType = "list(string)"
)

// ValidationMonotonicOrder says in which direction a number may move.
type ValidationMonotonicOrder string

// The directions.
const (
	// ValidationMonotonicIncreasing allows the last build's value or a greater one.
	ValidationMonotonicIncreasing ValidationMonotonicOrder = "increasing"
	// ValidationMonotonicDecreasing allows the last build's value or a smaller one.
	ValidationMonotonicDecreasing ValidationMonotonicOrder = "decreasing"
)

// TemplateVersionParameterOption is one of a parameter's legal values.
type TemplateVersionParameterOption struct {
	// Name is what people see, Value what is stored.
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       string `json:"value"`
	// Icon is the address of a picture, or "".
	Icon string `json:"icon"`
}
