// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
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
})
