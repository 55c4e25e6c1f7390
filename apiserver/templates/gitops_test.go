// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// applyAs sends a manifest by server-side apply, as a tool does that takes fields over.
func applyAs(ctx context.Context, manager, manifest string) {
	GinkgoHelper()
	o := object(manifest)
	Expect(env.Client.Patch(ctx, o, client.RawPatch(types.ApplyYAMLPatchType, []byte(manifest)), client.FieldOwner(manager), client.ForceOwnership)).To(Succeed())
}

// applyClientSide does what kubectl's client-side apply does, and the tools that have its code: the manifest stands in an
// annotation, and what differs is sent as a merge patch.
func applyClientSide(ctx context.Context, manager, manifest string) {
	GinkgoHelper()
	o := object(manifest)
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[corev1.LastAppliedConfigAnnotation] = manifest
	o.SetAnnotations(annotations)
	if err := env.Client.Create(ctx, o.DeepCopy(), client.FieldOwner(manager)); err == nil {
		return
	}
	patch, err := json.Marshal(o.Object)
	Expect(err).NotTo(HaveOccurred())
	Expect(env.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(manager))).To(Succeed())
}

func object(manifest string) *unstructured.Unstructured {
	GinkgoHelper()
	o := &unstructured.Unstructured{}
	Expect(json.Unmarshal([]byte(manifest), &o.Object)).To(Succeed())
	return o
}

// tools are those that keep objects in clusters, and how each leaves a manifest there.
var tools = map[string]struct {
	metadata string
	apply    func(ctx context.Context, manifest string)
	// known is what a person reads; empty where people hold the object.
	known string
}{
	"Argo CD": {`"annotations": {"argocd.argoproj.io/tracking-id": "team-a:berth.dev/Template:NAMESPACE/git"}`,
		func(ctx context.Context, m string) { applyClientSide(ctx, "argocd-controller", m) }, "Argo CD application team-a"},
	"Argo CD, server side": {`"annotations": {"argocd.argoproj.io/tracking-id": "team-a:berth.dev/Template:NAMESPACE/git"}`,
		func(ctx context.Context, m string) { applyAs(ctx, "argocd-controller", m) }, "Argo CD application team-a"},
	"Flux": {`"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}`,
		func(ctx context.Context, m string) { applyAs(ctx, "kustomize-controller", m) }, "Flux Kustomization apps"},
	"Flux, a chart": {`"labels": {"helm.toolkit.fluxcd.io/name": "dev", "helm.toolkit.fluxcd.io/namespace": "flux-system"},
		"annotations": {"meta.helm.sh/release-name": "dev", "meta.helm.sh/release-namespace": "NAMESPACE"}`,
		func(ctx context.Context, m string) { applyAs(ctx, "helm-controller", m) }, "Flux HelmRelease dev"},
	"Helm": {`"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "dev", "meta.helm.sh/release-namespace": "NAMESPACE"}`,
		func(ctx context.Context, m string) {
			Expect(env.Client.Create(ctx, object(m), client.FieldOwner("helm"))).To(Succeed())
		}, "Helm release dev"},
	"kubectl": {`"labels": {"app.kubernetes.io/instance": "berth"}`,
		func(ctx context.Context, m string) { applyClientSide(ctx, "kubectl-client-side-apply", m) }, ""},
	"kubectl, server side": {`"labels": {}`, func(ctx context.Context, m string) { applyAs(ctx, "kubectl", m) }, ""},
}

