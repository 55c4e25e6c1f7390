// SPDX-License-Identifier: Apache-2.0

package entitlements

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
)

// known are the names that clients know.
var known = []string{
	"access_control", "advanced_template_scheduling", "appearance", "audit_log", "browser_only", "control_shared_ports", "custom_roles",
	"external_provisioner_daemons", "external_token_encryption", "high_availability", "multiple_external_auth", "scim", "template_rbac",
	"user_limit", "user_role_management", "workspace_batch_actions", "workspace_proxy",
}

// Each setting turns on its own feature, and no other.
func TestFeaturesFollowTheSettings(t *testing.T) {
	always := []string{"access_control", "advanced_template_scheduling", "audit_log", "high_availability", "template_rbac", "workspace_batch_actions"}
	absent := []string{"appearance", "browser_only", "control_shared_ports", "custom_roles", "external_provisioner_daemons", "external_token_encryption", "workspace_proxy"}
	for name, c := range map[string]struct {
		settings Settings
		wantOn   []string
	}{
		"nothing set":               {Settings{}, nil},
		"a key for SCIM":            {Settings{SCIM: true}, []string{"scim"}},
		"roles from a provider":     {Settings{RoleSync: true}, []string{"user_role_management"}},
		"one external provider":     {Settings{ExternalProviders: 1}, nil},
		"several of them":           {Settings{ExternalProviders: 2}, []string{"multiple_external_auth"}},
		"everything that can be on": {Settings{true, true, 16}, []string{"scim", "user_role_management", "multiple_external_auth"}},
	} {
		t.Run(name, func(t *testing.T) {
			features := c.settings.features(7)
			if diff := cmp.Diff(known, slices.Sorted(maps.Keys(features))); diff != "" {
				t.Errorf("names (-want +have):\n%s", diff)
			}
			for feature, have := range features {
				want := codersdk.Feature{Entitlement: codersdk.EntitlementEntitled, Enabled: slices.Contains(always, feature) || slices.Contains(c.wantOn, feature)}
				if slices.Contains(absent, feature) {
					want.Entitlement = codersdk.EntitlementNotEntitled
				}
				if feature == "user_limit" {
					seven := int64(7)
					want.Actual = &seven
				}
				if diff := cmp.Diff(want, have); diff != "" {
					t.Errorf("%s (-want +have):\n%s", feature, diff)
				}
			}
		})
	}
}
