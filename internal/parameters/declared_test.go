// SPDX-License-Identifier: Apache-2.0

package parameters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

func TestDeclared(t *testing.T) {
	tests := map[string]struct {
		declared string
		want     []fault.Field
	}{
		"as documented":             {goDev, nil},
		"nothing":                   {"[]", nil},
		"required with a default":   {"[{name: a, type: string, required: true, default: x}]", []fault.Field{{Path: "p[0].required", Detail: "a required parameter has no default; remove one of the two"}}},
		"default of another type":   {"[{name: a, type: integer, default: x}]", []fault.Field{{Path: "p[0].default", Detail: "must be a whole number"}}},
		"default out of bounds":     {"[{name: a, type: integer, default: 9, maximum: 8}]", []fault.Field{{Path: "p[0].default", Detail: "9 is above 8, the maximum"}}},
		"default that is no option": {"[{name: a, type: string, default: c, options: [{value: a}, {value: b}]}]", []fault.Field{{Path: "p[0].default", Detail: `"c" is none of a, b; did you mean "a"?`}}},
		"default against pattern":   {`[{name: a, type: string, default: b, pattern: "^a"}]`, []fault.Field{{Path: "p[0].default", Detail: `"b" is refused: it must match ^a`}}},
		"bounds crossed":            {"[{name: a, type: number, minimum: 2, maximum: 1.5}]", []fault.Field{{Path: "p[0].minimum", Detail: "2 is above the maximum, 1.5"}}},
		"bound of another type":     {"[{name: a, type: integer, minimum: 1.5}]", []fault.Field{{Path: "p[0].minimum", Detail: "must be a whole number, not 1.5"}}},
		"bounds of text":            {"[{name: a, type: string, minimum: 1}]", []fault.Field{{Path: "p[0].minimum", Detail: "only integer and number have bounds"}}},
		"option of another type":    {"[{name: a, type: integer, options: [{value: x}]}]", []fault.Field{{Path: "p[0].options[0].value", Detail: "must be a whole number"}}},
		"option twice":              {"[{name: a, type: integer, options: [{value: 1}, {value: 1.0}]}]", []fault.Field{{Path: "p[0].options[1].value", Detail: "1 stands there twice"}}},
		"option out of bounds":      {"[{name: a, type: integer, maximum: 3, options: [{value: 4}]}]", []fault.Field{{Path: "p[0].options[0].value", Detail: "4 is above 3, the maximum"}}},
		"pattern that is none":      {`[{name: a, type: string, pattern: "a(?=b)"}]`, []fault.Field{{Path: "p[0].pattern", Detail: "is no regular expression of RE2: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"}}},
		"pattern of a number":       {`[{name: a, type: integer, pattern: "a"}]`, []fault.Field{{Path: "p[0].pattern", Detail: "only a string has a pattern"}}},
		"ephemeral, immutable":      {"[{name: a, type: string, default: x, ephemeral: true}]", []fault.Field{{Path: "p[0].ephemeral", Detail: "an ephemeral parameter changes with each start; set mutable: true"}}},
		"ephemeral without default": {"[{name: a, type: string, ephemeral: true, mutable: true}]", []fault.Field{{Path: "p[0].ephemeral", Detail: "an ephemeral parameter needs a default for the starts that give no value"}}},
		"monotonic text":            {"[{name: a, type: string, monotonic: Increasing, mutable: true}]", []fault.Field{{Path: "p[0].monotonic", Detail: "only integer and number grow or shrink"}}},
		"monotonic, immutable":      {"[{name: a, type: integer, monotonic: Increasing}]", []fault.Field{{Path: "p[0].monotonic", Detail: "what cannot be changed has no direction; set mutable: true"}}},
		"names that become one":     {"[{name: cpu, type: integer}, {name: CPU, type: integer}]", []fault.Field{{Path: "p[1].name", Detail: `"CPU" and "cpu" would both be BERTH_PARAM_CPU in the environment; rename one`}}},
		"word of the language":      {"[{name: in, type: string}]", []fault.Field{{Path: "p[0].name", Detail: `"in" is a word of the expression language; choose another name`}}},
		"name with a hyphen":        {"[{name: a-b, type: string}]", []fault.Field{{Path: "p[0].name", Detail: `"a-b" must be letters, digits and underscores, at most 63, and must not begin with a digit`}}},
		"unknown type":              {"[{name: a, type: bool}]", []fault.Field{{Path: "p[0].type", Detail: `"bool" must be string, integer, number, boolean or array`}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parameters.Declared("p", declared(t, test.declared))); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWire(t *testing.T) {
	tests := map[string]struct {
		kind       v1alpha1.ParameterType
		wire       string
		want       string
		wantDetail string
	}{
		"text":             {v1alpha1.TypeString, "a\n\"b\" ", `"a\n\"b\" "`, ""},
		"text of digits":   {v1alpha1.TypeString, "4", `"4"`, ""},
		"empty text":       {v1alpha1.TypeString, "", `""`, ""},
		"integer":          {v1alpha1.TypeInteger, "4", "4", ""},
		"integer as float": {v1alpha1.TypeInteger, "4.0", "4", ""},
		"number":           {v1alpha1.TypeNumber, "1.50", "1.5", ""},
		"boolean":          {v1alpha1.TypeBoolean, "true", "true", ""},
		"list":             {v1alpha1.TypeArray, `["a", "b"]`, `["a","b"]`, ""},
		"no integer":       {v1alpha1.TypeInteger, "four", "", `"four" is not a whole number`},
		"no boolean":       {v1alpha1.TypeBoolean, "yes", "", `"yes" is not true or false`},
		"no list":          {v1alpha1.TypeArray, "a,b", "", `"a,b" is not a list of text`},
		"nothing":          {v1alpha1.TypeInteger, "", "", `"" is not a whole number`},
		"JSON beside":      {v1alpha1.TypeInteger, "4}", "", `"4}" is not a whole number`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := v1alpha1.Parameter{Name: "p", Type: test.kind}
			got, refusal := parameters.FromWire(p, test.wire)
			if test.wantDetail != "" {
				if refusal == nil || refusal.Fields[0] != (fault.Field{Path: "p", Detail: test.wantDetail}) {
					t.Errorf("got %s, %v", got.Raw, refusal)
				}
				return
			}
			if refusal != nil || string(got.Raw) != test.want {
				t.Fatalf("got %s, %v; want %s", got.Raw, refusal, test.want)
			}
			if again, refusal := parameters.FromWire(p, parameters.ToWire(p, got)); refusal != nil || string(again.Raw) != test.want {
				t.Errorf("written as %q and read as %s", parameters.ToWire(p, got), again.Raw)
			}
		})
	}
}

func TestAdvisory_V23_EnvironmentHoldsTheTextItself(t *testing.T) {
	list := declared(t, "[{name: repo, type: string}, {name: list, type: array}, {name: num, type: number}]")
	hostile := "$(HOME) `id` \"; 'x\n"
	got := parameters.Env(list, map[string]v1alpha1.Value{"num": v1alpha1.ValueOf(1.5), "list": v1alpha1.ValueOf([]string{"a", hostile}), "repo": v1alpha1.ValueOf(hostile)})
	want := []v1alpha1.EnvVar{
		{Name: "BERTH_PARAM_REPO", Value: hostile},
		{Name: "BERTH_PARAM_LIST", Value: "[\"a\",\"$(HOME) `id` \\\"; 'x\\n\"]"},
		{Name: "BERTH_PARAM_NUM", Value: "1.5"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}
