// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/warmworkspace"
)

// takes has the first build take over a prepared workspace that was claimed just now, whose agents' containers are ready and
// which were not told yet.
func (b *bench) takes(ctx context.Context) (*v1alpha1.WorkspaceBuild, *v1alpha1.WarmWorkspace, *corev1.Pod) {
	GinkgoHelper()
	hash := strings.Repeat("a", 64)
	slot := &v1alpha1.WarmWorkspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "go-warm-1"},
		Spec: v1alpha1.WarmWorkspaceSpec{
			TemplateRef: v1alpha1.NameReference{Name: "go"}, ResolvedHash: hash,
			VersionRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.version.Name), UID: b.version.UID},
		},
	}
	create(ctx, slot)
	pool := &warmworkspace.Reconciler{Client: b.Journal, Live: b.Journal, Clock: b.clock, Platform: b.Platform}
	Expect(b.Journal.Settle(ctx, pool, slot)).To(Succeed())
	pod := b.pod(ctx)
	ready(ctx, pod)
	read(ctx, slot)
	slot.Status.Agents = []v1alpha1.WarmAgent{{Name: "main", Connected: true, Replica: "a"}}
	Expect(env.Client.Status().Update(ctx, slot)).To(Succeed())
	slot.Spec.Claim = &v1alpha1.WarmClaim{
		WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.workspace.Name), UID: b.workspace.UID},
		Owner:        b.workspace.Spec.Owner, At: b.clock.Now().UTC().Format(time.RFC3339Nano),
	}
	Expect(env.Client.Update(ctx, slot)).To(Succeed())
	build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) {
		o.Spec.ResolvedHash = hash
		o.Spec.Slot = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(slot.Name), UID: slot.UID}
	}))
	b.settle(ctx, build)
	return build, slot, pod
}

var _ = Describe("A build that takes a prepared pod over", func() {
	It("has not started before every agent has said that it was told", func(ctx SpecContext) {
		b := set(ctx)
		build, slot, pod := b.takes(ctx)
		Expect(build.Phase()).To(Equal(v1alpha1.JobRunning), "the container is ready, and its agent waits")
		for _, a := range []v1alpha1.WarmAgent{{Name: "main", SecretHash: strings.Repeat("b", 64)}, {Name: "main", SecretHash: strings.Repeat("b", 64), Bound: true}} {
			Expect(build.Phase()).To(Equal(v1alpha1.JobRunning))
			read(ctx, slot)
			slot.Status.Agents = []v1alpha1.WarmAgent{a}
			Expect(env.Client.Status().Update(ctx, slot)).To(Succeed())
			b.settle(ctx, build)
		}
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(b.pod(ctx).UID).To(Equal(pod.UID))
	})

	It("goes on with another pod, and the same home, when they were not told in time", func(ctx SpecContext) {
		b := set(ctx)
		build, slot, pod := b.takes(ctx)
		claims := b.claims(ctx)
		read(ctx, slot)
		slot.Status.Agents = []v1alpha1.WarmAgent{{Name: "main", SecretHash: strings.Repeat("b", 64)}} // it got lost on the way
		Expect(env.Client.Status().Update(ctx, slot)).To(Succeed())
		b.clock.SetTime(b.clock.Now().Add(21 * time.Second))
		b.settle(ctx, build)
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod))).To(Succeed())
		Expect(pod.DeletionTimestamp).NotTo(BeNil(), "it is ended first")
		kill(ctx, pod)
		b.settle(ctx, build)
		Expect(b.pod(ctx).UID).NotTo(Equal(pod.UID))
		ready(ctx, b.pod(ctx))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(b.claims(ctx)).To(HaveLen(len(claims)))
		Expect(b.claims(ctx)[0].UID).To(Equal(claims[0].UID))
	})
})
