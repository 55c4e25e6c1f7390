// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// What a start is judged by is what it costs in the end.
func TestCostIsThatOfTheRenderedWorkload(t *testing.T) {
	for name, c := range map[string]struct {
		cpu           int
		running, idle int64
	}{"two": {2, 6 + 1 + 2, 2}, "eight, with the cache": {8, 24 + 1 + 2 + 8, 10}} {
		text := `
image: registry.example/go:1
parameters: [{name: cpu, type: integer, default: 2}]
dailyCost: "${parameters.cpu * 3}"
volumeClaims: [{name: home, size: 1Gi, mountPath: /home/dev}, {name: cache, size: 1Gi, mountPath: /cache, includeWhen: ["${parameters.cpu > 4}"]}]
resourceMetadata: [{name: pod, dailyCost: 1}, {name: home, dailyCost: 2}, {name: cache, dailyCost: "${parameters.cpu}"}]`
		compiled, problems := render.Compile(content(t, text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		in := render.Input{
			Workspace:  render.Workspace{ID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Name: "api", ObjectName: "ada-api"},
			Platform:   render.Platform{AgentImage: "registry.example/berth:1"},
			Parameters: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(c.cpu)},
		}
		workload, refusal := compiled.Render(in)
		if refusal != nil {
			t.Fatal(refusal)
		}
		idle := int64(0)
		for _, r := range workload.Resources {
			if r.Kind == "PersistentVolumeClaim" {
				idle += r.DailyCost
			}
		}
		// a quota knows less of the workspace than its build does
		running, kept, refusal := compiled.Cost(render.Input{Parameters: in.Parameters})
		if refusal != nil || running != workload.DailyCost || kept != idle || running != c.running || kept != c.idle {
			t.Errorf("%s: %d and %d, the workload %d and %d, want %d and %d (%v)", name, running, kept, workload.DailyCost, idle, c.running, c.idle, refusal)
		}
	}
	compiled, _ := render.Compile(content(t, "image: a\nparameters: [{name: cpu, type: integer, default: 2}]\ndailyCost: \"${parameters.cpu - 9}\""))
	if _, _, refusal := compiled.Cost(render.Input{Parameters: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}}); refusal == nil {
		t.Error("a cost below nothing is none")
	}
}
