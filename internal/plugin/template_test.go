// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// result is what a run of the plug-in gave.
type result struct {
	Code     int
	Out, Err string
}

// berth runs one command line.
func berth(t *testing.T, stdin string, arguments ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := Run(t.Context(), arguments, genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errOut})
	return result{code, out.String(), errOut.String()}
}

const template = `apiVersion: berth.dev/v1alpha1
kind: Template
metadata: {name: go-dev, namespace: platform}
spec:
  content:
    image: registry.example/go-dev:1.26
    parameters:
    - {name: cpu, type: integer, default: 2, minimum: 1, maximum: 8}
    resources: {requests: {cpu: "${parameters.cpu}"}}
`

// write makes a file and gives its name.
func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTemplateCheck(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	t.Setenv("KUBECONFIG", filepath.Join(folder, "there-is-none")) // it asks no cluster
	write(t, folder, "good.yaml", template)
	write(t, folder, "bad/a.yaml", strings.Replace(template, "parameters.cpu}", "parameters.cpus}", 1))
	write(t, folder, "bad/other.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
	write(t, folder, "bad/.git/x.yaml", "{{{")
	write(t, folder, "values.yaml", "cpu: 4\n")
	write(t, folder, "empty.yaml", "# nothing\n")
	const finding = "bad/a.yaml:9:33: spec.content.resources.requests.cpu: no parameter \"cpus\" in \"${parameters.cpus}\"; did you mean \"cpu\"?\n"

	for name, c := range map[string]struct {
		arguments []string
		stdin     string
		code      int
		out, err  string
	}{
		"good":           {arguments: []string{"-f", "good.yaml"}, err: "nothing wrong in 1 manifest\n"},
		"bad":            {arguments: []string{"-f", "bad"}, code: 1, out: finding},
		"both":           {arguments: []string{"-f", "bad", "-f", "good.yaml"}, code: 1, out: finding},
		"standard input": {arguments: []string{"-f", "-"}, stdin: template, err: "nothing wrong in 1 manifest\n"},
		"a value":        {arguments: []string{"-f", "good.yaml", "--set", "cpu=3"}, err: "nothing wrong in 1 manifest\n"},
		"a value too large": {arguments: []string{"-f", "good.yaml", "--set", "cpu=9"}, code: 1,
			out: "good.yaml:8:7: spec.content.parameters[0]: cpu=9: 9 is above 8, the maximum\n"},
		"values": {arguments: []string{"-f", "good.yaml", "--parameters", "values.yaml"}, err: "nothing wrong in 1 manifest\n"},
		"a value for nothing": {arguments: []string{"-f", "good.yaml", "--set", "cpus=3"}, code: 2,
			err: "error: no template has a parameter \"cpus\"; did you mean \"cpu\"?\nnext: kubectl berth template check --help\n"},
		"no value": {arguments: []string{"-f", "good.yaml", "--set", "cpu"}, code: 2,
			err: "error: --set: \"cpu\" is not of the form NAME=VALUE\nnext: kubectl berth template check --help\n"},
		"nothing": {arguments: nil, code: 2, err: "error: --filename: name a file or a folder\nnext: kubectl berth template --help\n"},
		"nothing of ours": {arguments: []string{"-f", "empty.yaml"}, code: 2,
			err: "error: there is no manifest of berth.dev in empty.yaml\nnext: kubectl berth template --help\n"},
		"no file": {arguments: []string{"-f", "none.yaml"}, code: 2,
			err: "error: stat none.yaml: no such file or directory\nnext: kubectl berth template --help\n"},
		"an unknown form": {arguments: []string{"-f", "good.yaml", "-o", "xml"}, code: 2,
			err: "error: --output: \"xml\" is none of text, json and sarif\nnext: kubectl berth template check --help\n"},
		"an unknown flag": {arguments: []string{"--no"}, code: 2, err: "error: unknown flag: --no\nnext: kubectl berth template check --help\n"},
		"an argument":     {arguments: []string{"x"}, code: 2, err: "error: unknown command \"x\" for \"kubectl berth template check\"\nnext: kubectl berth template check --help\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := berth(t, c.stdin, append([]string{"template", "check"}, c.arguments...)...)
			if want := (result{c.code, c.out, c.err}); got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}

	for _, form := range []string{"json", "sarif"} {
		got := berth(t, "", "template", "check", "-f", "bad", "-o", form)
		if got.Code != 1 || !json.Valid([]byte(got.Out)) || !strings.Contains(got.Out, "did you mean") {
			t.Errorf("-o %s: %+v", form, got)
		}
	}
	if got := berth(t, "", "template", "check", "-f", "good.yaml", "--notes"); got.Code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTemplateRenderAndDiff(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	write(t, folder, "new.yaml", strings.Replace(template, "1.26", "1.27", 1))
	write(t, folder, "bad.yaml", strings.Replace(template, "parameters.cpu}", "parameters.cpus}", 1))

	got := berth(t, template, "template", "render", "-f", "-", "--set", "cpu=4")
	if got.Code != 0 || !strings.HasPrefix(got.Out, "# Template/platform/go-dev\n---\napiVersion: v1\nkind: Pod\n") || !strings.Contains(got.Out, `cpu: "4"`) {
		t.Errorf("%+v", got)
	}
	got = berth(t, template, "template", "diff", "-f", "new.yaml", "--from", "-")
	if got.Code != 1 || !strings.Contains(got.Out, "\n-    image: registry.example/go-dev:1.26\n+    image: registry.example/go-dev:1.27\n") ||
		strings.Contains(got.Out, "kind: PersistentVolumeClaim") {
		t.Errorf("%+v", got)
	}
	if got := berth(t, template, "template", "diff", "-f", "-", "--from", "bad.yaml"); got.Code != 2 || !strings.Contains(got.Err, "did you mean") {
		t.Errorf("%+v", got)
	}
	if got := berth(t, "", "template", "diff", "-f", "new.yaml", "--from", "new.yaml"); got != (result{}) {
		t.Errorf("%+v", got)
	}
	if got := berth(t, "", "template", "render", "-f", "bad.yaml"); got.Code != 1 || got.Out != "" || !strings.HasSuffix(got.Err, "next: kubectl berth template check -f FILE\n") {
		t.Errorf("%+v", got)
	}
}