var _ = Describe("What git holds", func() {
	for name, tool := range tools {
		It("is not changed by the API, field by field: "+name, func(ctx SpecContext) {
			w := newWorld(ctx)
			manifest := strings.ReplaceAll(`{"apiVersion": "berth.dev/v1alpha1", "kind": "Template", "metadata": {"name": "git", "namespace": "NAMESPACE", `+tool.metadata+`},
				"spec": {"displayName": "Git", "access": [{"kind": "Everyone", "role": "Use"}], "lifecycle": {"autostopAfter": "8h", "userCancel": "Forbid"},
				"content": {"image": "registry.example/base:24.04"}}}`, "NAMESPACE", w.organization)
			tool.apply(ctx, manifest)
			t := w.live(ctx, "git")
			w.settle(ctx, t)
			var all v1alpha1.TemplateVersionList
			Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
			Expect(all.Items).To(HaveLen(1))
			w.check(ctx, &all.Items[0], v1alpha1.JobSucceeded)
			w.settle(ctx, t)
			path := "templates/" + ids.Of(t).String()

			By("a field that git does not set, in a request that leaves out what clients leave out")
			changed := as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"description": "By the API", "default_ttl_ms": 28800000, "max_ttl_ms": 86400000}`)
			Expect(changed.Description).To(Equal("By the API"))
			Expect(changed.MaxTTLMillis).To(Equal(int64(86400000)))
			Expect(changed.AllowUserCancelWorkspaceJobs).To(BeFalse())
			if tool.known != "" {
				Expect(as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"icon": "/x.svg"}`).DefaultTTLMillis).To(Equal(int64(28800000)), "what is left out stays")
			}

			By("fields that git sets")
			edits := map[string]struct{ body, wire, field string }{
				"a text":       {`{"display_name": "Mine"}`, "display_name", "spec.displayName"},
				"a time":       {`{"default_ttl_ms": 3600000}`, "default_ttl_ms", "spec.lifecycle.autostopAfter"},
				"a permission": {`{"allow_user_cancel_workspace_jobs": true}`, "allow_user_cancel_workspace_jobs", "spec.lifecycle.userCancel"},
				"the access":   {`{"disable_everyone_group_access": true}`, "spec.access", "spec.access"},
				"the name":     {`{"name": "other"}`, "name", "spec.name"},
			}
			before := w.live(ctx, "git")
			for what, e := range edits {
				if tool.known == "" {
					as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, e.body)
					continue
				}
				r := refused(ctx, 409, w.admin, "PATCH", path, e.body, e.wire)
				Expect(r.Message).To(Equal("Template git is held by "+tool.known+", and "+e.field+" can't be changed here."), what)
			}
			if tool.known == "" {
				as[codersdk.Response](ctx, 200, w.admin, "DELETE", path, nil)
				return
			}
			r := refused(ctx, 409, w.admin, "DELETE", path, nil)
			Expect(r.Message).To(ContainSubstring(tool.known))
			Expect(w.live(ctx, "git").ResourceVersion).To(Equal(before.ResourceVersion))

			By("the active version, which git leaves to the rollout")
			second := w.version(ctx, t, "by-api", v1alpha1.JobSucceeded)
			as[codersdk.Response](ctx, 200, w.admin, "PATCH", path+"/versions", codersdk.UpdateActiveTemplateVersion{ID: ids.Of(second)})

			By("the tool's next turn, which finds nothing to put back")
			generation := w.live(ctx, "git").Generation
			if name != "Helm" {
				tool.apply(ctx, manifest)
				now := w.live(ctx, "git")
				Expect(now.Generation).To(Equal(generation))
				Expect(now.Spec.Description).To(Equal("By the API"))
			}
		})
	}

	It("is everything where only the mark is known", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "marked")
		t.Annotations["argocd.argoproj.io/tracking-id"] = "team-a:berth.dev/Template:x/marked"
		Expect(env.Client.Update(ctx, t, client.FieldOwner("somebody"))).To(Succeed())
		seen(ctx, t)
		refused(ctx, 409, w.admin, "PATCH", "templates/"+made.ID.String(), `{"description": "x"}`, "description")
		Expect(ask(ctx, w.admin, "PATCH", "templates/"+made.ID.String(), `{}`).status).To(Equal(304), "nothing is asked for")
	})

	It("is not a version's, which no tool wrote", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, t := w.made(ctx, "t")
		v := w.version(ctx, t, "v", v1alpha1.JobSucceeded, func(v *v1alpha1.TemplateVersion) {
			v.ObjectMeta.ManagedFields = []metav1.ManagedFieldsEntry{}
		})
		as[codersdk.TemplateVersion](ctx, 200, w.admin, "PATCH", "templateversions/"+ids.Of(v).String(), `{"message": "x"}`)
	})
})
