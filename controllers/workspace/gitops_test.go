// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/testing/given"
)

// kustomizeController applies a manifest as Flux does: server-side, as its own manager, with force.
func kustomizeController(ctx context.Context, manifest map[string]any) {
	GinkgoHelper()
	u := (&unstructured.Unstructured{Object: manifest}).DeepCopy()
	u.SetLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"})
	Expect(env.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kustomize-controller"), client.ForceOwnership)).To(Succeed())
}

// kubectlApply applies a manifest as kubectl does by default: with a merge patch of three sides, the last one that it
// applied being in an annotation. Nothing is sent where there is no difference.
func kubectlApply(ctx context.Context, manifest map[string]any) {
	GinkgoHelper()
	const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
	plain, err := json.Marshal(manifest)
	Expect(err).NotTo(HaveOccurred())
	wanted := (&unstructured.Unstructured{Object: manifest}).DeepCopy()
	wanted.SetAnnotations(map[string]string{lastApplied: string(plain)})
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(wanted.GroupVersionKind())
	err = env.Client.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	if apierrors.IsNotFound(err) {
		Expect(env.Client.Create(ctx, wanted, client.FieldOwner("kubectl-client-side-apply"))).To(Succeed())
		return
	}
	Expect(err).NotTo(HaveOccurred())
	next, err := json.Marshal(wanted)
	Expect(err).NotTo(HaveOccurred())
	current, err := json.Marshal(live)
	Expect(err).NotTo(HaveOccurred())
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(live.GetAnnotations()[lastApplied]), next, current)
	Expect(err).NotTo(HaveOccurred())
	if string(patch) != "{}" {
		Expect(env.Client.Patch(ctx, live, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-client-side-apply"))).To(Succeed())
	}
}

var _ = Describe("A tool that applies the manifest again and again", func() {
	// follow goes on until the workspace is at rest, with the manifest applied before every pass of a controller, and adds
	// what a person watching would see.
	follow := func(ctx context.Context, w *world, ws *v1alpha1.Workspace, apply func(), seen *[]string) {
		GinkgoHelper()
		look := func() {
			GinkgoHelper()
			read(ctx, ws)
			if now := string(ws.Status.Phase); now != "" && (len(*seen) == 0 || (*seen)[len(*seen)-1] != now) {
				*seen = append(*seen, now)
			}
		}
		again := func() {
			GinkgoHelper()
			read(ctx, ws)
			before, generation := ws.ResourceVersion, ws.Generation
			apply()
			read(ctx, ws)
			Expect(ws.ResourceVersion).To(Equal(before), "the tool finds a difference, and will for ever")
			Expect(ws.Generation).To(Equal(generation))
		}
		for range 60 {
			before := len(w.Writes())
			again()
			_, err := w.decides.Reconcile(ctx, request(ws))
			Expect(err).NotTo(HaveOccurred())
			look()
			again()
			_, err = w.acts.Reconcile(ctx, accepted(ctx, ws))
			Expect(err).NotTo(HaveOccurred())
			look()
			if len(w.Writes()) == before {
				w.invariants(ctx, ws)
				return
			}
		}
		Fail("it does not come to rest")
	}

	for tool, apply := range map[string]func(context.Context, map[string]any){"kustomize-controller": kustomizeController, "kubectl": kubectlApply} {
		for wish, state := range map[string]string{"a lasting state": "Running", "no state": ""} {
			It("starts no fight over a start, an autostop and a start by the API: "+tool+", with "+wish, func(ctx SpecContext) {
				w := found(ctx, env.Client)
				spec := map[string]any{
					"owner": map[string]any{"user": w.user}, "templateRef": map[string]any{"name": w.template.Name}, "autostop": map[string]any{"after": "8h"},
				}
				if state != "" {
					spec["state"] = state
				}
				manifest := map[string]any{
					"apiVersion": "berth.dev/v1alpha1", "kind": "Workspace",
					"metadata": map[string]any{"name": "api", "namespace": w.org}, "spec": spec,
				}
				again := func() { apply(ctx, manifest) }
				again()
				again() // the cluster tidies up its own defaults with the second one
				ws := given.Workspace(w.org, "api", w.user, w.template.Name)
				read(ctx, ws)
				var seen []string

				By("its start")
				follow(ctx, w, ws, again, &seen)
				w.becomes(ctx, w.pod(ctx, ws), running)
				follow(ctx, w, ws, again, &seen)

				By("its autostop")
				w.passes(8 * time.Hour)
				follow(ctx, w, ws, again, &seen)
				w.ends(ctx, ws)
				follow(ctx, w, ws, again, &seen)
				w.passes(8 * time.Hour)
				follow(ctx, w, ws, again, &seen)

				By("a start by the API")
				last := w.builds(ctx, ws)[0]
				create(ctx, given.Build(ws, 3, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
					b.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(ws)}
					b.Spec.Initiator, b.Spec.RequestID = v1alpha1.Initiator{User: w.user, Name: w.user}, "r1"
					b.Spec.VersionRef, b.Spec.ResolvedHash, b.Spec.Parameters = last.Spec.VersionRef, last.Spec.ResolvedHash, last.Spec.Parameters
					b.Spec.Wish = ws.Status.Acted
				}))
				follow(ctx, w, ws, again, &seen)
				w.becomes(ctx, w.pod(ctx, ws), running)
				follow(ctx, w, ws, again, &seen)

				Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded", "3 Start Succeeded"}))
				Expect(seen).To(Equal([]string{"Starting", "Running", "Stopping", "Stopped", "Starting", "Running"}))
			})
		}
	}
})
