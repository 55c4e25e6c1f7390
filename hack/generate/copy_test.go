// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplates(t *testing.T) {
	const labels = "  labels:\n    {{- include \"berth.labels\" (list $ \"\") | nindent 4 }}\n"
	for name, c := range map[string]struct {
		set     copied
		source  string
		want    string
		wantErr string
	}{
		"text that looks like a template's": {
			set:    copied{convert: labelled},
			source: "kind: X\nmetadata:\n  name: a\nspec: '{{ .Values }} and ${x} and $${y}'\n",
			want:   mark + "---\nkind: X\nmetadata:\n" + labels + "  name: a\nspec: '{{ \"{{\" }} .Values }} and ${x} and $${y}'\n",
		},
		"a guard around several documents": {
			set:    copied{convert: labelled, guard: ".Values.on"},
			source: "---\nmetadata:\n  name: a\n---\n\nmetadata:\n  name: b\n",
			want:   mark + "{{- if .Values.on }}\n---\nmetadata:\n" + labels + "  name: a\n---\n\nmetadata:\n" + labels + "  name: b\n{{- end }}\n",
		},
		"a CRD stays": {
			set:    copied{convert: definition},
			source: "metadata:\n  annotations:\n    v: 1\n  name: a\n",
			want: mark + "---\nmetadata:\n" + labels + "  annotations:\n    {{- if .Values.crds.keep }}\n" +
				"    helm.sh/resource-policy: keep\n    {{- end }}\n    v: 1\n  name: a\n",
		},
		"a Role is in the release's namespace": {
			set:    copied{convert: role},
			source: "kind: Role\nmetadata:\n  name: a\n  namespace: berth-system\n",
			want:   mark + "---\nkind: Role\nmetadata:\n" + labels + "  name: a\n  namespace: {{ .Release.Namespace }}\n",
		},
		"a Role of elsewhere": {set: copied{convert: role}, source: "metadata:\n  name: a\n  namespace: kube-system\n", wantErr: "kube-system"},
		"labels of its own":   {set: copied{convert: labelled}, source: "metadata:\n  labels: {a: b}\n  name: a\n", wantErr: "metadata.labels"},
		"no metadata":         {set: copied{convert: labelled}, source: "kind: X\n", wantErr: "without metadata"},
		"a CRD not annotated": {set: copied{convert: definition}, source: "metadata:\n  name: a\n", wantErr: "without annotations"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.set.template(c.source)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Errorf("error %v, want one with %q", err, c.wantErr)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

// What a source no longer has is removed; what a person wrote is never touched.
func TestFolderIsMadeEqual(t *testing.T) {
	root := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set := copied{from: "policies", to: "policies", convert: labelled}
	put("config/policies/a.yaml", "metadata:\n  name: a\n")
	put("charts/berth/templates/policies/gone.yaml", mark)
	put("charts/berth/templates/policies/hand.yaml", "kind: ByHand\n")
	if err := set.write(root); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "charts/berth/templates/policies"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"a.yaml", "hand.yaml"}, names); diff != "" {
		t.Error(diff)
	}
	put("config/policies/hand.yaml", "metadata:\n  name: hand\n")
	if err := set.write(root); err == nil || !strings.Contains(err.Error(), "hand.yaml") {
		t.Errorf("overwriting a file written by hand: %v", err)
	}
}
