// SPDX-License-Identifier: Apache-2.0

package provision_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/provision"
)

// packed is an archive of files, given as name and text in turn.
func packed(t testing.TB, namesAndTexts ...string) []byte {
	t.Helper()
	var files []archive.File
	for i := 0; i < len(namesAndTexts); i += 2 {
		files = append(files, archive.File{Name: namesAndTexts[i], Data: []byte(namesAndTexts[i+1])})
	}
	data, err := archive.Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const whole = `# a template as one would apply it
apiVersion: berth.dev/v1alpha1
kind: Template
metadata: {name: go-dev, namespace: platform}
spec:
  displayName: Go
  access: [{kind: Everyone, role: Use}]
  content:
    image: registry.example/go-dev:1.26
    parameters:
    - {name: cpu, type: integer, default: 2}
    dailyCost: "${parameters.cpu * 3}"
`

func TestRead(t *testing.T) {
	cpu := v1alpha1.ValueOf(2)
	cost := v1alpha1.ValueOf("${parameters.cpu * 3}")
	full := v1alpha1.TemplateContent{
		Image: "registry.example/go-dev:1.26", DailyCost: &cost,
		Parameters: []v1alpha1.Parameter{{Name: "cpu", Type: v1alpha1.TypeInteger, Default: &cpu}},
	}
	readme := func(c v1alpha1.TemplateContent, text string) v1alpha1.TemplateContent {
		c.Readme = text
		return c
	}
	for name, c := range map[string]struct {
		files []string
		want  v1alpha1.TemplateContent
		note  string
	}{
		"a Template":            {[]string{"template.yaml", whole}, full, "spec.access, spec.displayName"},
		"its content alone":     {[]string{"template.yaml", "image: a\n"}, v1alpha1.TemplateContent{Image: "a"}, ""},
		"a README beside it":    {[]string{"README.md", "# Go\n", "template.yaml", "image: a\n"}, v1alpha1.TemplateContent{Image: "a", Readme: "# Go\n"}, ""},
		"a readme of its own":   {[]string{"readme.md", "no", "template.yml", "{image: a, readme: yes it is}"}, readme(v1alpha1.TemplateContent{Image: "a"}, "yes it is"), ""},
		"other files":           {[]string{"template.yaml", "image: a", "Dockerfile", "FROM x", "sub/template.yaml", "]"}, v1alpha1.TemplateContent{Image: "a"}, ""},
		"a README of odd bytes": {[]string{"template.yaml", "image: a", "README.md", "a\x00\xffb"}, readme(v1alpha1.TemplateContent{Image: "a"}, "a\uFFFDb"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := provision.Read(packed(t, c.files...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, source.Content); diff != "" {
				t.Error(diff)
			}
			if note := strings.Join(source.Notes, "\n"); !strings.Contains(note, c.note) || (note == "") != (c.note == "") {
				t.Errorf("it notes %q, want %q", note, c.note)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"nothing":                     {nil, "the archive is empty: Berth reads a template.yaml"},
		"Terraform":                   {[]string{"main.tf", "", "x.tf.json", ""}, "the archive holds Terraform (main.tf, x.tf.json), which is not run here: Berth reads a template.yaml"},
		"something else":              {[]string{"a", "", "b", ""}, "the archive has no template.yaml (it has a, b)"},
		"the folder in place of it":   {[]string{"go-dev/template.yaml", "image: a"}, "pack the folder's contents, not the folder"},
		"two of them":                 {[]string{"template.yaml", "image: a", "template.yml", "image: a"}, "both template.yaml and template.yml"},
		"no YAML":                     {[]string{"template.yaml", "image: a\n  b: ["}, "template.yaml: line 2"},
		"a text":                      {[]string{"template.yaml", "image"}, "template.yaml:1: is text, and must be a mapping"},
		"a list":                      {[]string{"template.yaml", "- image"}, "template.yaml:1: is a list, and must be a mapping"},
		"no bytes":                    {[]string{"template.yaml", ""}, "template.yaml: is empty"},
		"two documents":               {[]string{"template.yaml", "image: a\n---\nimage: b\n"}, "more than one document"},
		"a misspelt field":            {[]string{"template.yaml", "image: a\nparamters: []\n"}, "template.yaml:2: paramters: there is no such field"},
		"a misspelt field, deep":      {[]string{"template.yaml", strings.Replace(whole, "default: 2", "defualt: 2", 1)}, "template.yaml:11: spec.content.parameters[0].defualt: there is no such field"},
		"a field twice":               {[]string{"template.yaml", "image: a\nimage: b\n"}, "template.yaml:2: image: stands there twice"},
		"a number for a text":         {[]string{"template.yaml", "parameters:\n- {name: a, type: string}\n- {name: 7, type: string}\nimage: a\n"}, "template.yaml:3: parameters[1].name: is a number, and must be text; put it in quotes"},
		"a text for a truth":          {[]string{"template.yaml", "image: a\nparameters: [{name: a, type: string, mutable: \"yes\"}]\n"}, "template.yaml:2: parameters[0].mutable: is text, and must be true or false"},
		"another kind":                {[]string{"template.yaml", "apiVersion: v1\nkind: Pod\n"}, "template.yaml:2: it is a Pod of v1; want kind: Template"},
		"a kind alone":                {[]string{"template.yaml", "kind: Template\n"}, "it is a Template of nothing"},
		"a Template without content":  {[]string{"template.yaml", "apiVersion: berth.dev/v1alpha1\nkind: Template\nspec: {displayName: x}\n"}, "template.yaml:3: spec.content: is missing"},
		"a README that is too long":   {[]string{"template.yaml", "image: a", "README.md", strings.Repeat("x", 65537)}, "README.md: is 65537 bytes long; at most 65536"},
		"a manifest that is too long": {[]string{"template.yaml", "image: a #" + strings.Repeat("x", 600_000)}, "template.yaml: is 600010 bytes long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provision.Read(packed(t, c.files...))
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || !strings.Contains(f.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// What makes much of little is refused before anything is made of it.
func TestAdvisory_V59_AYAMLBombIsRefused(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		row := strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+(i-1)%10))+", ", 9), ", ")
		laughs.WriteString("b" + string(rune('a'+i)) + ": &a" + string(rune('0'+i%10)) + " [" + row + "]\n")
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases of aliases":    {laughs.String(), "template.yaml:2: bb[0]: is an alias"},
		"one alias":             {"image: &x a\nreadme: *x\n", "template.yaml:2: readme: is an alias (*x)"},
		"a merge key":           {"image: a\nresources: &r {limits: {cpu: 1}}\nenv: [{<<: {name: x}}]\n", "merge key"},
		"a list in a list":      {"image: " + strings.Repeat("[", 9_000), "template.yaml"},
		"a list in a list, ok":  {"image: " + strings.Repeat("[", 500) + strings.Repeat("]", 500), "more than 64 levels"},
		"very many values":      {"tags: {" + strings.Repeat("a,", 60_000) + "}", "template.yaml"},
		"very many values of a": {"image: [" + strings.Repeat("a,", 60_000) + "]", "more than 50000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provision.Read(packed(t, "template.yaml", c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A complaint of the cluster about a field is told with the line that it was written in.
func TestLocate(t *testing.T) {
	for name, c := range map[string]struct{ text, field, want string }{
		"in a Template": {whole, "spec.content.parameters[0].type", "template.yaml:11: spec.content.parameters[0].type: x"},
		"in a content":  {"image: a\nparameters:\n- {name: a,\n   type: bool}\n", "spec.content.parameters[0].type", "template.yaml:4: spec.content.parameters[0].type: x"},
		"around it":     {"image: a\nparameters:\n- {name: a}\n", "spec.content.parameters[0].type", "template.yaml:3: spec.content.parameters[0].type: x"},
		"nowhere":       {"image: a\n", "metadata.name", "template.yaml: metadata.name: x"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := provision.Read(packed(t, "template.yaml", c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := source.Locate(fault.Field{Path: c.field, Detail: "x"}); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// The samples of this release can be uploaded as they are.
func TestSamplesCanBeUploaded(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "*template*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source, err := provision.Read(packed(t, "template.yaml", string(text)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if source.Content.Image == "" && source.Content.PodTemplate == nil {
			t.Errorf("%s: nothing runs", file)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{whole, "image: a", "image: &x a\nreadme: *x", "[", "{a: {<<: x}}", "? [a]\n: b", "\xef\xbb\xbfimage: a", "image: !!binary aGk="} {
		f.Add(text, "# A")
	}
	f.Fuzz(func(t *testing.T, text, readme string) {
		source, err := provision.Read(packed(t, "template.yaml", text, "README.md", readme))
		if err != nil {
			if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid && f.Kind != fault.TooLarge || f.Error() == "" {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		if len(source.Content.Readme) > 512<<10 {
			t.Fatalf("a readme of %d bytes", len(source.Content.Readme))
		}
		_ = source.Locate(fault.Field{Path: "spec.content.parameters[0].name", Detail: "x"})
	})
}
