// SPDX-License-Identifier: Apache-2.0

package warmpool_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A warm pool", func() {
	It("keeps as many prepared workspaces as it wants, each with claims and a pod that are its own, and then writes nothing", func(ctx SpecContext) {
		b := set(ctx, 2)
		b.settles(ctx)
		Expect(b.template.Status.WarmPool).To(HaveValue(Equal(v1alpha1.WarmPoolStatus{Wanted: 2, Preparing: 2})))
		slots := b.slots(ctx)
		Expect(slots).To(HaveLen(2))
		hash, err := parameters.Hash(b.version.UID, parameters.Resolved{Values: map[string]v1alpha1.Value{}})
		Expect(err).NotTo(HaveOccurred())
		for _, s := range slots {
			Expect(s.Spec.ResolvedHash).To(Equal(hash), "it is that of a first build")
			Expect(s.Status.Phase).To(Equal(v1alpha1.WarmPreparing))
			Expect(s.OwnerReferences).To(ConsistOf(HaveField("UID", b.template.UID)))
			var pod corev1.Pod
			Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: b.org, Name: s.Name}, &pod)).To(Succeed())
			Expect(s.Status.Pod.UID).To(Equal(pod.UID))
			Expect(pod.OwnerReferences).To(ConsistOf(HaveField("UID", s.UID)))
			Expect(pod.Labels).NotTo(HaveKey(v1alpha1.LabelID), "it is nobody's")
			Expect(pod.Spec.Containers[0].Command).To(ContainElement("--hold"))
			var claim corev1.PersistentVolumeClaim
			Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: b.org, Name: s.Status.Volumes[0].ClaimName}, &claim)).To(Succeed())
			Expect(claim.OwnerReferences).To(ConsistOf(HaveField("UID", s.UID)))
			Expect(claim.Labels).NotTo(HaveKey(v1alpha1.LabelID))
		}
		b.warms(ctx)
		b.settles(ctx)
		Expect(b.template.Status.WarmPool).To(HaveValue(Equal(v1alpha1.WarmPoolStatus{Wanted: 2, Ready: 2})))
		before := len(b.Writes())
		b.later(time.Hour)
		b.settles(ctx)
		Expect(b.Writes()[before:]).To(BeEmpty(), "a quiet pool is quiet")
	})

	It("goes by its schedule, and by what is asked for", func(ctx SpecContext) {
		b := set(ctx, 1)
		b.clock.SetTime(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
		b.edits(ctx, func(t *v1alpha1.Template) {
			t.Spec.WarmPool.Schedule = []v1alpha1.WarmPoolSize{
				{Schedule: v1alpha1.Schedule{Schedule: "0 7 * * *"}, Size: 3}, {Schedule: v1alpha1.Schedule{Schedule: "0 19 * * *"}, Size: 0},
			}
			t.Spec.WarmPool.Demand = &v1alpha1.WarmPoolDemand{Max: 5}
		})
		b.settles(ctx)
		Expect(b.slots(ctx)).To(HaveLen(3))
		result, err := b.pool.Reconcile(ctx, requestOf(b.template))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(7 * time.Hour))
		b.later(7 * time.Hour)
		b.settles(ctx)
		Expect(b.slots(ctx)).To(BeEmpty())
		for _, name := range []string{"a", "b"} {
			create(ctx, given.Workspace(b.org, name, "ada", "go", func(w *v1alpha1.Workspace) {
				w.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: b.clock.Now().Format(time.RFC3339Nano)}
			}))
		}
		b.settles(ctx)
		Expect(b.slots(ctx)).To(HaveLen(2))
		b.later(time.Hour)
		b.settles(ctx)
		Expect(b.slots(ctx)).To(BeEmpty())
	})

	It("exchanges those of an earlier version, and lets those go that are too many, but none that was claimed", func(ctx SpecContext) {
		b := set(ctx, 2)
		b.settles(ctx)
		b.warms(ctx)
		b.settles(ctx)
		taken := b.slots(ctx)[0]
		taken.Spec.Claim = &v1alpha1.WarmClaim{WorkspaceRef: v1alpha1.UIDReference{Name: "api", UID: "w"}, Owner: v1alpha1.WorkspaceOwner{User: "ada"}, At: "2026-11-26T12:00:00Z"}
		Expect(env.Client.Update(ctx, &taken)).To(Succeed())
		b.promotes(ctx, "go-2", func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/base:26.04" })
		b.settles(ctx)
		b.collects(ctx)
		var free []v1alpha1.WarmWorkspace
		for _, s := range b.slots(ctx) {
			if s.Spec.Claim == nil {
				Expect(s.Spec.VersionRef.UID).To(Equal(b.version.UID))
				free = append(free, s)
			}
		}
		Expect(free).To(HaveLen(2))
		Expect(b.slots(ctx)).To(HaveLen(3))
		b.edits(ctx, func(t *v1alpha1.Template) { t.Spec.WarmPool = nil })
		b.settles(ctx)
		Expect(b.slots(ctx)).To(ConsistOf(HaveField("Name", taken.Name)))
		Expect(b.template.Status.WarmPool).To(BeNil())
	})

	It("is empty and says why where the pod is not the same for everybody", func(ctx SpecContext) {
		b := set(ctx, 2)
		b.settles(ctx)
		b.promotes(ctx, "go-2", func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/${owner.name}" })
		b.settles(ctx)
		Expect(b.slots(ctx)).To(BeEmpty())
		Expect(b.template.Status.WarmPool.Message).To(ContainSubstring("spec.content.image"))
		Expect(b.told.Events).To(Receive(And(ContainSubstring("NotPoolable"), ContainSubstring("spec.content.image"))))
	})

	It("is empty and says why where workspaces stand in their owners' namespaces, or its parameters are refused", func(ctx SpecContext) {
		b := set(ctx, 1)
		var org v1alpha1.Organization
		Expect(env.Client.Get(ctx, client.ObjectKey{Name: b.org}, &org)).To(Succeed())
		org.Spec.WorkspaceNamespaces = v1alpha1.WorkspaceNamespacesPerOwner
		Expect(env.Client.Update(ctx, &org)).To(Succeed())
		b.settles(ctx)
		Expect(b.slots(ctx)).To(BeEmpty())
		Expect(b.template.Status.WarmPool.Message).To(ContainSubstring("a namespace for each owner"))

		other := set(ctx, 1)
		other.edits(ctx, func(t *v1alpha1.Template) {
			t.Spec.WarmPool.Parameters = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}
		})
		other.settles(ctx)
		Expect(other.template.Status.WarmPool.Message).To(ContainSubstring("spec.warmPool.parameters.cpu"))
	})

	It("makes one that failed anew, the later the more often it failed", func(ctx SpecContext) {
		b := set(ctx, 1)
		b.settles(ctx)
		first := b.slots(ctx)[0]
		Expect(env.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(b.org), client.GracePeriodSeconds(0))).To(Succeed())
		b.settles(ctx)
		Expect(b.slots(ctx)).To(ConsistOf(HaveField("UID", first.UID)), "not at once")
		Expect(b.template.Status.WarmPool.Message).To(Equal("its pod is gone"))
		b.later(15 * time.Second)
		b.settles(ctx)
		second := b.slots(ctx)[0]
		Expect(second.UID).NotTo(Equal(first.UID))
		Expect(env.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(b.org), client.GracePeriodSeconds(0))).To(Succeed())
		b.settles(ctx)
		b.later(15 * time.Second)
		b.settles(ctx)
		Expect(b.slots(ctx)).To(ConsistOf(HaveField("UID", second.UID)), "the second time it takes twice as long")
		b.later(15 * time.Second)
		b.settles(ctx)
		Expect(b.slots(ctx)[0].UID).NotTo(Equal(second.UID))
	})

	It("makes no more than it wants from a cache that has not seen what it made", func(ctx SpecContext) {
		b := set(ctx, 3)
		b.pool.Client = interceptor.NewClient(b.Journal, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
				if _, ours := into.(*v1alpha1.WarmWorkspaceList); ours {
					return nil // the cache has seen none of them
				}
				return c.List(ctx, into, opts...)
			},
		})
		for range 3 {
			_, err := b.pool.Reconcile(ctx, requestOf(b.template))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(b.slots(ctx)).To(HaveLen(3))
	})
})

