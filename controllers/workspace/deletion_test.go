// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// gone has the workspace's deletion end, with a kubelet that ends its pods.
func (w *world) gone(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	w.pass(ctx, ws)
	w.ends(ctx, ws)
	w.pass(ctx, ws)
	Expect(w.pods(ctx, ws)).To(BeEmpty())
	if read(ctx, ws) {
		Expect(ws.Finalizers).NotTo(ContainElement(v1alpha1.FinalizerWorkspace))
	}
}

// collect plays the garbage collector, which envtest has none of: it deletes what the workspace owns.
func (w *world) collect(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	for _, b := range w.builds(ctx, ws) {
		if ledger.Owns(ws, b) {
			Expect(client.IgnoreNotFound(env.Client.Delete(ctx, b))).To(Succeed())
		}
	}
	for _, p := range w.pods(ctx, ws) {
		if ledger.Owns(ws, &p) {
			w.kill(ctx, &p)
		}
	}
}

// lets takes a finalizer of the cluster's own off, as the collector does.
func lets(ctx context.Context, ws *v1alpha1.Workspace, finalizer string) {
	GinkgoHelper()
	if read(ctx, ws) {
		ws.Finalizers = slices.DeleteFunc(ws.Finalizers, func(f string) bool { return f == finalizer })
		Expect(env.Client.Update(ctx, ws)).To(Succeed())
	}
}

// with makes a template of that lifecycle the world's.
func (w *world) with(ctx context.Context, lifecycle v1alpha1.Lifecycle, content ...func(*v1alpha1.TemplateContent)) {
	GinkgoHelper()
	w.template = w.newTemplate(ctx, "special", func(t *v1alpha1.Template) {
		t.Spec.Lifecycle = &lifecycle
		t.Spec.Content = given.Content(content...)
	})
}

