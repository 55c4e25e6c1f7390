// SPDX-License-Identifier: Apache-2.0

package gitops_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
)

const trackingID = "argocd.argoproj.io/tracking-id"

// edits are merge patches of a spec, by what they do.
var edits = map[string]map[string]any{
	"the held field":            {"autostop": map[string]any{"after": "2h"}},
	"what the held field is in": {"autostop": nil},
	"another field":             {"autostart": map[string]any{"schedule": "30 9 * * 1-5"}},
	"a neighbour of the field":  {"autostop": map[string]any{"warn": "5m"}},
	"a held parameter":          {"parameters": map[string]any{"cpu": 8}},
	"another parameter":         {"parameters": map[string]any{"disk": 1}},
	"the name":                  {"name": "other"},
	"a list":                    {"days": []any{"Monday"}},
}

func TestRefuseByField(t *testing.T) {
	const held = `{"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{".":{},"f:autostop":{".":{},"f:after":{}},"f:parameters":{"f:cpu":{}},"f:days":{"v:\"Monday\"":{}}}}`
	const whole = `{"f:spec":{"f:autostop":{},"f:parameters":{}}}`
	const manifest = `{"metadata":{"name":"dev"},"spec":{"autostop":{"after":"8h"},"parameters":{"cpu":4},"days":["Monday"],"owner":{}}}`
	usual := []string{"a held parameter", "a list", "the held field", "the name", "what the held field is in"}
	everything := slices.Sorted(maps.Keys(edits))
	tracked := map[string]string{trackingID: "apps:berth.dev/Workspace:platform/dev"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(tracked)
		maps.Copy(all, more)
		return all
	}
	for name, c := range map[string]struct {
		meta metav1.ObjectMeta
		want []string
	}{
		"nobody": {metav1.ObjectMeta{}, nil},
		"kubectl, client side": {metav1.ObjectMeta{
			Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: manifest},
			ManagedFields: []metav1.ManagedFieldsEntry{applied("kubectl-client-side-apply", held, 1)},
		}, nil},
		"kubectl, server side":    {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("kubectl", held, 1)}}, nil},
		"a manager, without mark": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("kustomize-controller", held, 1)}}, usual},
		"a manager of the whole": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("argocd-controller", whole, 1)}},
			[]string{"a held parameter", "a neighbour of the field", "another parameter", "the held field", "the name", "what the held field is in"}},
		"a mark and last applied": {metav1.ObjectMeta{Annotations: with(map[string]string{corev1.LastAppliedConfigAnnotation: manifest})}, usual},
		"a mark, last applied and a manager of less": {metav1.ObjectMeta{
			Annotations:   with(map[string]string{corev1.LastAppliedConfigAnnotation: manifest}),
			ManagedFields: []metav1.ManagedFieldsEntry{applied("argocd-controller", `{"f:metadata":{}}`, 1)},
		}, usual},
		"a mark and a manager of labels": {metav1.ObjectMeta{
			Annotations: tracked, ManagedFields: []metav1.ManagedFieldsEntry{applied("argocd-controller", `{"f:metadata":{"f:labels":{}}}`, 1)},
		}, []string{"the name"}},
		"a mark and nothing else":          {metav1.ObjectMeta{Annotations: tracked}, everything},
		"a mark and people's fields":       {metav1.ObjectMeta{Annotations: tracked, ManagedFields: []metav1.ManagedFieldsEntry{applied("kubectl-edit", held, 1)}}, everything},
		"a mark and an unreadable applied": {metav1.ObjectMeta{Annotations: with(map[string]string{corev1.LastAppliedConfigAnnotation: "{"})}, everything},
		"a mark and an empty spec applied": {metav1.ObjectMeta{Annotations: with(map[string]string{corev1.LastAppliedConfigAnnotation: `{"spec":{}}`})}, []string{"the name"}},
		"a manager without fields":         {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "helm", Time: at(1)}}}, everything},
		"a manager's status":               {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "helm", Subresource: "status", Time: at(1), FieldsV1: fields(held)}}}, nil},
		"a chart's usual label":            {metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/instance": "berth"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := &corev1.ConfigMap{ObjectMeta: c.meta}
			for _, when := range []string{"as stored", "trimmed"} {
				var got []string
				for edit, spec := range edits {
					err := gitops.Refuse(o, "Workspace dev", map[string]any{"metadata": map[string]any{"labels": nil}, "spec": spec})
					if err == nil {
						continue
					}
					if !fault.Is(err, fault.Conflict) {
						t.Errorf("%s: %v", edit, err)
					}
					got = append(got, edit)
				}
				slices.Sort(got)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", when, diff)
				}
				gitops.Digest(o)
			}
			if err := gitops.Refuse(o, "Workspace dev", map[string]any{"metadata": map[string]any{"annotations": nil}}); err != nil {
				t.Errorf("what is no field of the spec is refused: %v", err)
			}
		})
	}
}

// A person must learn which field is held, by which tool, and by which of the tool's own objects.
func TestRefuseNamesToolApplicationAndField(t *testing.T) {
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Labels:        map[string]string{"kustomize.toolkit.fluxcd.io/name": "team-a"},
		ManagedFields: []metav1.ManagedFieldsEntry{applied("kustomize-controller", `{"f:spec":{"f:a":{},"f:b":{},"f:c":{},"f:d":{}}}`, 1)},
	}}
	f, ok := fault.As(gitops.Refuse(o, "Template go-dev", map[string]any{"spec": map[string]any{"b": 1, "x": 2, "a": nil}}))
	if !ok {
		t.Fatal("not refused")
	}
	if want := "Template go-dev is held by Flux Kustomization team-a, and spec.a, spec.b can't be changed here."; f.Message != want {
		t.Errorf("%q, want %q", f.Message, want)
	}
	want := []fault.Field{{Path: "spec.a", Detail: "is held by Flux Kustomization team-a"}, {Path: "spec.b", Detail: "is held by Flux Kustomization team-a"}}
	if diff := cmp.Diff(want, f.Fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f, _ = fault.As(gitops.Refuse(o, "Template go-dev", map[string]any{"spec": map[string]any{"a": 1, "b": 1, "c": 1, "d": 1}}))
	if f == nil || !strings.Contains(f.Message, "spec.a, spec.b, spec.c, … can't") || len(f.Fields) != 4 {
		t.Errorf("%v", f)
	}
	if !gitops.Holds(o, "spec", "a") || gitops.Holds(o, "spec", "x") {
		t.Error("what is held is not what is refused")
	}
}
