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

// TemplateVersionVariable is a value that a template's administrator sets for all its workspaces.
type TemplateVersionVariable struct {
	// Name is the key in requests and unique in the version.
	Name        string `json:"name"`
	Description string `json:"description"`
	// Type is string, number or bool.
	Type string `json:"type"`
	// Value and DefaultValue are written as text; of a sensitive variable they say nothing.
	Value        string `json:"value"`
	DefaultValue string `json:"default_value"`
	// Required variables have no default and must be given a value.
	Required bool `json:"required"`
	// Sensitive values are shown to nobody.
	Sensitive bool `json:"sensitive"`
}

// TemplateVersionExternalAuth is a provider that a version's workspaces need their owner to be signed in to.
type TemplateVersionExternalAuth struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	DisplayName string `json:"display_name"`
	DisplayIcon string `json:"display_icon"`
	// AuthenticateURL is where the owner signs in.
	AuthenticateURL string `json:"authenticate_url"`
	// Authenticated tells whether the caller is signed in.
	Authenticated bool `json:"authenticated"`
	// Optional lets a workspace be made all the same.
	Optional bool `json:"optional,omitempty"`
}

// CreateTemplateVersionRequest makes a version of an uploaded archive or of an example.
type CreateTemplateVersionRequest struct {
	// Name is made up when it is "".
	Name    string `json:"name,omitempty"`
	Message string `json:"message,omitempty"`
	// TemplateID is the template it is a version of; the nil UUID for one that a template is made of later.
	TemplateID    uuid.UUID                `json:"template_id,omitempty"`
	StorageMethod ProvisionerStorageMethod `json:"storage_method"`
	// FileID and ExampleID say where the content comes from; one of them is given.
	FileID      uuid.UUID       `json:"file_id,omitempty"`
	ExampleID   string          `json:"example_id,omitempty"`
	Provisioner ProvisionerType `json:"provisioner"`
	// Tags say which provisioners may build the version.
	Tags               map[string]string `json:"tags"`
	UserVariableValues []VariableValue   `json:"user_variable_values,omitempty"`
}

// ProvisionerStorageMethod is how an archive gets to the server.
type ProvisionerStorageMethod string

// ProvisionerStorageMethodFile is the only one: by an upload.
const ProvisionerStorageMethodFile ProvisionerStorageMethod = "file"

// VariableValue is the value of a template's variable, as text.
type VariableValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CreateTemplateVersionDryRunRequest tries a start that makes nothing.
type CreateTemplateVersionDryRunRequest struct {
	WorkspaceName       string                    `json:"workspace_name"`
	RichParameterValues []WorkspaceBuildParameter `json:"rich_parameter_values"`
	UserVariableValues  []VariableValue           `json:"user_variable_values"`
}