var _ = Describe("Deleting a workspace", func() {
	It("keeps its claims for a week, with what brings it back, and a record of who did it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Delete Running"}))
		w.gone(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Delete Succeeded"}))
		claim := w.claims(ctx, ws)[0]
		until := ws.DeletionTimestamp
		Expect(until).NotTo(BeNil())
		Expect(claim.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationDeleteAfter, w.clock.Now().Add(168*time.Hour).UTC().Format(time.RFC3339)))
		Expect(claim.Annotations[v1alpha1.AnnotationUndelete]).To(ContainSubstring(`"templateRef":{"name":"go"}`))
		Expect(claim.OwnerReferences).To(BeEmpty())

		_, err := w.sweeps.Reconcile(ctx, request(&claim))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.claims(ctx, ws)).To(HaveLen(1))
		w.passes(168*time.Hour - time.Second)
		result, err := w.sweeps.Reconcile(ctx, request(&claim))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(time.Second))
		Expect(left(w.claims(ctx, ws))).To(HaveLen(1))
		w.passes(time.Second)
		_, err = w.sweeps.Reconcile(ctx, request(&claim))
		Expect(err).NotTo(HaveOccurred())
		Expect(left(w.claims(ctx, ws))).To(BeEmpty())
	})

	It("says what it waits for in the write that accepts it, and that it is at work only where pods take long to end", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.decides.Brief = time.Second
		ws := w.workspace(ctx, "api")
		for w.pass(ctx, ws); len(w.pods(ctx, ws)) == 0; w.pass(ctx, ws) {
		}
		w.becomes(ctx, w.pod(ctx, ws), running)
		w.pass(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		before := len(w.Writes())
		result, err := w.decides.Reconcile(ctx, request(ws))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeZero(), "its own write brings the next pass")
		read(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseDeleting))
		result, err = w.decides.Reconcile(ctx, request(ws))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(time.Second))
		Expect(w.Writes()[before:]).To(HaveExactElements(HavePrefix("create *v1alpha1.WorkspaceBuild"), HavePrefix("update status of *v1alpha1.Workspace"), HavePrefix("delete *v1.Pod")))
		Expect(w.ledger(ctx, ws)).To(HaveExactElements(HavePrefix("1 Start"), "2 Delete Pending"))
		w.passes(2 * time.Second)
		w.pass(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveExactElements(HavePrefix("1 Start"), "2 Delete Running"))
		w.gone(ctx, ws)
	})

	It("removes its claims at once where nothing is to be kept, but for those that are retained", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: "0s"}, func(c *v1alpha1.TemplateContent) {
			c.VolumeClaims = []v1alpha1.VolumeClaim{
				{Name: "home", Size: "1Gi", MountPath: "/home/dev"},
				{Name: "data", Size: "1Gi", MountPath: "/data", WhenDeleted: v1alpha1.WhenDeletedRetain},
			}
		})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		kept := left(w.claims(ctx, ws))
		Expect(kept).To(HaveLen(1))
		Expect(kept[0].Labels).To(HaveKeyWithValue(v1alpha1.LabelVolume, "data"))
		Expect(kept[0].Annotations).NotTo(HaveKey(v1alpha1.AnnotationDeleteAfter))
	})

	It("keeps claims as decided at the last start, whatever the template says now, or when it is gone", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: "24h"})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, w.template)).To(Succeed())
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.TemplateVersion{}, client.InNamespace(w.org))).To(Succeed())
		Expect(env.Client.Delete(ctx, given.User(w.user))).To(Succeed())
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		Expect(w.claims(ctx, ws)[0].Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationDeleteAfter, w.clock.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)))
	})

	It("removes a generated Secret with the last of the claims, and not before", func(ctx SpecContext) {
		for keep, when := range map[v1alpha1.Duration]time.Duration{"0s": 0, "24h": 24 * time.Hour} {
			w := found(ctx, env.Client)
			w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: keep}, func(c *v1alpha1.TemplateContent) {
				c.VolumeClaims = []v1alpha1.VolumeClaim{{Name: "home", Size: "1Gi", MountPath: "/home/dev"}, {Name: "data", Size: "1Gi"}}
				c.Secrets = []v1alpha1.GeneratedSecret{{Name: "db", Generate: []string{"password"}}}
			})
			ws := w.workspace(ctx, "api")
			w.run(ctx, ws)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: render.SecretName(ws, "db")}}
			Expect(read(ctx, secret)).To(BeTrue())
			claims := w.claims(ctx, ws)
			Expect(env.Client.Delete(ctx, ws)).To(Succeed())
			w.gone(ctx, ws)
			if when > 0 {
				w.passes(when)
				for i := range claims {
					Expect(read(ctx, secret)).To(BeTrue(), "a claim is left")
					_, err := w.sweeps.Reconcile(ctx, request(&claims[i]))
					Expect(err).NotTo(HaveOccurred())
				}
			}
			Expect(left(w.claims(ctx, ws))).To(BeEmpty())
			Expect(read(ctx, secret)).To(BeFalse())
		}
	})

	It("keeps a generated Secret as long as a claim that is retained", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: "0s"}, func(c *v1alpha1.TemplateContent) {
			c.VolumeClaims = []v1alpha1.VolumeClaim{{Name: "home", Size: "1Gi"}, {Name: "data", Size: "1Gi", WhenDeleted: v1alpha1.WhenDeletedRetain}}
			c.Secrets = []v1alpha1.GeneratedSecret{{Name: "db", Generate: []string{"password"}}}
		})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: render.SecretName(ws, "db")}}
		Expect(read(ctx, secret)).To(BeTrue())
		password := secret.Data["password"]
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		Expect(left(w.claims(ctx, ws))).To(HaveLen(1))
		Expect(read(ctx, secret)).To(BeTrue())
		Expect(secret.Data["password"]).To(Equal(password))
	})

	It("works under foreground deletion, where the collector takes builds and pods at once", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		w.collect(ctx, ws)
		w.gone(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(BeEmpty(), "no record is made for the collector to take")
		lets(ctx, ws, metav1.FinalizerDeleteDependents)
		Expect(read(ctx, ws)).To(BeFalse())
		Expect(w.claims(ctx, ws)[0].Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter))
	})

	orphaned := func(ctx context.Context, w *world, ws *v1alpha1.Workspace, claim corev1.PersistentVolumeClaim) {
		GinkgoHelper()
		Expect(w.ledger(ctx, ws)).To(BeEmpty())
		Expect(w.claims(ctx, ws)).To(BeEmpty())
		Expect(read(ctx, &claim)).To(BeTrue())
		Expect(claim.Labels).NotTo(HaveKey(v1alpha1.LabelManagedBy))
		Expect(claim.Annotations[v1alpha1.AnnotationOrphan]).To(ContainSubstring(id(ws)))
		Expect(claim.Annotations).NotTo(HaveKey(v1alpha1.AnnotationDeleteAfter))
	}

	It("leaves its claims behind, unlabelled, when it is orphaned", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		Expect(env.Client.Delete(ctx, ws, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		w.gone(ctx, ws)
		lets(ctx, ws, metav1.FinalizerOrphanDependents)
		orphaned(ctx, w, ws, claim)
	})

	It("knows an orphaning also when the collector was first", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		pod := w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		Expect(env.Client.Delete(ctx, ws, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		for _, o := range []client.Object{w.builds(ctx, ws)[0], pod} {
			edit(ctx, o, `{"metadata":{"ownerReferences":null}}`)
		}
		lets(ctx, ws, metav1.FinalizerOrphanDependents)
		w.gone(ctx, ws)
		orphaned(ctx, w, ws, claim)
	})

	It("follows a delete build of the API server, orphaning or not", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		for name, orphan := range map[string]bool{"api": false, "web": true} {
			ws := w.workspace(ctx, name)
			w.run(ctx, ws)
			claim := w.claims(ctx, ws)[0]
			create(ctx, given.Build(ws, 2, v1alpha1.TransitionDelete, func(b *v1alpha1.WorkspaceBuild) {
				b.Spec.RequestID, b.Spec.Orphan = "r", orphan
				b.Labels = map[string]string{v1alpha1.LabelID: id(ws)}
				b.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(ws)}
			}))
			w.gone(ctx, ws)
			Expect(read(ctx, ws)).To(BeFalse())
			if orphan {
				orphaned(ctx, w, ws, claim)
				continue
			}
			Expect(w.ledger(ctx, ws)).To(ContainElement("2 Delete Succeeded"))
			Expect(w.claims(ctx, ws)[0].Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter))
		}
	})

	It("ends in a terminating namespace, which takes no new objects", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.org}})).To(Succeed())
		fresh := w.workspaceObject("late")
		Expect(env.Client.Create(ctx, fresh)).To(MatchError(ContainSubstring("being terminated")))
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		Expect(read(ctx, ws)).To(BeFalse())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
		Expect(w.claims(ctx, ws)[0].Annotations).NotTo(HaveKey(v1alpha1.AnnotationDeleteAfter), "the namespace takes them")
	})

	It("cancels a start at work and makes nothing more", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Failed", "2 Delete Succeeded"}))
		Expect(read(ctx, ws)).To(BeFalse())
	})

	It("touches nobody else's claims when a copied manifest holds another's id", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: "0s"})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		copied := w.workspace(ctx, "copy", func(c *v1alpha1.Workspace) {
			c.Spec.ID = ws.Spec.ID
			c.Finalizers = []string{v1alpha1.FinalizerWorkspace}
		})
		w.younger(ctx, ws, copied)
		w.settle(ctx, copied)
		Expect(copied).To(BeStalled(v1alpha1.ReasonIDTaken))
		Expect(env.Client.Delete(ctx, copied)).To(Succeed())
		_, err := w.decides.Reconcile(ctx, request(copied))
		Expect(err).NotTo(HaveOccurred())
		_, err = w.decides.Reconcile(ctx, request(copied))
		Expect(err).NotTo(HaveOccurred())
		Expect(read(ctx, copied)).To(BeFalse())
		Expect(left(w.claims(ctx, ws))).To(HaveLen(1))
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
	})

	It("gives a kept home back to a workspace of the same id, and no sweep takes it then", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(w.org))).To(Succeed())
		again := w.workspace(ctx, "api", func(again *v1alpha1.Workspace) { again.Spec.ID = v1alpha1.ID(ws.UID) })
		w.settle(ctx, again)
		Expect(w.claims(ctx, again)[0].Annotations).NotTo(HaveKey(v1alpha1.AnnotationDeleteAfter))
		Expect(again.Status.Phase).To(Equal(v1alpha1.PhaseStopped), "its claims show that it is not new")
		w.asks(ctx, again, v1alpha1.RequestStart)
		w.run(ctx, again)
		Expect(w.claims(ctx, again)).To(HaveLen(1))
		Expect(w.claims(ctx, again)[0].UID).To(Equal(claim.UID))
	})

	It("sweeps no home whose workspace is there again, also where the cache does not know it yet", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		w.passes(1000 * time.Hour)
		w.sweeps.Client = interceptor.NewClient(env.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if _, ok := list.(*v1alpha1.WorkspaceList); ok {
					return nil
				}
				return c.List(ctx, list, opts...)
			},
		})
		back := w.workspaceObject("api", func(again *v1alpha1.Workspace) { again.Spec.ID = v1alpha1.ID(ws.UID) })
		for _, forgets := range []string{"nothing", "its workspace's name"} {
			By("the claim has lost " + forgets)
			back.ResourceVersion = ""
			create(ctx, back)
			Expect(w.sweeps.Reconcile(ctx, request(&claim))).To(HaveField("RequeueAfter", time.Minute))
			read(ctx, &claim)
			Expect(claim.DeletionTimestamp).To(BeNil())
			Expect(env.Client.Delete(ctx, back)).To(Succeed())
			edit(ctx, &claim, fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationWorkspace))
		}
		_, err := w.sweeps.Reconcile(ctx, request(&claim))
		Expect(err).NotTo(HaveOccurred())
		Expect(left(w.claims(ctx, ws))).To(BeEmpty())
	})

	It("sweeps no claim that no deletion has marked, nor one whose mark can't be read", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		for i, annotation := range []string{"", "tomorrow", "2026-01-01"} {
			claim := w.foreignClaim(ctx, fmt.Sprint("c", i), map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelID: string(types.UID("x"))})
			if annotation != "" {
				edit(ctx, claim, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationDeleteAfter, annotation))
			}
			_, err := w.sweeps.Reconcile(ctx, request(claim))
			Expect(err).NotTo(HaveOccurred())
			read(ctx, claim)
			Expect(claim.DeletionTimestamp).To(BeNil())
		}
		foreign := w.foreignClaim(ctx, "foreign", nil)
		edit(ctx, foreign, fmt.Sprintf(`{"metadata":{"annotations":{%q:"2020-01-01T00:00:00Z"}}}`, v1alpha1.AnnotationDeleteAfter))
		_, err := w.sweeps.Reconcile(ctx, request(foreign))
		Expect(err).NotTo(HaveOccurred())
		read(ctx, foreign)
		Expect(foreign.DeletionTimestamp).To(BeNil())
	})
})

// left are the claims that are not being deleted: the cluster's own finalizer holds them, and envtest has nobody to
// take it off.
func left(claims []corev1.PersistentVolumeClaim) []corev1.PersistentVolumeClaim {
	return slices.DeleteFunc(claims, func(c corev1.PersistentVolumeClaim) bool { return c.DeletionTimestamp != nil })
}
