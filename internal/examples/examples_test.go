// SPDX-License-Identifier: Apache-2.0

package examples_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/examples"
	"github.com/berth-dev/berth/internal/render"
)

// Each is a template that a person could use as it stands: it reads, compiles, renders, and its pod decodes strictly.
func TestEachExampleWorks(t *testing.T) {
	all, err := examples.List()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, e.ID)
		t.Run(e.ID, func(t *testing.T) {
			spec := e.Template.Spec
			if e.Template.Name != e.ID || spec.DisplayName == "" || spec.Description == "" || len(spec.Description) > 127 || spec.Icon == "" || len(e.Tags) == 0 {
				t.Errorf("not described: %+v, tags %v", e.Template, e.Tags)
			}
			if !strings.HasPrefix(e.Readme, "# ") {
				t.Error("its README has no title")
			}
			if e.Template.Annotations["kustomize.toolkit.fluxcd.io/substitute"] != "disabled" {
				t.Error("Flux would eat its expressions")
			}
			if not := render.NotEnforced(e.Template); len(not) > 0 && e.ID != "jupyter" {
				t.Errorf("it states what is not acted on: %v", not)
			}
			compiled, problems := render.Compile(spec.Content)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			in, madeUp := compiled.Sample()
			if len(madeUp) > 0 {
				t.Errorf("parameters without default: %v", madeUp)
			}
			renders(t, compiled, in)
			for _, p := range spec.Content.Parameters {
				for _, o := range p.Options {
					in, _ := compiled.Sample()
					in.Parameters[p.Name] = o.Value
					renders(t, compiled, in)
				}
				if p.Type == v1alpha1.TypeBoolean {
					in, _ := compiled.Sample()
					in.Parameters[p.Name] = v1alpha1.ValueOf(false)
					renders(t, compiled, in)
				}
			}
		})
	}
	if diff := cmp.Diff([]string{"database", "gpu", "ide", "jupyter", "linux"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func renders(t *testing.T, compiled *render.Compiled, in render.Input) {
	t.Helper()
	workload, refusal := compiled.Render(in)
	if refusal != nil {
		t.Fatal(refusal)
	}
	data, err := json.Marshal(workload.Pod)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var pod corev1.PodTemplateSpec
	if err := decoder.Decode(&pod); err != nil {
		t.Error(err)
	}
	if len(pod.Spec.Containers) == 0 || len(workload.Claims) == 0 {
		t.Errorf("%d containers, %d claims", len(pod.Spec.Containers), len(workload.Claims))
	}
	if workload.DailyCost <= 0 {
		t.Error("it costs nothing")
	}
}

func TestArchive(t *testing.T) {
	all, err := examples.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		first, ok := examples.Archive(e.ID)
		again, _ := examples.Archive(e.ID)
		if !ok || !bytes.Equal(first, again) {
			t.Errorf("%s: there is none, or another one each time", e.ID)
		}
		var names []string
		for r := tar.NewReader(bytes.NewReader(first)); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, h.Name)
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if h.Name == "README.md" && string(text) != e.Readme {
				t.Errorf("%s: another README", e.ID)
			}
		}
		if diff := cmp.Diff([]string{"README.md", "template.yaml"}, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.ID, diff)
		}
	}
	for _, id := range []string{"", "nothing", "../linux", "linux/template.yaml"} {
		if _, ok := examples.Archive(id); ok {
			t.Errorf("%q is no example", id)
		}
	}
}
