// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// What an object refers to stands in its own namespace, or in that of its organization. A field that can say another place
// is a way from one tenant to another, so each is listed here with what keeps it.
func TestAdvisory_V43_NoReferenceLeavesItsNamespace(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?i)(namespace|organization|cluster)s?$`)
	want := map[string]string{
		"User.spec.subjects[].namespace":                 "a service account's, whose identity Kubernetes proves",
		"Group.spec.subjects[].namespace":                "likewise",
		"User.spec.memberships[].organization":           "which organization is the person's: guarded by the verb escalate",
		"Workspace.spec.templateRef.organization":        "one that lends the template, which its own access list must say",
		"DeletedWorkspace.spec.templateRef.organization": "what the workspace had",
		"Organization.spec.workspaceNamespaces":          "Shared or PerOwner",
		"Organization.status.namespace":                  "the manager's word",
	}
	found := map[string]string{}
	var walk func(path, name string, s apiextensionsv1.JSONSchemaProps)
	walk = func(path, name string, s apiextensionsv1.JSONSchemaProps) {
		if elsewhere.MatchString(name) {
			found[path] = want[path]
		}
		for field, inner := range s.Properties {
			walk(path+"."+field, field, inner)
		}
		if s.Items != nil {
			walk(path+"[]", "", *s.Items.Schema)
		}
		if s.AdditionalProperties != nil {
			walk(path+"{}", "", *s.AdditionalProperties.Schema)
		}
	}
	for kind, crd := range crds(t) {
		for _, part := range []string{"spec", "status"} {
			walk(kind+"."+part, part, crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part])
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(found))); diff != "" {
		t.Errorf("fields that say another place (-listed +found):\n%s", diff)
	}
}
