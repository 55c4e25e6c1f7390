// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

var _ = Describe("A workspace from a manifest", func() {
	It("starts, runs, stops, starts again and is deleted", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(ws.Spec.ID).To(BeEquivalentTo(ws.UID))
		Expect(ws.Finalizers).To(ConsistOf(v1alpha1.FinalizerWorkspace))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStarting))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Running"}))

		pod := w.run(ctx, ws)
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionRunning, metav1.ConditionTrue, v1alpha1.ReasonAgentReady)))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
		Expect(ws.Status.Version).To(Equal("1"))
		Expect(*ws.Status.Pod).To(Equal(v1alpha1.PodStatus{Name: "api", UID: pod.UID, IP: "10.0.0.7", Node: "n4"}))
		Expect(ws.Status.Agents).To(HaveLen(1))
		Expect(ws.Status.Agents[0].ConnectedAt).NotTo(BeNil())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
		claims := w.claims(ctx, ws)
		Expect(claims).To(HaveLen(1))
		Expect(claims[0].OwnerReferences).To(BeEmpty())
		Expect(ws.Status.Volumes).To(HaveLen(1))

		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStopping))
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonStopped))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStopped))
		Expect(ws.Status.Pod).To(BeNil())
		Expect(w.claims(ctx, ws)[0].UID).To(Equal(claims[0].UID))

		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded", "3 Start Succeeded"}))
		Expect(w.claims(ctx, ws)[0].UID).To(Equal(claims[0].UID))

		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseDeleting))
		w.ends(ctx, ws)
		w.pass(ctx, ws)
		Expect(read(ctx, ws)).To(BeFalse())
		kept := w.claims(ctx, ws)
		Expect(kept).To(HaveLen(1))
		Expect(kept[0].Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter))
	})
})