var _ = Describe("A prepared workspace", func() {
	It("can be claimed once its pod runs and every agent is connected, and not while one is away", func(ctx SpecContext) {
		b := set(ctx, 1)
		b.settles(ctx)
		s := b.slots(ctx)[0]
		b.runs(ctx, &s)
		b.settles(ctx)
		read(ctx, &s)
		Expect(s.Status.Conditions).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Reason", v1alpha1.ReasonAgentsAway))))
		b.connects(ctx, &s, true)
		b.settles(ctx)
		read(ctx, &s)
		Expect(s.Status.Phase).To(Equal(v1alpha1.WarmReady))
		Expect(s.Status.Agents).To(ConsistOf(HaveField("Replica", "berth-apiserver-0")), "the API server's part stays")
		b.connects(ctx, &s, false)
		b.settles(ctx)
		read(ctx, &s)
		Expect(s.Status.Phase).To(Equal(v1alpha1.WarmPreparing))
		Expect(b.template.Status.WarmPool).To(HaveValue(Equal(v1alpha1.WarmPoolStatus{Wanted: 1, Preparing: 1})))
	})

	It("has failed when it is not ready in the time of a start", func(ctx SpecContext) {
		b := set(ctx, 1)
		b.settles(ctx)
		b.later(10 * time.Minute)
		s := b.slots(ctx)[0]
		Expect(b.Settle(ctx, b.slot, &s)).To(Succeed())
		Expect(s.Status.Conditions).To(ContainElement(And(HaveField("Type", "Stalled"), HaveField("Reason", v1alpha1.ReasonStartTimeout))))
	})

	It("waits for what its pod may not mount, and takes no pod or claim that is another's", func(ctx SpecContext) {
		b := set(ctx, 1, func(c *v1alpha1.TemplateContent) {
			c.Env = []v1alpha1.EnvVar{{Name: "A", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "closed", Key: "k"}}}}
		})
		create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "closed"}})
		b.settles(ctx)
		Expect(b.pods(ctx)).To(BeEmpty())
		Expect(b.template.Status.WarmPool.Message).To(ContainSubstring("is not open to templates"))

		other := set(ctx, 1)
		_, err := other.pool.Reconcile(ctx, requestOf(other.template))
		Expect(err).NotTo(HaveOccurred())
		s := other.slots(ctx)[0]
		create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: other.org, Name: s.Name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "y"}}}})
		for range 3 {
			_, err := other.slot.Reconcile(ctx, requestOf(&s))
			Expect(err).NotTo(HaveOccurred())
		}
		read(ctx, &s)
		Expect(s.Status.Pod).To(BeNil())
		Expect(s.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("stands in the way"))))
	})

	It("survives a death between its pod and its status with one pod", func(ctx SpecContext) {
		b := set(ctx, 1)
		_, err := b.pool.Reconcile(ctx, requestOf(b.template))
		Expect(err).NotTo(HaveOccurred())
		s := b.slots(ctx)[0]
		dies := interceptor.NewClient(b.Journal, interceptor.Funcs{SubResourceApply: refuse})
		b.slot.Client = dies
		_, err = b.slot.Reconcile(ctx, requestOf(&s))
		Expect(err).To(HaveOccurred())
		Expect(b.pods(ctx)).To(HaveLen(1))
		b.slot.Client = b.Journal
		b.settles(ctx)
		read(ctx, &s)
		Expect(b.pods(ctx)).To(HaveLen(1))
		Expect(s.Status.Pod.UID).To(Equal(b.pods(ctx)[0].UID))
		Expect(slices.Contains(b.Writes(), "delete *v1.Pod")).To(BeFalse())
	})
})
