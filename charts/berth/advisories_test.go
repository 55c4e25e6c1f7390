// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"strings"
	"testing"
)

// What is refused is refused by schemas and policies, which no pod can reach and which do not fail with us.
func TestAdvisory_V60_NoWebhooks(t *testing.T) {
	all := objects(t, render(t))
	for _, o := range all {
		if strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			t.Errorf("%s %s", o.GetKind(), o.GetName())
		}
	}
	crds := of(all, "CustomResourceDefinition")
	if len(crds) != 10 {
		t.Fatalf("%d kinds, want 10", len(crds))
	}
	for _, o := range crds {
		if _, converts := o.Object["spec"].(map[string]any)["conversion"]; converts {
			t.Errorf("%s is converted by somebody", o.GetName())
		}
	}
}
