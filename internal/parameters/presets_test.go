// SPDX-License-Identifier: Apache-2.0

package parameters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

func TestPresets(t *testing.T) {
	eight := v1alpha1.ValueOf(8)
	declared := []v1alpha1.Parameter{
		{Name: "cpu", Type: v1alpha1.TypeInteger, Maximum: &eight},
		{Name: "region", Type: v1alpha1.TypeString, Options: []v1alpha1.ParameterOption{{Value: v1alpha1.ValueOf("north")}}},
	}
	preset := func(name string, values map[string]v1alpha1.Value) v1alpha1.Preset {
		return v1alpha1.Preset{Name: name, Parameters: values}
	}
	for name, test := range map[string]struct {
		presets []v1alpha1.Preset
		want    []fault.Field
	}{
		"right": {[]v1alpha1.Preset{preset("small", map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(1)}), preset("none", nil)}, nil},
		"all wrong at once": {[]v1alpha1.Preset{
			preset("large", map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(16), "regoin": v1alpha1.ValueOf("north"), "region": v1alpha1.ValueOf("south")}),
			preset("large", map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf("2")}),
		}, []fault.Field{
			{Path: "p[0].parameters.cpu", Detail: "16 is above 8, the maximum"},
			{Path: "p[0].parameters.region", Detail: `"south" is none of north`},
			{Path: "p[0].parameters", Detail: `the template has no parameter "regoin"; it has cpu, region; did you mean "region"?`},
			{Path: "p[1].name", Detail: `"large" stands there twice`},
			{Path: "p[1].parameters.cpu", Detail: "must be a whole number; leave out the quotes"},
		}},
		"two defaults": {[]v1alpha1.Preset{{Name: "a", Default: true}, {Name: "b", Default: true}}, []fault.Field{
			{Path: "p[1].default", Detail: `preset "a" is the default already; set it on one only`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parameters.Presets("p", declared, test.presets)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}
