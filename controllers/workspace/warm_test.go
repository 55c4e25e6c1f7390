// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/warmworkspace"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

// pooled has the world's template have a pool, with so many prepared workspaces that can be claimed.
func (w *world) pooled(ctx context.Context, n int, change ...func(*v1alpha1.Template)) []*v1alpha1.WarmWorkspace {
	GinkgoHelper()
	w.template = w.newTemplate(ctx, "warm", append(change, func(t *v1alpha1.Template) { t.Spec.WarmPool = &v1alpha1.WarmPool{Size: int32(n)} })...)
	active := w.template.Status.ActiveVersion
	hash, err := parameters.Hash(active.UID, parameters.Resolved{Values: map[string]v1alpha1.Value{}})
	Expect(err).NotTo(HaveOccurred())
	var slots []*v1alpha1.WarmWorkspace
	for i := range n {
		s := &v1alpha1.WarmWorkspace{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: fmt.Sprintf("warm-warm-%d", i)},
			Spec: v1alpha1.WarmWorkspaceSpec{
				TemplateRef: v1alpha1.NameReference{Name: "warm"}, VersionRef: *active, ResolvedHash: hash,
				Parameters: &v1alpha1.BuildParameters{},
			},
		}
		create(ctx, s)
		w.prepares(ctx, s)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: s.Name}}
		read(ctx, pod)
		w.becomes(ctx, pod, func(p *corev1.Pod) {
			running(p)
			p.Status.ContainerStatuses[0].Ready = false // it holds
		})
		w.says(ctx, s, v1alpha1.WarmAgent{Name: "main", Connected: true, Replica: "r"})
		w.prepares(ctx, s)
		Expect(s.Status.Phase).To(Equal(v1alpha1.WarmReady))
		slots = append(slots, s)
	}
	return slots
}

// prepares runs the controller of prepared workspaces, which meets no mishap.
func (w *world) prepares(ctx context.Context, s *v1alpha1.WarmWorkspace) {
	GinkgoHelper()
	calm := NewJournal(env.Client)
	r := &warmworkspace.Reconciler{Client: calm, Live: calm, Clock: w.clock, Platform: render.Platform{AgentImage: "registry.example/berth:1"}}
	Expect(calm.Settle(ctx, r, s)).To(Succeed())
}

// says writes what an API server knows of a prepared workspace's agent.
func (w *world) says(ctx context.Context, s *v1alpha1.WarmWorkspace, agent v1alpha1.WarmAgent) {
	GinkgoHelper()
	read(ctx, s)
	s.Status.Agents = []v1alpha1.WarmAgent{agent}
	Expect(env.Client.Status().Update(ctx, s)).To(Succeed())
}

func (w *world) binds(ctx context.Context, s *v1alpha1.WarmWorkspace) {
	GinkgoHelper()
	w.says(ctx, s, v1alpha1.WarmAgent{Name: "main", Replica: "r", SecretHash: strings.Repeat("a", 64), Bound: true})
}

