// SPDX-License-Identifier: Apache-2.0

package gitops_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
)

func at(minute int) *metav1.Time {
	return &metav1.Time{Time: time.Date(2026, 1, 31, 9, minute, 0, 0, time.UTC)}
}

func fields(raw string) *metav1.FieldsV1 { return metav1.NewFieldsV1(raw) }

func applied(manager, raw string, minute int) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "berth.dev/v1alpha1", Time: at(minute),
		FieldsType: "FieldsV1", FieldsV1: fields(raw),
	}
}

const someSpec = `{"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:autostop":{"f:after":{}}}}`

// marked are objects as the tools really leave them.
func marked() map[string]struct {
	meta metav1.ObjectMeta
	want string
} {
	type row = struct {
		meta metav1.ObjectMeta
		want string
	}
	return map[string]row{
		"a person with kubectl": {metav1.ObjectMeta{
			Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: `{"spec":{"autostop":{"after":"8h"}}}`},
			ManagedFields: []metav1.ManagedFieldsEntry{applied("kubectl-client-side-apply", someSpec, 1), applied("berth-apiserver", someSpec, 2)},
		}, ""},
		"a chart's usual label": {metav1.ObjectMeta{Labels: map[string]string{
			"app.kubernetes.io/instance": "berth", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "workspace",
		}}, ""},
		"nothing": {metav1.ObjectMeta{}, ""},
		"Argo CD by annotation": {metav1.ObjectMeta{Annotations: map[string]string{
			"argocd.argoproj.io/tracking-id":   "workspaces:berth.dev/Workspace:platform/ada-api",
			corev1.LastAppliedConfigAnnotation: `{"metadata":{"name":"ada-api"},"spec":{"owner":{"user":"ada"},"parameters":{"cpu":4}}}`,
		}}, gitops.ArgoCD},
		"Argo CD by server-side apply": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("argocd-controller", someSpec, 3)}}, gitops.ArgoCD},
		"Argo CD, labels only": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
			applied("argocd-controller", `{"f:metadata":{"f:labels":{"f:team":{}}}}`, 3)}}, ""},
		"Argo CD, a status only": {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "argocd-controller", Subresource: "status", Time: at(3), FieldsV1: fields(someSpec)}}}, ""},
		"Flux by kustomization": {metav1.ObjectMeta{Labels: map[string]string{
			"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}, gitops.Flux},
		"Flux by its manager":  {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("kustomize-controller", someSpec, 4)}}, gitops.Flux},
		"Flux without fields":  {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "helm-controller", Time: at(4)}}}, gitops.Flux},
		"Helm":                 {metav1.ObjectMeta{Annotations: map[string]string{"meta.helm.sh/release-name": "dev", "meta.helm.sh/release-namespace": "x"}}, gitops.Helm},
		"Helm by its manager":  {metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{applied("helm", someSpec, 5)}}, gitops.Helm},
		"Flux with Helm below": {metav1.ObjectMeta{Annotations: map[string]string{"meta.helm.sh/release-name": "dev"}, Labels: map[string]string{"helm.toolkit.fluxcd.io/name": "dev"}}, gitops.Flux},
	}
}

// A person must know where to look: the tool's own object, as far as the marks tell.
func TestEditableNamesTheToolsOwnObject(t *testing.T) {
	for name, c := range map[string]struct {
		annotations, labels map[string]string
		managers            []string
		want                string
	}{
		"Argo CD":            {annotations: map[string]string{"argocd.argoproj.io/tracking-id": "team-a:berth.dev/Workspace:platform/dev"}, want: "Argo CD application team-a"},
		"Argo CD unreadable": {annotations: map[string]string{"argocd.argoproj.io/tracking-id": ""}, want: "Argo CD"},
		"Argo CD by manager": {managers: []string{"argocd-controller"}, want: "Argo CD"},
		"Flux":               {labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"}, want: "Flux Kustomization apps"},
		"Flux with a chart":  {labels: map[string]string{"helm.toolkit.fluxcd.io/name": "dev"}, want: "Flux HelmRelease dev"},
		"Helm":               {annotations: map[string]string{"meta.helm.sh/release-name": "dev"}, want: "Helm release dev"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Annotations: c.annotations, Labels: c.labels}}
			for _, m := range c.managers {
				o.ManagedFields = append(o.ManagedFields, applied(m, someSpec, 1))
			}
			f, ok := fault.As(gitops.Editable(o, "Workspace dev"))
			if want := "Workspace dev is held by " + c.want + " and can't be deleted or renamed here."; !ok || f.Message != want {
				t.Errorf("%v, want %q", f, want)
			}
		})
	}
}

