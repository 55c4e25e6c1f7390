// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
)

// redacted stands for what nobody is shown.
const redacted = "*redacted*"

// Variables shows the variables of a version, in the order that its author wrote them. One whose value stands in a Secret
// is as sensitive as one that says so.
func Variables(v *v1alpha1.TemplateVersion) []codersdk.TemplateVersionVariable {
	all := make([]codersdk.TemplateVersionVariable, 0, len(v.Spec.Content.Variables))
	for _, variable := range v.Spec.Content.Variables {
		all = append(all, shownVariable(variable))
	}
	return all
}

func shownVariable(v v1alpha1.Variable) codersdk.TemplateVersionVariable {
	wire := codersdk.TemplateVersionVariable{
		Name: v.Name, Description: v.Description, Type: variableType(v.Type),
		Required: v.Default == nil || v.Default.IsNull(), Sensitive: v.Sensitive || v.ValueFrom != nil,
	}
	given := v.ValueFrom != nil || v.Value != nil && !v.Value.IsNull()
	switch text := (v1alpha1.Parameter{Name: v.Name, Type: v.Type}); {
	case wire.Sensitive:
		if !wire.Required {
			wire.DefaultValue, given = redacted, true
		}
		if given {
			wire.Value = redacted
		}
	default:
		if !wire.Required {
			wire.DefaultValue = parameters.ToWire(text, *v.Default)
			wire.Value = wire.DefaultValue
		}
		if given {
			wire.Value = parameters.ToWire(text, *v.Value)
		}
	}
	return wire
}

// variableType is a type as the wire knows it; a list is written as text.
func variableType(t v1alpha1.ParameterType) string {
	switch t {
	case v1alpha1.TypeInteger, v1alpha1.TypeNumber:
		return "number"
	case v1alpha1.TypeBoolean:
		return "bool"
	}
	return "string"
}

// Provider is an external provider of the deployment, and whether the caller is signed in there.
type Provider struct {
	Type, DisplayName, DisplayIcon string
	SignedIn                       bool
}

// ExternalAuths shows the providers that a version names; those that the deployment lacks are known by their names alone,
// and nobody is signed in to them.
func ExternalAuths(v *v1alpha1.TemplateVersion, accessURL string, of map[string]Provider) []codersdk.TemplateVersionExternalAuth {
	all := make([]codersdk.TemplateVersionExternalAuth, 0, len(v.Spec.Content.ExternalAuth))
	for _, a := range v.Spec.Content.ExternalAuth {
		p, ok := of[a.Name]
		if !ok {
			p.DisplayName = a.Name
		}
		all = append(all, codersdk.TemplateVersionExternalAuth{
			ID: a.Name, Type: p.Type, DisplayName: p.DisplayName, DisplayIcon: p.DisplayIcon,
			AuthenticateURL: accessURL + "/external-auth/" + a.Name + "/callback", Authenticated: p.SignedIn, Optional: a.Optional,
		})
	}
	return all
}
