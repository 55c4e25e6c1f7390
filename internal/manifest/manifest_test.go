// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var checker = sync.OnceValues(NewChecker)

// check gives the findings about a file in their printed form, without the notes.
func check(t *testing.T, text string, given Given) []string {
	t.Helper()
	c, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	documents, findings := Read("t.yaml", []byte(text))
	for i := range documents {
		if Ours(&documents[i]) {
			findings = append(findings, c.Check(&documents[i], given)...)
		}
	}
	var lines []string
	for _, f := range Sort(findings) {
		if f.Level != Note {
			lines = append(lines, f.String())
		}
	}
	return lines
}

const head = `apiVersion: berth.dev/v1alpha1
kind: Template
metadata: {name: go-dev, namespace: platform}
spec:
`

const goDev = head + `  content:
    image: registry.example/go-dev:1.26
    parameters:
    - {name: cpu, type: integer, default: 2, minimum: 1, maximum: 8, mutable: true}
    - name: repo
      type: string
      default: ""
    resources:
      requests:
        cpu: "${parameters.cpu}"
        memory: "${parameters.cpu * 2}Gi"
`

func TestCheck(t *testing.T) {
	c, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	kinds := strings.Join(c.Kinds(), ", ")
	if !strings.Contains(kinds, "Template, TemplateVersion, User, WarmWorkspace, Workspace, WorkspaceBuild") {
		t.Fatalf("kinds %s", kinds)
	}
	for name, c := range map[string]struct {
		text  string
		given Given
		want  []string
	}{
		"nothing wrong": {text: goDev},
		"a value":       {text: goDev, given: Given{Texts: map[string]string{"cpu": "4"}, Values: map[string]v1alpha1.Value{"repo": v1alpha1.ValueOf("x")}}},
		"no YAML": {text: "a: b\n---\nkind: [\n---\n" + goDev,
			want: []string{`t.yaml:3:1: this is no YAML: did not find expected node content`}},
		"a key twice": {text: head + "  displayName: a\n  displayName: b\n",
			want: []string{`t.yaml:6:1: key "displayName" already set in map; keep one`}},
		"no mapping": {text: "\n- a\n", want: []string{"t.yaml:2:1: a manifest is a mapping with apiVersion, kind and metadata"}},
		"an unknown kind": {text: "apiVersion: berth.dev/v1alpha1\nkind: Templates\nmetadata: {name: a}\n",
			want: []string{"t.yaml:2:7: kind: there is no kind Templates in berth.dev/v1alpha1; there are " + kinds}},
		"an unknown version": {text: "apiVersion: berth.dev/v2\nkind: Group\nmetadata: {name: a}\n",
			want: []string{"t.yaml:2:7: kind: there is no kind Group in berth.dev/v2; there are " + kinds}},
		"an unknown field": {text: head + "  contents:\n    image: a\n",
			want: []string{`t.yaml:5:3: spec.contents: there is no field "contents" here; did you mean "content"?`}},
		"an unknown field far down": {text: head + "  content:\n    image: a\n    parameters:\n    - name: a\n      type: string\n      defualt: x\n",
			want: []string{`t.yaml:10:16: spec.content.parameters[0].defualt: there is no field "defualt" here; did you mean "default"?`}},
		"a field without a name": {text: head + "  \"\": x\n  content: {image: a}\n",
			want: []string{`t.yaml:4:1: spec.: there is no field without a name here`}},
		"a wrong type": {text: head + "  deprecated: soon\n  content: {image: a}\n",
			want: []string{`t.yaml:5:15: spec.deprecated: must be of type boolean: "string"`}},
		"a value that is none of a few": {text: head + "  access:\n  - kind: Group\n    name: a\n    role: use\n  content: {image: a}\n",
			want: []string{`t.yaml:8:11: spec.access[0].role: Unsupported value: "use": supported values: "Use", "Admin"`}},
		"a rule of the definition": {text: head + "  rollout:\n    steps:\n    - percent: 5\n  content: {image: a}\n",
			want: []string{"t.yaml:5:3: spec.rollout: steps belong to strategy: Progressive"}},
		"a name that is none": {text: strings.Replace(goDev, "name: go-dev", "name: Go_Dev", 1),
			want: []string{
				"t.yaml:1:1: metadata.name must be lower-case letters and digits joined by single hyphens, at most 32 characters, or spec.name must give such a name",
				"t.yaml:3:18: metadata.name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
			}},
		"metadata of another": {text: strings.Replace(goDev, "namespace: platform", "label: {a: b}", 1),
			want: []string{"t.yaml:3:33: metadata.label: there is no such field here"}},
		"a namespace that has no use": {text: "apiVersion: berth.dev/v1alpha1\nkind: User\nmetadata: {name: ada, namespace: platform}\nspec: {email: a@b}\n",
			want: []string{"t.yaml:3:34: metadata.namespace: a User stands in no namespace; remove the line"}},
		"an expression": {text: strings.Replace(goDev, "parameters.cpu * 2", "parameters.cpus * 2", 1),
			want: []string{`t.yaml:15:17: spec.content.resources.requests.memory: no parameter "cpus" in "${parameters.cpus * 2}"; did you mean "cpu"?`}},
		"a field of the pod": {text: head + "  content:\n    podTemplate:\n      spec:\n        containers:\n        - name: a\n          image: x\n          resources:\n            limits:\n              nvidia.com/gpu: \"${parameters.gpu}\"\n",
			want: []string{`t.yaml:13:31: spec.content.podTemplate.spec.containers[0].resources.limits["nvidia.com/gpu"]: no parameter "gpu" in "${parameters.gpu}"`}},
		"a pod that is none": {text: head + "  content:\n    podTemplate:\n      spec:\n        containers:\n        - name: a\n          imagee: x\n",
			want: []string{`t.yaml:10:19: spec.content.podTemplate.spec.containers[0].imagee: there is no field "imagee" here; did you mean "image"?`}},
		"a value beyond its bounds": {text: goDev, given: Given{Texts: map[string]string{"cpu": "16"}},
			want: []string{"t.yaml:8:7: spec.content.parameters[0]: cpu=16: 16 is above 8, the maximum"}},
		"a value of another type": {text: goDev, given: Given{Texts: map[string]string{"cpu": "much"}},
			want: []string{`t.yaml:8:7: spec.content.parameters[0]: cpu=much: "much" is not a whole number`}},
		"a value that breaks it": {text: strings.Replace(goDev, "${parameters.cpu}", "${parameters.repo}", 1), given: Given{Texts: map[string]string{"repo": "much"}},
			want: []string{`t.yaml:14:14: spec.content.resources.requests.cpu: "${parameters.repo}" is "much", which is not a quantity, such as 500m, 2 or 4Gi`}},
		"a made-up value that breaks it": {text: head + "  content:\n    image: a\n    parameters: [{name: size, type: string}]\n    volumeClaims: [{name: a, size: \"${parameters.size}\"}]\n",
			want: []string{`t.yaml:8:36: warning: spec.content.volumeClaims[0].size: "${parameters.size}" is "placeholder", which is not a quantity, such as 500m, 2 or 4Gi (with made-up values for size; give some with --set)`}},
		"an entry of a list": {text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: berth.dev/v1alpha1\n  kind: Group\n  metadata: {name: a}\n  spec:\n    quota: {dailyCost: -1}\n",
			want: []string{"t.yaml:8:24: spec.quota.dailyCost: should be greater than or equal to 0"}},
		"a field that a merge brought": {text: "apiVersion: berth.dev/v1alpha1\nkind: Group\nmetadata: {name: a, annotations: &a {x: \"y\"}}\nspec:\n  quota: {<<: *a, dailyCost: -1}\n",
			want: []string{
				`t.yaml:3:41: spec.quota.x: there is no field "x" here`,
				"t.yaml:5:30: spec.quota.dailyCost: should be greater than or equal to 0",
			}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, check(t, c.text, c.given)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// What is shown to people as right is right, and what is shown as not acted on is said.
func TestSamplesAreRight(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	c, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents, findings := Read(file, text)
		for i := range documents {
			if Ours(&documents[i]) {
				seen++
				findings = append(findings, c.Check(&documents[i], Given{})...)
			}
		}
		for _, f := range findings {
			if f.Level != Note {
				t.Error(f)
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d manifests of ours", seen)
	}
}

func TestRender(t *testing.T) {
	documents, _ := Read("t.yaml", []byte(goDev))
	text, findings, err := documents[0].Template().Render(Given{Texts: map[string]string{"cpu": "3"}})
	if err != nil || len(findings) > 0 {
		t.Fatal(findings, err)
	}
	for _, want := range []string{"kind: Pod\n", "name: go-dev\n", "namespace: platform\n", "cpu: \"3\"", "memory: 6Gi", "kind: PersistentVolumeClaim\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "status:") {
		t.Errorf("a status in:\n%s", text)
	}
}

// Everything that a workspace consists of is shown, the values of its secrets left out.
func TestRenderShowsWhatStandsBesideThePod(t *testing.T) {
	documents, _ := Read("t.yaml", []byte(`apiVersion: berth.dev/v1alpha1
kind: Template
metadata: {name: django, namespace: platform}
spec:
  content:
    image: registry.example/django:1
    secrets: [{name: db, generate: [password]}]
    extraObjects:
    - {id: cache, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${workspace.objectName}-cache"}, data: {size: 1Gi}}}
`))
	text, findings, err := documents[0].Template().Render(Given{})
	if err != nil || len(findings) > 0 {
		t.Fatal(findings, err)
	}
	for _, want := range []string{"kind: Secret\n", "stringData:\n  password: (made once for each workspace)\n", "kind: ConfigMap\n", "size: 1Gi\n", "-cache\n  namespace: platform\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestReports(t *testing.T) {
	findings := []Finding{{File: "a/b.yaml", Line: 3, Column: 7, Level: Error, Rule: RuleSchema, Path: "spec.x", Message: "is \x1b[31mwrong"}}
	var out bytes.Buffer
	if err := WriteSARIF(&out, findings, "v1"); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version string
					Rules         []struct{ ID string }
				}
			}
			Results []struct {
				RuleID, Level string
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	run := report.Runs[0]
	result := run.Results[0]
	at := result.Locations[0].PhysicalLocation
	if report.Version != "2.1.0" || run.Tool.Driver.Name != "kubectl-berth" || len(run.Tool.Driver.Rules) != len(rules) ||
		result.RuleID != RuleSchema || result.Level != "error" || result.Message.Text != "spec.x: is \x1b[31mwrong" ||
		at.ArtifactLocation.URI != "a/b.yaml" || at.Region.StartLine != 3 || at.Region.StartColumn != 7 {
		t.Errorf("report %s", out.String())
	}
	out.Reset()
	if err := WriteJSON(&out, nil); err != nil || !strings.Contains(out.String(), `"findings": []`) {
		t.Errorf("%v: %s", err, out.String())
	}
}

// A manifest is foreign text: whatever it is, reading and checking it ends, and every finding has a place.
func FuzzCheck(f *testing.F) {
	f.Add(goDev)
	f.Add("a: &a [*a]")
	f.Add(head + "  \"\": x\n  \"a.b[c\": y\n")
	f.Add(head + "  <<: &b {<<: *b}\n")
	f.Add("apiVersion: v1\nkind: List\nitems: [{apiVersion: berth.dev/v1alpha1, kind: Template}]")
	c, err := checker()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		documents, findings := Read("f.yaml", []byte(text))
		for i := range documents {
			findings = append(findings, c.Check(&documents[i], Given{})...)
		}
		for _, found := range findings {
			if found.Line < 1 || found.Column < 1 || found.Message == "" {
				t.Errorf("finding %+v", found)
			}
		}
	})
}