func TestToolAndDigest(t *testing.T) {
	for name, c := range marked() {
		t.Run(name, func(t *testing.T) {
			o := &corev1.ConfigMap{ObjectMeta: c.meta}
			changed := gitops.Changed(o)
			check := func(when string) {
				t.Helper()
				if got := gitops.Tool(o); got != c.want {
					t.Errorf("%s: %q, want %q", when, got, c.want)
				}
				if err := gitops.Editable(o, "Workspace dev"); (err != nil) != (c.want != "") || err != nil && !fault.Is(err, fault.Conflict) {
					t.Errorf("%s: editable: %v", when, err)
				}
				if got := gitops.Changed(o); !got.Equal(changed) {
					t.Errorf("%s: changed at %v, want %v", when, got, changed)
				}
			}
			check("as stored")
			gitops.Digest(o)
			check("trimmed")
			once := o.DeepCopy()
			gitops.Digest(o)
			if diff := cmp.Diff(once, o); diff != "" {
				t.Errorf("trimming twice (-once +twice):\n%s", diff)
			}
		})
	}
}

func TestDigestLeavesLittle(t *testing.T) {
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{
			"argocd.argoproj.io/tracking-id":   "x",
			corev1.LastAppliedConfigAnnotation: `{"metadata":{"name":"dev"},"spec":{"owner":{"user":"ada"},"parameters":{"password":"hunter2"}}}`,
		},
		ManagedFields: []metav1.ManagedFieldsEntry{
			applied("kubectl", someSpec, 1), applied("argocd-controller", someSpec, 2), applied("berth-apiserver", someSpec, 7),
			applied("helm-diff", someSpec, 3), applied("berth-manager", someSpec, 6),
			applied("vpa", `{"f:metadata":{}}`, 9), {Manager: "berth-manager", Subresource: "status", Time: at(8), FieldsV1: fields(`{"f:status":{}}`)},
		},
	}}
	gitops.Digest(o)
	want := []metav1.ManagedFieldsEntry{
		applied("helm-diff", "", 3), applied("argocd-controller", `{"f:spec":{"f:autostop":{"f:after":{}}}}`, 2), applied("berth-apiserver", "", 7),
		applied("berth-manager", "", 6),
	}
	want[0].FieldsV1, want[2].FieldsV1, want[3].FieldsV1 = nil, nil, nil
	if diff := cmp.Diff(want, o.ManagedFields); diff != "" {
		t.Errorf("managedFields (-want +got):\n%s", diff)
	}
	if got, want := o.Annotations[corev1.LastAppliedConfigAnnotation], `{"spec":{"owner":{"user":null},"parameters":{"password":null}}}`; got != want {
		t.Errorf("last applied: %s, want %s", got, want)
	}
	if got := gitops.Changed(o); !got.Equal(at(7).Time) {
		t.Errorf("changed at %v", got)
	}
	writers := []gitops.Writer{
		{Manager: "helm-diff", At: at(3).Time}, {Manager: "argocd-controller", At: at(2).Time},
		{Manager: "berth-apiserver", Own: true, At: at(7).Time}, {Manager: "berth-manager", Own: true, At: at(6).Time},
	}
	if diff := cmp.Diff(writers, gitops.Writers(o)); diff != "" {
		t.Errorf("writers (-want +got):\n%s", diff)
	}
	for _, broken := range []string{"", "{", "null", `{"spec": 7}`, `{"spec": null}`, `[]`} {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Annotations:   map[string]string{"argocd.argoproj.io/tracking-id": "x", corev1.LastAppliedConfigAnnotation: broken},
			ManagedFields: []metav1.ManagedFieldsEntry{applied("argocd-controller", broken, 1)},
		}}
		gitops.Digest(o)
		if _, ok := o.Annotations[corev1.LastAppliedConfigAnnotation]; ok {
			t.Errorf("%q: the annotation stays", broken)
		}
	}
}
