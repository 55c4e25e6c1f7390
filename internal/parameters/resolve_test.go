// SPDX-License-Identifier: Apache-2.0

package parameters_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

// declared reads declarations from YAML.
func declared(t testing.TB, text string) []v1alpha1.Parameter {
	t.Helper()
	var list []v1alpha1.Parameter
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}

func values(t testing.TB, text string) map[string]v1alpha1.Value {
	t.Helper()
	var m map[string]v1alpha1.Value
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

func texts(m map[string]v1alpha1.Value) map[string]string {
	got := map[string]string{}
	for name, v := range m {
		got[name] = string(v.Raw)
	}
	return got
}

func inSpec(name string) string { return "spec.parameters." + name }

const goDev = `
- {name: cpu, type: integer, default: 2, minimum: 1, maximum: 8, mutable: true}
- {name: repo, type: string, default: "", pattern: "^(https://.+)?$", patternMessage: must be an https address}
`

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		declared, given, previous string
		want                      map[string]string
		wantEphemeral             map[string]string
	}{
		"defaults":                  {goDev, "{}", "", map[string]string{"cpu": "2", "repo": `""`}, nil},
		"given":                     {goDev, "{cpu: 4, repo: https://x}", "", map[string]string{"cpu": "4", "repo": `"https://x"`}, nil},
		"null is not given":         {goDev, "{cpu: null}", "", map[string]string{"cpu": "2", "repo": `""`}, nil},
		"mutable forgets":           {goDev, "{}", `{cpu: 8}`, map[string]string{"cpu": "2", "repo": `""`}, nil},
		"immutable keeps":           {goDev, "{}", `{repo: "https://old"}`, map[string]string{"cpu": "2", "repo": `"https://old"`}, nil},
		"immutable given again":     {goDev, "{repo: https://old}", `{repo: "https://old"}`, map[string]string{"cpu": "2", "repo": `"https://old"`}, nil},
		"immutable no more valid":   {goDev, "{repo: https://new}", `{repo: "ftp://old"}`, map[string]string{"cpu": "2", "repo": `"https://new"`}, nil},
		"immutable of another type": {"[{name: a, type: integer, default: 1}]", "{a: 2}", `{a: "x"}`, map[string]string{"a": "2"}, nil},
		"canonical numbers":         {"[{name: i, type: integer}, {name: num, type: number}, {name: z, type: number}]", "{i: 4.0, num: 1.50, z: -0.0}", "", map[string]string{"i": "4", "num": "1.5", "z": "0"}, nil},
		"largest integer":           {"[{name: i, type: integer}]", "{i: 9223372036854775807}", "", map[string]string{"i": "9223372036854775807"}, nil},
		"canonical list":            {"[{name: l, type: array}]", `{l: [ "a" , "<b>" ]}`, "", map[string]string{"l": `["a","<b>"]`}, nil},
		"options":                   {"[{name: s, type: string, options: [{value: a}, {value: b}]}]", "{s: b}", "", map[string]string{"s": `"b"`}, nil},
		"grows":                     {"[{name: d, type: integer, monotonic: Increasing, mutable: true}]", "{d: 5}", "{d: 4}", map[string]string{"d": "5"}, nil},
		"ephemeral":                 {"[{name: e, type: boolean, default: false, ephemeral: true, mutable: true}]", "{e: true}", "", map[string]string{}, map[string]string{"e": "true"}},
		"ephemeral is not kept":     {"[{name: e, type: boolean, default: false, ephemeral: true, mutable: true}]", "{}", "{e: true}", map[string]string{}, map[string]string{"e": "false"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, refusal := parameters.Resolve(declared(t, test.declared), values(t, test.given), values(t, test.previous), inSpec)
			if refusal != nil {
				t.Fatal(refusal)
			}
			if diff := cmp.Diff(test.want, texts(got.Values)); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if test.wantEphemeral == nil {
				test.wantEphemeral = map[string]string{}
			}
			if diff := cmp.Diff(test.wantEphemeral, texts(got.Ephemeral)); diff != "" {
				t.Errorf("ephemeral values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	tests := map[string]struct {
		declared, given, previous string
		want                      []fault.Field
	}{
		"above the maximum": {goDev, "{cpu: 16}", "", []fault.Field{{Path: "spec.parameters.cpu", Detail: "16 is above 8, the maximum"}}},
		"below the minimum": {goDev, "{cpu: 0}", "", []fault.Field{{Path: "spec.parameters.cpu", Detail: "0 is below 1, the minimum"}}},
		"unknown": {goDev, "{cpus: 4}", "", []fault.Field{{Path: "spec.parameters.cpus",
			Detail: `the template has no parameter "cpus"; it has cpu, repo; did you mean "cpu"?`}}},
		"unknown of none":      {"[]", "{cpu: 4}", "", []fault.Field{{Path: "spec.parameters.cpu", Detail: `the template has no parameter "cpu"; it has none at all`}}},
		"required":             {"[{name: repo, type: string, required: true}]", "{}", "", []fault.Field{{Path: "spec.parameters.repo", Detail: "is required: give text"}}},
		"pattern":              {goDev, "{repo: 'ftp://x'}", "", []fault.Field{{Path: "spec.parameters.repo", Detail: `"ftp://x" is refused: must be an https address`}}},
		"quoted integer":       {goDev, `{cpu: "4"}`, "", []fault.Field{{Path: "spec.parameters.cpu", Detail: "must be a whole number; leave out the quotes"}}},
		"half an integer":      {goDev, `{cpu: 2.5}`, "", []fault.Field{{Path: "spec.parameters.cpu", Detail: "must be a whole number, not 2.5"}}},
		"text of a number":     {goDev, `{repo: 1.20}`, "", []fault.Field{{Path: "spec.parameters.repo", Detail: "must be text; put it in quotes"}}},
		"list with a number":   {"[{name: l, type: array}]", "{l: [a, 1]}", "", []fault.Field{{Path: "spec.parameters.l", Detail: "entry 1 must be text; put it in quotes"}}},
		"not an option":        {"[{name: s, type: string, options: [{value: small}, {value: large}]}]", "{s: smal}", "", []fault.Field{{Path: "spec.parameters.s", Detail: `"smal" is none of small, large; did you mean "small"?`}}},
		"immutable":            {goDev, "{repo: https://new}", `{repo: "https://old"}`, []fault.Field{{Path: "spec.parameters.repo", Detail: `is "https://old" since the first start and cannot be changed`}}},
		"immutable, now wrong": {goDev, "{}", `{repo: "ftp://old"}`, []fault.Field{{Path: "spec.parameters.repo", Detail: `"ftp://old" is refused: must be an https address (the value of the last start)`}}},
		"shrinks":              {"[{name: d, type: integer, monotonic: Increasing, mutable: true}]", "{d: 3}", "{d: 4}", []fault.Field{{Path: "spec.parameters.d", Detail: "3 is below 4, the present value, and it may only grow"}}},
		"grows":                {"[{name: d, type: number, monotonic: Decreasing, mutable: true}]", "{d: 4.5}", "{d: 4}", []fault.Field{{Path: "spec.parameters.d", Detail: "4.5 is above 4, the present value, and it may only shrink"}}},
		"NUL":                  {"[{name: s, type: string}]", `{s: "a\u0000"}`, "", []fault.Field{{Path: "spec.parameters.s", Detail: "must not hold a NUL character"}}},
		"all at once": {goDev, "{cpu: 16, repo: x, zone: a}", "", []fault.Field{
			{Path: "spec.parameters.zone", Detail: `the template has no parameter "zone"; it has cpu, repo`},
			{Path: "spec.parameters.cpu", Detail: "16 is above 8, the maximum"},
			{Path: "spec.parameters.repo", Detail: `"x" is refused: must be an https address`}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, refusal := parameters.Resolve(declared(t, test.declared), values(t, test.given), values(t, test.previous), inSpec)
			if refusal == nil {
				t.Fatalf("resolved to %v", got)
			}
			if refusal.Kind != fault.Invalid || refusal.Reason != v1alpha1.ReasonParameterRefused {
				t.Errorf("kind %v, reason %s", refusal.Kind, refusal.Reason)
			}
			if diff := cmp.Diff(test.want, refusal.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdvisory_V59_BoundsOnValues(t *testing.T) {
	long := strings.Repeat("x", 8193)
	tests := map[string]struct{ declared, raw, want string }{
		"long text":      {"[{name: p, type: string}]", `"` + long + `"`, "is 8193 bytes long; at most 8192 are allowed"},
		"very long text": {"[{name: p, type: string}]", `"` + strings.Repeat(long, 10) + `"`, "is too large"},
		"many entries":   {"[{name: p, type: array}]", "[" + strings.Repeat(`"",`, 128) + `""]`, "has 129 entries; at most 128 are allowed"},
		"deep list":      {"[{name: p, type: array}]", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "is no JSON value"},
		"large number":   {"[{name: p, type: number}]", "1e999", "is beyond what a number can be"},
		"large integer":  {"[{name: p, type: integer}]", "9223372036854775808", "is beyond what a whole number can be"},
		"two values":     {"[{name: p, type: integer}]", "1 2", "is no JSON value"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, refusal := parameters.Resolve(declared(t, test.declared), map[string]v1alpha1.Value{"p": {Raw: []byte(test.raw)}}, nil, inSpec)
			if refusal == nil || refusal.Fields[0].Detail != test.want {
				t.Errorf("got %v, want %s", refusal, test.want)
			}
		})
	}
	t.Run("all together", func(t *testing.T) {
		var many []v1alpha1.Parameter
		given := map[string]v1alpha1.Value{}
		for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "") {
			many = append(many, v1alpha1.Parameter{Name: name, Type: v1alpha1.TypeString})
			given[name] = v1alpha1.ValueOf(long[:8192])
		}
		_, refusal := parameters.Resolve(many, given, nil, inSpec)
		if refusal == nil || !strings.Contains(refusal.Error(), "makes the parameters larger than 256 KiB together") {
			t.Errorf("got %v", refusal)
		}
	})
}

func TestHash(t *testing.T) {
	hash := func(version string, given string) string {
		r, refusal := parameters.Resolve(declared(t, goDev+"- {name: once, type: boolean, default: false, ephemeral: true, mutable: true}"), values(t, given), nil, inSpec)
		if refusal != nil {
			t.Fatal(refusal)
		}
		got, err := parameters.Hash("uid-"+"1", r)
		if version != "" {
			got, err = parameters.Hash("uid-2", r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	base := hash("", "{}")
	if len(base) != 64 || base != hash("", "{cpu: 2.0}") || base != hash("", "{once: true}") {
		t.Errorf("the same lasting values give another hash than %s", base)
	}
	if base == hash("", "{cpu: 3}") || base == hash("other", "{}") {
		t.Errorf("another version or value gives the same hash, %s", base)
	}
}

// Whatever is given: no panic, and what is resolved is resolved to itself.
func FuzzResolve(f *testing.F) {
	f.Add("string", `"a"`, `"b"`, "^a", `"a"`, `1`, `2`, uint8(0))
	f.Add("integer", `4`, `3`, "", `4`, `1`, `8`, uint8(1))
	f.Add("number", `4.5`, `1e3`, "", ``, `-1`, `1e400`, uint8(3))
	f.Add("boolean", `true`, `false`, "", ``, ``, ``, uint8(7))
	f.Add("array", `["a"]`, `[]`, "(", `["a"]`, ``, ``, uint8(4))
	f.Fuzz(func(t *testing.T, kind, given, previous, pattern, option, minimum, maximum string, flags uint8) {
		value := func(text string) *v1alpha1.Value {
			var v v1alpha1.Value
			if !json.Valid([]byte(text)) || json.Unmarshal([]byte(text), &v) != nil {
				return nil
			}
			return &v
		}
		p := v1alpha1.Parameter{Name: "p", Type: v1alpha1.ParameterType(kind), Pattern: pattern, Minimum: value(minimum), Maximum: value(maximum),
			Mutable: flags&1 != 0, Ephemeral: flags&2 != 0, Default: value(option)}
		if flags&4 != 0 && value(option) != nil {
			p.Options = []v1alpha1.ParameterOption{{Value: *value(option)}}
		}
		if flags&8 != 0 {
			p.Monotonic = v1alpha1.MonotonicIncreasing
		}
		list := []v1alpha1.Parameter{p}
		sound := len(parameters.Declared("parameters", list)) == 0
		raw := func(text string) map[string]v1alpha1.Value {
			return map[string]v1alpha1.Value{"p": {Raw: []byte(text)}}
		}
		r, refusal := parameters.Resolve(list, raw(given), raw(previous), inSpec)
		if refusal != nil {
			if len(refusal.Fields) == 0 {
				t.Errorf("a fault without a field: %v", refusal)
			}
			return
		}
		again, refusal := parameters.Resolve(list, r.All(), r.Values, inSpec)
		if refusal != nil {
			t.Fatalf("%v is refused the second time: %v", texts(r.All()), refusal)
		}
		if diff := cmp.Diff(texts(r.All()), texts(again.All())); diff != "" {
			t.Errorf("resolved to something else the second time:\n%s", diff)
		}
		for _, v := range r.All() {
			back, refusal := parameters.FromWire(p, parameters.ToWire(p, v))
			if refusal != nil || string(back.Raw) != string(v.Raw) {
				t.Errorf("%s is %s after the wire: %v", v.Raw, back.Raw, refusal)
			}
		}
		if _, refusal := parameters.Resolve(list, nil, nil, inSpec); sound && p.Default != nil && refusal != nil {
			t.Errorf("a sound default is refused: %v", refusal)
		}
	})
}
