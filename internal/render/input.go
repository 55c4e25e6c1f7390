// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/parameters"
)

// InputOf is what a version is rendered with for a workspace. template is nil where it is gone.
func InputOf(w *v1alpha1.Workspace, owner *v1alpha1.User, template *v1alpha1.Template, organization *v1alpha1.Organization,
	chosen *v1alpha1.BuildParameters, platform Platform) Input {
	in := Input{
		Parameters: values(chosen),
		Workspace:  Workspace{ID: ids.Of(w).String(), Name: w.WireName(), ObjectName: w.Name, ClaimNames: claimNames(w.Status.Volumes)},
		Owner: Owner{
			ID: ids.Of(owner).String(), Name: owner.WireName(), Email: owner.Spec.Email, DisplayName: owner.Spec.DisplayName,
		},
		Template:     Template{Name: string(w.Spec.TemplateRef.Name)},
		Organization: organizationOf(organization),
		Platform:     platform,
	}
	if template != nil {
		in.Template = Template{Name: template.WireName(), DisplayName: string(template.Spec.DisplayName)}
	}
	return in
}

// InputOfWarm is what a version is rendered with for a prepared workspace, which is nobody's yet.
func InputOfWarm(slot *v1alpha1.WarmWorkspace, template *v1alpha1.Template, organization *v1alpha1.Organization, platform Platform) Input {
	return Input{
		Parameters:   values(slot.Spec.Parameters),
		Workspace:    Workspace{ID: string(slot.UID), Name: slot.Name, ObjectName: slot.Name, ClaimNames: claimNames(slot.Status.Volumes)},
		Template:     Template{Name: template.WireName(), DisplayName: string(template.Spec.DisplayName)},
		Organization: organizationOf(organization),
		Platform:     platform,
		Hold:         true,
	}
}

func organizationOf(o *v1alpha1.Organization) Organization {
	return Organization{Name: o.WireName(), ServiceAccountName: o.ServiceAccount()}
}

func values(chosen *v1alpha1.BuildParameters) map[string]v1alpha1.Value {
	if chosen == nil {
		return parameters.Resolved{}.All()
	}
	return parameters.Resolved{Values: chosen.Values, Ephemeral: chosen.Ephemeral}.All()
}

func claimNames(volumes []v1alpha1.VolumeStatus) map[string]string {
	names := map[string]string{}
	for _, v := range volumes {
		names[v.Name] = v.ClaimName
	}
	return names
}
