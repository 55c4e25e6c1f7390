// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// VersionParts is a version of a template with what its answer joins. The fields are those of store.VersionParts.
type VersionParts struct {
	Version      *v1alpha1.TemplateVersion
	Organization *v1alpha1.Organization
	// Template is the version's template; nil while it belongs to none.
	Template *v1alpha1.Template
	// Creator is as in TemplateParts.
	Creator *v1alpha1.User
}

// Version shows a version of a template.
func Version(p VersionParts) codersdk.TemplateVersion {
	v := p.Version
	wire := codersdk.TemplateVersion{
		ID:             ids.Of(v),
		OrganizationID: ids.Of(p.Organization),
		CreatedAt:      v1alpha1.CreatedAt(v),
		UpdatedAt:      updatedAt(v),
		Name:           v.WireName(),
		Message:        v.Spec.Message,
		Job:            job(ids.Of(v), v1alpha1.CreatedAt(v), asked(v.Status.Job, v.Spec.Cancel), v),
		Readme:         v.Spec.Content.Readme,
		CreatedBy:      creator(p.Creator),
		Archived:       v.Spec.Archived,
	}
	if p.Template != nil {
		id := ids.Of(p.Template)
		wire.TemplateID = &id
	}
	return wire
}
