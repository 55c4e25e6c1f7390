// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A workspace that is brought back", func() {
	// no collector runs here, so the builds of the earlier life stand as they do for a moment in a cluster
	It("is not held to the deletion of its earlier life", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(read(ctx, ws)).To(BeFalse())
		before := w.ledger(ctx, ws)
		Expect(before).To(Equal([]string{"1 Start Succeeded", "2 Delete Succeeded"}))

		again := w.workspace(ctx, "api", func(o *v1alpha1.Workspace) { o.Spec.ID = v1alpha1.ID(ws.UID) })
		w.settle(ctx, again)
		Expect(again.DeletionTimestamp).To(BeNil())
		Expect(again.Status.Phase).To(Equal(v1alpha1.PhaseStopped))
		Expect(again.Status.Volumes).To(Equal(ws.Status.Volumes))
		w.asks(ctx, again, v1alpha1.RequestStart)
		w.run(ctx, again)
		Expect(w.ledger(ctx, again)).To(Equal([]string{"3 Start Succeeded"}))
	})

	// as a leader of the past leaves it, or a backup that was made amid a deletion, whose tool has dropped the owner
	It("builds on where a deletion that never deleted its earlier object has the next number", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		create(ctx, given.Build(ws, 3, v1alpha1.TransitionDelete, func(b *v1alpha1.WorkspaceBuild) { b.Spec.WorkspaceRef.UID = "earlier" }))

		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded", "3 Start Succeeded"}))
	})

	It("loses no deletion of its own to a manager that still sees the earlier object", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		earlier := ws.DeepCopy()
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		w.collect(ctx, ws)
		again := w.workspace(ctx, "api", func(o *v1alpha1.Workspace) { o.Spec.ID = v1alpha1.ID(ws.UID) })
		w.settle(ctx, again)
		deletion := given.Build(again, earlier.Status.Build.Number+1, v1alpha1.TransitionDelete)
		create(ctx, deletion)

		past := *w.decides
		past.Client = interceptor.NewClient(w.Journal, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if seen, ok := o.(*v1alpha1.Workspace); ok {
					earlier.DeepCopyInto(seen)
					return nil
				}
				return c.Get(ctx, key, o, opts...)
			},
		})
		_, err := past.Reconcile(ctx, request(ws))
		Expect(err).NotTo(HaveOccurred())
		Expect(read(ctx, deletion)).To(BeTrue())
		Expect(w.Writes()[len(w.Writes())-1]).To(Equal("create *v1alpha1.WorkspaceBuild "+deletion.Name), "what it wanted, and was refused")
	})
})
