// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is when the states were recorded.
var now = time.Date(2026, 11, 23, 9, 31, 0, 0, time.UTC)

// recorded reads the objects of a state.
func recorded(t *testing.T, file string) (Case, *v1alpha1.Template) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Now: now, LastWords: map[string]string{}}
	var template *v1alpha1.Template
	for _, document := range regexp.MustCompile(`(?m)^---\n`).Split(string(text), -1) {
		var head struct{ Kind string }
		decode := func(into any) {
			t.Helper()
			if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
				t.Fatalf("%s: %v in\n%s", file, err, document)
			}
		}
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatal(err)
		}
		switch head.Kind {
		case "Workspace":
			c.Workspace = &v1alpha1.Workspace{}
			decode(c.Workspace)
		case "Template":
			template = &v1alpha1.Template{}
			decode(template)
			c.Template = template
		case "TemplateVersion":
			c.Version = &v1alpha1.TemplateVersion{}
			decode(c.Version)
		case "WorkspaceBuild":
			var b v1alpha1.WorkspaceBuild
			decode(&b)
			c.Builds = append(c.Builds, b)
		case "Pod":
			var p corev1.Pod
			decode(&p)
			if p.Spec.NodeName != "" && c.Pod != nil {
				c.Neighbours = append(c.Neighbours, p)
			} else {
				c.Pod = &p
			}
		case "PersistentVolumeClaim":
			var claim corev1.PersistentVolumeClaim
			decode(&claim)
			c.Claims = append(c.Claims, claim)
		case "Event":
			var e corev1.Event
			decode(&e)
			c.Events = append(c.Events, e)
		case "Node":
			var n corev1.Node
			decode(&n)
			c.Nodes = append(c.Nodes, n)
		case "LastWords":
			var words struct {
				Kind string
				Of   map[string]string
			}
			decode(&words)
			c.LastWords = words.Of
		default:
			t.Fatalf("%s: kind %q", file, head.Kind)
		}
	}
	return c, template
}

// What people read of each recorded state.
func TestAccounts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatal("states are missing", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			c, template := recorded(t, file)
			var account Account
			if c.Workspace != nil {
				account = Workspace(c)
			} else {
				account = Template(template)
			}
			got, golden := account.Text(now), strings.TrimSuffix(file, ".yaml")+".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if account.Verdict != VerdictOK && len(account.Remedies) == 0 {
				t.Error("it says nothing that can be done")
			}
		})
	}
}