// allPods are the living pods of the namespace, whosever they are.
func (w *world) allPods(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(env.Client.List(ctx, &list, client.InNamespace(w.org))).To(Succeed())
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

var _ = Describe("A first start with a warm pool", func() {
	It("takes a prepared pod and its claims over, and runs in that pod", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		s := w.pooled(ctx, 1)[0]
		ws := w.workspace(ctx, "api")
		w.pass(ctx, ws)
		read(ctx, s)
		Expect(s.Spec.Claim.WorkspaceRef.UID).To(Equal(ws.UID))
		Expect(s.OwnerReferences).To(ConsistOf(HaveField("UID", ws.UID)))
		Expect(w.builds(ctx, ws)[0].Spec.Slot).To(HaveValue(Equal(v1alpha1.UIDReference{Name: v1alpha1.ObjectName(s.Name), UID: s.UID})))
		pod := w.pod(ctx, ws)
		Expect(pod.UID).To(Equal(s.Status.Pod.UID), "it is the very pod")
		Expect(pod.OwnerReferences).To(ConsistOf(HaveField("UID", ws.UID)))
		Expect(pod.Labels).To(HaveKeyWithValue(v1alpha1.LabelBuild, "1"))
		Expect(pod.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationOwner, w.user), HaveKeyWithValue(v1alpha1.AnnotationWorkspace, "api")))
		claim := w.claims(ctx, ws)[0]
		Expect(claim.UID).To(Equal(s.Status.Volumes[0].UID))
		Expect(claim.OwnerReferences).To(BeEmpty(), "a home is never collected with what it was prepared for")
		Expect(claim.Labels).To(HaveKeyWithValue(v1alpha1.LabelVolume, "home"))
		Expect(claim.Labels).NotTo(HaveKey(v1alpha1.LabelSlot))
		Expect(claim.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationWhenDeleted, "Delete"))

		w.binds(ctx, s)
		w.passes(time.Minute)
		w.becomes(ctx, pod, running)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
		Expect(ws.Status.Pod.UID).To(Equal(pod.UID))
		Expect(ws.Status.Pod.Slot).To(Equal(s.UID), "it is known as one that was prepared")
		Expect(ws.Status.Volumes).To(ConsistOf(HaveField("ClaimName", claim.Name)))
		w.prepares(ctx, s)
		Expect(read(ctx, s)).To(BeTrue(), "it stays as the record of the claim while its pod lives")

		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.pass(ctx, ws)
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		w.prepares(ctx, s)
		Expect(read(ctx, s)).To(BeFalse(), "its pod is gone")
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(w.claims(ctx, ws)).To(ConsistOf(HaveField("UID", claim.UID)), "the home is the same")
		Expect(w.pod(ctx, ws).Name).To(Equal("api"))
	})

	It("takes one prepared workspace once, of however many race for it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		s := w.pooled(ctx, 1)[0]
		const racers = 20
		var all []*v1alpha1.Workspace
		for i := range racers {
			ws := w.workspace(ctx, fmt.Sprintf("api-%d", i))
			_, err := w.decides.Reconcile(ctx, request(ws)) // it is adopted
			Expect(err).NotTo(HaveOccurred())
			all = append(all, ws)
		}
		var wait sync.WaitGroup
		for _, ws := range all {
			wait.Go(func() {
				defer GinkgoRecover()
				for range 10 {
					_, err := w.decides.Reconcile(ctx, request(ws))
					Expect(err).NotTo(HaveOccurred())
				}
			})
		}
		wait.Wait()
		read(ctx, s)
		holders := 0
		for _, ws := range all {
			builds := w.builds(ctx, ws)
			Expect(builds).To(HaveLen(1))
			if builds[0].Spec.Slot != nil {
				holders++
				Expect(s.Spec.Claim.WorkspaceRef.UID).To(Equal(ws.UID))
			}
		}
		Expect(holders).To(Equal(1))
	})

	It("goes on without the prepared pod whose agents were not told in time, with the same claims and never two pods", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		s := w.pooled(ctx, 1)[0]
		ws := w.workspace(ctx, "api")
		w.pass(ctx, ws)
		w.says(ctx, s, v1alpha1.WarmAgent{Name: "main", SecretHash: strings.Repeat("a", 64)}) // the secret was lost on its way
		w.passes(19 * time.Second)
		w.pass(ctx, ws)
		Expect(w.pod(ctx, ws).DeletionTimestamp).To(BeNil())
		w.passes(time.Second)
		w.pass(ctx, ws)
		Expect(w.pod(ctx, ws).DeletionTimestamp).NotTo(BeNil())
		w.passes(time.Minute)
		w.pass(ctx, ws)
		Expect(w.pods(ctx, ws)).To(HaveLen(1), "no other while that one may still run")
		w.ends(ctx, ws)
		pod := w.run(ctx, ws)
		Expect(pod.UID).NotTo(Equal(s.Status.Pod.UID))
		Expect(pod.Spec.Containers[0].Command).NotTo(ContainElement("--hold"))
		Expect(w.claims(ctx, ws)).To(ConsistOf(HaveField("UID", s.Status.Volumes[0].UID)))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
		w.prepares(ctx, s)
		Expect(read(ctx, s)).To(BeFalse())
	})

	It("goes on without a prepared workspace that is gone, or whose pod is", func(ctx SpecContext) {
		for name, lose := range map[string]func(*world, *v1alpha1.WarmWorkspace){
			"its pod": func(w *world, s *v1alpha1.WarmWorkspace) {
				w.kill(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: s.Name}})
			},
			"it and all of it": func(w *world, s *v1alpha1.WarmWorkspace) {
				Expect(env.Client.Delete(ctx, s)).To(Succeed())
				w.kill(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: s.Name}})
			},
		} {
			w := found(ctx, env.Client)
			s := w.pooled(ctx, 1)[0]
			ws := w.workspace(ctx, "api")
			for ws.Status.Build == nil {
				_, err := w.decides.Reconcile(ctx, request(ws))
				Expect(err).NotTo(HaveOccurred())
				read(ctx, ws)
			}
			Expect(w.builds(ctx, ws)[0].Spec.Slot).NotTo(BeNil())
			lose(w, s)
			w.run(ctx, ws)
			Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}), name)
			Expect(w.allPods(ctx)).To(HaveLen(1), name)
		}
	})

	It("leaves alone what is not as its own first build would make it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		s := w.pooled(ctx, 1)[0]
		w.promote(ctx, w.template, "warm-2", w.template.Spec.Content)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(w.builds(ctx, ws)[0].Spec.Slot).To(BeNil())
		read(ctx, s)
		Expect(s.Spec.Claim).To(BeNil())
	})

	It("goes on where a process died between the claim and the build", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		slots := w.pooled(ctx, 3)
		ws := w.workspace(ctx, "api")
		w.step(ctx, ws)
		read(ctx, ws)
		claim := v1alpha1.WarmClaim{WorkspaceRef: v1alpha1.UIDReference{Name: "api", UID: ws.UID}, Owner: ws.Spec.Owner, At: w.clock.Now().Format(time.RFC3339Nano)}
		slots[1].Spec.Claim, slots[1].Labels = &claim, map[string]string{v1alpha1.LabelID: id(ws)}
		Expect(env.Client.Update(ctx, slots[1])).To(Succeed())
		// the cache has not seen it
		w.decides.Client = interceptor.NewClient(w.Journal, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
				err := c.List(ctx, into, opts...)
				if list, ours := into.(*v1alpha1.WarmWorkspaceList); ours {
					for i := range list.Items {
						list.Items[i].Spec.Claim = nil
					}
				}
				return err
			},
		})
		w.pass(ctx, ws)
		Expect(w.builds(ctx, ws)[0].Spec.Slot.UID).To(Equal(slots[1].UID))
		for _, i := range []int{0, 2} {
			read(ctx, slots[i])
			Expect(slots[i].Spec.Claim).To(BeNil())
		}
	})

	It("ends the same whatever becomes of a request, and no prepared workspace is two workspaces'", func(ctx SpecContext) {
		life := func(w *world, u *unlucky) string {
			slots := w.pooled(ctx, 2) // a claim that meets 409 takes the next
			ws := w.workspace(ctx, "api")
			w.patiently(ctx, ws, u)
			var s *v1alpha1.WarmWorkspace
			for _, slot := range slots {
				if read(ctx, slot); slot.Spec.Claim != nil {
					Expect(s).To(BeNil(), "it has claimed two")
					s = slot
				}
			}
			Expect(s).NotTo(BeNil())
			w.binds(ctx, s)
			Expect(w.allPods(ctx)).To(HaveLen(2))
			pod := w.pod(ctx, ws)
			Expect(pod.UID).To(Equal(s.Status.Pod.UID))
			w.becomes(ctx, pod, running)
			w.patiently(ctx, ws, u)
			next := w.workspace(ctx, "next")
			w.patiently(ctx, next, u)
			if other := w.builds(ctx, next)[0].Spec.Slot; other != nil {
				Expect(other.UID).NotTo(Equal(s.UID))
			}
			claim := w.claims(ctx, ws)[0]
			return fmt.Sprintln(w.ledger(ctx, ws), claim.OwnerReferences, claim.Labels[v1alpha1.LabelVolume], claim.UID == s.Status.Volumes[0].UID,
				len(w.claims(ctx, ws)), pod.OwnerReferences[0].UID == ws.UID, len(pod.OwnerReferences), len(w.pods(ctx, next)))
		}
		calm := luckless(-1, mishaps[0])
		want := life(found(ctx, calm), calm)
		Expect(want).To(Equal("[1 Start Succeeded] [] home true 1 true 1 1\n"))
		for _, m := range mishaps {
			for parity := range 2 {
				u := luckless(parity, m)
				Expect(life(found(ctx, u), u)).To(Equal(want), "%s met %v", m.name, u.met)
				Expect(u.met).To(ContainElement(ContainSubstring("patch")))
			}
		}
	})

	It("costs nothing where the template has no pool", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		asked := 0
		count := interceptor.NewClient(w.Journal, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
				if _, ours := into.(*v1alpha1.WarmWorkspaceList); ours {
					asked++
				}
				return c.List(ctx, into, opts...)
			},
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if _, ours := o.(*v1alpha1.WarmWorkspace); ours {
					asked++
				}
				return c.Get(ctx, key, o, opts...)
			},
		})
		w.decides = &workspace.Reconciler{Client: count, Live: count, Own: "default", Clock: w.clock, Events: w.said, AgentImage: "registry.example/berth:1"}
		w.acts.Client, w.acts.Live = count, count
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(asked).To(BeZero())
	})
})
