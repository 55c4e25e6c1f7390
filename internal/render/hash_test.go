// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"os"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// A release never changes the hash of what an author wrote: every template of an installation would stamp a new version.
func TestHashesNeverChange(t *testing.T) {
	sample := func(file string) *v1alpha1.TemplateContent {
		text, err := os.ReadFile("../../config/samples/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var template v1alpha1.Template
		if err := yaml.Unmarshal(text, &template); err != nil {
			t.Fatal(err)
		}
		return template.Spec.Content
	}
	for name, test := range map[string]struct {
		content *v1alpha1.TemplateContent
		want    string
	}{
		"plain":  {sample("30-template-plain.yaml"), "2a22bb7cd69cbb10eeebcb6a9b7808a61c83108686727145a4dc68d6aa687999"},
		"go-dev": {sample("31-template-go-dev.yaml"), "b7109147f83d4324069e35492a88061aa2d3f41ef46a55077bec22ca927607bc"},
		"a bit of everything": {content(t, `
podTemplate: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: x, resources: {limits: {cpu: 1.50}}}], nodeSelector: {z: "1", a: "2"}}}
parameters: [{name: n, type: number, default: 1.0, options: [{value: 1.0}, {value: 2e0}]}]
agents: [{name: a, arch: amd64, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]
volumeClaims: [{name: data, size: 1Gi, includeWhen: ["${true}"]}]`), "ad71efc8428e6b7d01fe0bcb4b41226046e04de526800c23560a13d9b7d049d4"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render.Hash(test.content)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("hash %s, want %s", got, test.want)
			}
		})
	}
}
