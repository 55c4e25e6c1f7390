// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/testing/given"
)

func TestReadRoles(t *testing.T) {
	organization := uuid.New()
	for name, c := range map[string]struct {
		names       []string
		want        []v1alpha1.SiteRole
		wantUnknown []string
	}{
		"none":                        {},
		"each once":                   {names: []string{"owner", "auditor", "owner"}, want: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner, v1alpha1.SiteRoleAuditor}},
		"what everybody is":           {names: []string{"member"}},
		"what is none":                {names: []string{"Owner", "king", ""}, wantUnknown: []string{"Owner", "king", ""}},
		"one in an organization":      {names: []string{"organization-admin"}, wantUnknown: []string{"organization-admin"}},
		"a good one beside a bad one": {names: []string{"user-admin", "x"}, want: []v1alpha1.SiteRole{v1alpha1.SiteRoleUserAdmin}, wantUnknown: []string{"x"}},
	} {
		have, unknown := view.ReadSiteRoles(c.names)
		if diff := cmp.Diff(c.want, have) + cmp.Diff(c.wantUnknown, unknown); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
	admin := []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
	for name, c := range map[string]struct {
		names       []string
		want        []v1alpha1.OrganizationRole
		wantUnknown []string
	}{
		"by its name":               {names: []string{"organization-admin", "organization-member"}, want: admin},
		"with the organization":     {names: []string{"organization-admin:" + organization.String(), "organization-admin"}, want: admin},
		"with another organization": {names: []string{"organization-admin:" + uuid.Nil.String()}, wantUnknown: []string{"organization-admin:" + uuid.Nil.String()}},
		"over the deployment":       {names: []string{"owner"}, wantUnknown: []string{"owner"}},
	} {
		have, unknown := view.ReadOrganizationRoles(c.names, organization)
		if diff := cmp.Diff(c.want, have) + cmp.Diff(c.wantUnknown, unknown); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
}

func TestGroupSource(t *testing.T) {
	subjects := []v1alpha1.Subject{{Kind: "Group", Name: "oidc:team"}}
	for name, c := range map[string]struct {
		spec v1alpha1.GroupSpec
		want codersdk.GroupSource
	}{
		"nobody decides yet":         {v1alpha1.GroupSpec{}, codersdk.GroupSourceUser},
		"people decide":              {v1alpha1.GroupSpec{Members: []v1alpha1.ObjectName{"ada"}}, codersdk.GroupSourceUser},
		"the provider alone decides": {v1alpha1.GroupSpec{Subjects: subjects}, codersdk.GroupSourceOIDC},
		"both decide, so people may": {v1alpha1.GroupSpec{Subjects: subjects, Members: []v1alpha1.ObjectName{"ada"}}, codersdk.GroupSourceUser},
	} {
		g := given.Group("a", "g", func(g *v1alpha1.Group) { g.Spec = c.spec })
		shown := view.Group(view.GroupParts{Group: g, Organization: given.Organization("a")})
		if shown.Source != c.want || shown.Members == nil {
			t.Errorf("%s: %s, members %v", name, shown.Source, shown.Members)
		}
	}
}
