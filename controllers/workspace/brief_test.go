// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

var _ = Describe("A start that is told briefly", func() {
	It("is told when it is accepted and when it has succeeded, and in between what stays or stands in its way", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.decides.Brief, w.acts.Brief = time.Second, time.Second
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStarting))
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonStarting))
		Expect(ws.Status.Pod).To(BeNil())
		Expect(w.builds(ctx, ws)[0].Status.Job).To(BeNil())
		made := w.clock.Now()

		By("a pod that takes longer than that")
		w.passes(time.Second)
		w.settle(ctx, ws)
		pod := w.pod(ctx, ws)
		Expect(ws.Status.Pod.UID).To(Equal(pod.UID), "agents are known by it")
		Expect(ws.Status.Volumes).To(HaveLen(1))
		build := w.builds(ctx, ws)[0]
		Expect(build.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		Expect(build.Status.Job.StartedAt.Time).To(BeTemporally("==", made), "it began when its pod was made")

		By("its success, which nobody is told of who has asked for it")
		w.becomes(ctx, pod, running)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.said.Said()).To(BeEmpty())

		By("what the API server says of an agent, which stays when the manager writes")
		read(ctx, ws)
		ws.Status.Agents[0].Lifecycle, ws.Status.Agents[0].Seq = "ready", 3
		Expect(env.Client.Status().Update(ctx, ws, client.FieldOwner("berth-apiserver.main"))).To(Succeed())
		w.becomes(ctx, pod, func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].Ready = false })
		w.settle(ctx, ws)
		Expect(ws.Status.Agents).To(ConsistOf(And(HaveField("Ready", BeFalse()), HaveField("Lifecycle", "ready"), HaveField("Seq", BeEquivalentTo(3)))))
		Expect(ws.Status.Agents[0].ConnectedAt).NotTo(BeNil())
		w.becomes(ctx, pod, running)
		w.settle(ctx, ws)

		By("another, whose image is not to be had: at once, and as an event")
		other := w.workspace(ctx, "web")
		w.settle(ctx, other)
		w.becomes(ctx, w.pod(ctx, other), func(pod *corev1.Pod) {
			pod.Status.Phase = corev1.PodPending
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}}}
		})
		w.settle(ctx, other)
		Expect(other).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonImagePull))
		Expect(other.Status.Pod).NotTo(BeNil())
		Expect(w.said.Said()).To(ContainElement(HavePrefix("Warning ImagePull web: ")))
	})
})
