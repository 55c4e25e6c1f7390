// SPDX-License-Identifier: Apache-2.0

// Package samples_test holds the samples to what GitOps tools and editors make of them.
package samples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	kopenapi "sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"
)

const (
	group      = "berth.dev/"
	annotation = "kustomize.toolkit.fluxcd.io/substitute"
)

// manifest is one document of the samples.
type manifest struct {
	file, text string
	object     map[string]any
}

func (m manifest) name() string {
	metadata, _ := m.object["metadata"].(map[string]any)
	return m.object["kind"].(string) + " " + metadata["name"].(string)
}

func (m manifest) annotations() map[string]any {
	metadata, _ := m.object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return annotations
}

// read reads every manifest of ours, those for more than a first try as well.
func read(t *testing.T) []manifest {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("more/*.yaml")
	if err != nil || len(more) == 0 {
		t.Fatal(more, err)
	}
	var all []manifest
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			m := manifest{file: file, text: document}
			if err := yaml.Unmarshal([]byte(document), &m.object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if apiVersion, _ := m.object["apiVersion"].(string); strings.HasPrefix(apiVersion, group) {
				all = append(all, m)
			}
		}
	}
	return all
}

// schema is what editors are given for a kind.
func schema(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "charts", "berth", "schemas", strings.ToLower(kind)+"_v1alpha1.json"))
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestEditorsAcceptTheSamples(t *testing.T) {
	for _, m := range read(t) {
		if err := schema(t, m.object["kind"].(string)).Validate(m.object); err != nil {
			t.Errorf("%s: %v", m.file, err)
		}
	}
}

// An editor underlines what the API server or the check of a version would refuse, and no expression.
func TestEditorsRefuseWhatIsWrong(t *testing.T) {
	template := schema(t, "Template")
	pod := func(container string) string {
		return "{podTemplate: {spec: {terminationGracePeriodSeconds: \"${parameters.grace}\", containers: [{name: a, image: b, " + container + "}]}}}"
	}
	for name, test := range map[string]struct {
		content string
		wrong   string // empty: it is right
	}{
		"expressions for a port, a list and a quantity": {pod(`ports: [{containerPort: "${parameters.port}"}], command: "${parameters.run}", resources: {limits: {cpu: "${parameters.cpu}"}}`), ""},
		"a port in letters":                             {pod("ports: [{containerPort: http}]"), "/spec/content/podTemplate/spec/containers/0/ports/0/containerPort"},
		"a misspelt field of the pod":                   {pod("imagePullPolice: Always"), "/spec/content/podTemplate/spec/containers/0"},
		"a misspelt field of ours":                      {"{image: a, parametres: []}", "/spec/content"},
		"a parameter's type":                            {"{image: a, parameters: [{name: a, type: bool}]}", "/spec/content/parameters/0/type"},
		"an extra object":                               {`{image: a, extraObjects: [{id: a, object: {apiVersion: v1, kind: Service, metadata: {name: "${workspace.objectName}"}, spec: {ports: [{port: "${parameters.port}"}]}}}]}`, ""},
		"an extra object that runs":                     {"{image: a, extraObjects: [{id: a, object: {apiVersion: v1, kind: Pod, metadata: {name: a}}}]}", "/spec/content/extraObjects/0/object"},
		"a file mode":                                   {"{image: a, files: [{path: /a, mode: 420}]}", "/spec/content/files/0/mode"},
	} {
		t.Run(name, func(t *testing.T) {
			var object any
			text := "{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: a}, spec: {content: " + test.content + "}}"
			if err := yaml.Unmarshal([]byte(text), &object); err != nil {
				t.Fatal(err)
			}
			err := template.Validate(object)
			switch {
			case test.wrong == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), "'"+test.wrong+"'")):
				t.Errorf("want a refusal at %s, got %v", test.wrong, err)
			}
		})
	}
}

// With any postBuild, Flux substitutes ${…} in every object that does not carry its annotation. What it would do to ours
// is tried with its own code: an expression with a dot fails, and a bare name is emptied.
func TestFluxLeavesExpressionsAlone(t *testing.T) {
	tried := 0
	for _, m := range read(t) {
		substituted, err := envsubst.Eval(m.text, func(string) (string, bool) { return "", true })
		if err == nil && substituted == m.text {
			continue // Flux may substitute: there is nothing for it
		}
		tried++
		if m.annotations()[annotation] != "disabled" {
			t.Errorf("%s: %s needs the annotation %s: disabled; with a postBuild, Flux would make of it: %v", m.file, m.name(), annotation, err)
		}
	}
	if tried < 3 {
		t.Errorf("%d samples hold expressions: the test proves nothing", tried)
	}
}

// overlay is the overlay that docs/gitops.md shows.
const overlay = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: team-a
resources: [../base]
%OPENAPI%
patches:
- patch: |
    {apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: go-dev},
     spec: {content: {parameters: [{name: cpu, maximum: 4}], apps: [{name: code, displayName: Editor}], scripts: [{name: hello, runAt: Start, run: "echo hello"}]}}}
`

func build(t *testing.T, openapi string) map[string]any {
	t.Helper()
	files := filesys.MakeFsInMemory()
	write := func(name, text string) {
		if err := files.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	template, err := os.ReadFile("31-template-go-dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := os.ReadFile("../kustomize/berth-kustomize.json")
	if err != nil {
		t.Fatal(err)
	}
	write("/base/template.yaml", strings.Replace(string(template), "namespace: platform, ", "", 1)) // a base is in no namespace
	write("/base/kustomization.yaml", "resources: [template.yaml]")
	write("/team/berth-kustomize.json", string(keys))
	write("/team/kustomization.yaml", strings.Replace(overlay, "%OPENAPI%", openapi, 1))
	kopenapi.ResetOpenAPI() // kustomize keeps what it read for the whole process
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/team")
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// names are those of a list of the content, in order.
func names(t *testing.T, template map[string]any, list string) string {
	t.Helper()
	content := template["spec"].(map[string]any)["content"].(map[string]any)
	entries, _ := content[list].([]any)
	var all []string
	for _, entry := range entries {
		all = append(all, entry.(map[string]any)["name"].(string))
	}
	return strings.Join(all, " ")
}

func TestKustomizeMergesByName(t *testing.T) {
	merged := build(t, "openapi: {path: berth-kustomize.json}")
	for list, want := range map[string]string{"parameters": "cpu repo", "apps": "code", "scripts": "hello clone"} {
		if got := names(t, merged, list); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
	content := merged["spec"].(map[string]any)["content"].(map[string]any)
	text, err := json.Marshal(content["parameters"].([]any)[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.Contains(got, `"maximum":4`) || !strings.Contains(got, `"minimum":1`) || !strings.Contains(got, `"type":"integer"`) {
		t.Errorf("cpu became %s", got)
	}
	if m := merged["metadata"].(map[string]any); m["namespace"] != "team-a" || m["annotations"].(map[string]any)[annotation] != "disabled" {
		t.Errorf("metadata %v", m)
	}
}

// Without our file kustomize replaces the list, which is why there is one.
func TestKustomizeReplacesWithoutOurKeys(t *testing.T) {
	if got := names(t, build(t, ""), "parameters"); got != "cpu" {
		t.Errorf("parameters are %q: kustomize merges by itself now, and docs/gitops.md may say so", got)
	}
}
