// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/testing/given"
)

// lines are a build's log as a person reads it.
func lines(b *v1alpha1.WorkspaceBuild) []string {
	all := make([]string, 0, len(b.Status.Log))
	for _, l := range b.Status.Log {
		all = append(all, l.Stage+": "+l.Output)
	}
	return all
}

// happens writes an event about a pod, as a kubelet does.
func happens(ctx context.Context, pod *corev1.Pod, reason, message string) {
	GinkgoHelper()
	at := metav1.Now()
	create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, GenerateName: pod.Name + "-"}, Reason: reason, Message: message, Type: "Normal",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, FirstTimestamp: at, LastTimestamp: at,
	})
}

// elsewhere is another replica of the manager, which knows nothing of the first one's passes.
func (b *bench) elsewhere() {
	was := b.Reconciler
	b.Reconciler = &workspacebuild.Reconciler{Client: was.Client, Live: was.Live, Clock: b.clock, Worker: was.Worker, Platform: was.Platform}
}

var _ = Describe("The log of a build", func() {
	It("tells a start from the first step to the end, a line once whoever leads, and costs no write of its own", func(ctx SpecContext) {
		b := set(ctx)
		build := b.starts(ctx)
		Expect(lines(build)[:2]).To(Equal([]string{
			"Preparing: Build 1 of workspace api: start, as its manifest asks.",
			"Rendering: Version go-1 is rendered: a pod with 1 agent and 1 volume claim.",
		}))
		b.elsewhere()
		b.settle(ctx, build)

		pod := b.pod(ctx)
		happens(ctx, pod, "Pulling", `Pulling image "registry.example/go:1"`)
		happens(ctx, pod, "Pulled", `Successfully pulled image "registry.example/go:1" in 2.531s (2.9s including waiting). Image size: 84123456 bytes.`)
		b.clock.SetTime(b.clock.Now().Add(9 * time.Second))
		ready(ctx, pod)
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(lines(build)).To(ContainElements(HavePrefix("Claiming volumes: Volume home: claim api-home-"),
			"Pulling image: Pulling registry.example/go:1.", "Pulling image: Pulled registry.example/go:1 in 2.5s (84 MB).",
			"Scheduling: Pod api is placed on node n4.", "Starting: Agent main is ready.",
		), strings.Join(lines(build), "\n"))
		Expect(lines(build)[len(build.Status.Log)-1]).To(Equal("Done: The workspace was started in 9s."))
		seen := map[string]bool{}
		for i, l := range build.Status.Log {
			Expect(l.ID).To(BeEquivalentTo(i + 1))
			Expect(seen[l.Output]).To(BeFalse(), l.Output)
			seen[l.Output] = true
		}
		By(fmt.Sprintf("writes of this start: %s", strings.Join(b.Writes(), ", ")))
		Expect(b.Writes()).To(HaveLen(startWrites))

		before := len(build.Status.Log)
		b.elsewhere()
		b.settle(ctx, build)
		Expect(build.Status.Log).To(HaveLen(before))
	})

	It("says what is in the way, and why a start failed, in words with a remedy", func(ctx SpecContext) {
		b := set(ctx)
		build := b.starts(ctx)
		pod := b.pod(ctx)
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found."}}
		Expect(env.Client.Status().Update(ctx, pod)).To(Succeed())
		b.settle(ctx, build)
		Expect(lines(build)).To(ContainElement("Scheduling: 0 of 3 nodes fit: 3 lack cpu. Ask for less, or have a node added"))
		b.clock.SetTime(b.clock.Now().Add(time.Hour))
		b.settle(ctx, build)
		last := build.Status.Log[len(build.Status.Log)-1]
		Expect(last.Level).To(Equal(v1alpha1.LogError))
		Expect(last.Output).To(And(HavePrefix("The start did not succeed in time"), ContainSubstring("Ask for less")))
		Expect(b.pods(ctx)).To(BeEmpty())
	})

	It("tells a restart in two stages, and a stop to its end", func(ctx SpecContext) {
		b := set(ctx)
		b.runs(ctx)
		old := b.pod(ctx)
		b.clock.SetTime(b.clock.Now().Add(time.Minute))
		again := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) { o.Spec.Restart = true }))
		b.settle(ctx, again)
		Expect(lines(again)).To(ContainElement(HavePrefix("Stopping: Pod api on node n4 is ending")))
		kill(ctx, old)
		b.settle(ctx, again)
		ready(ctx, b.pod(ctx))
		b.settle(ctx, again)
		Expect(again.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(lines(again)).To(ContainElements("Stopping: Pod api is gone.", HavePrefix("Claiming volumes: Volume home ("), "Starting: Agent main is ready."))

		stop := b.accepts(ctx, b.build(ctx, 3, v1alpha1.TransitionStop))
		b.settle(ctx, stop)
		kill(ctx, b.pod(ctx))
		b.settle(ctx, stop)
		Expect(stop.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(lines(stop)).To(HaveExactElements(HavePrefix("Preparing: Build 3 of workspace api: stop"), HavePrefix("Stopping: Pod api on node n4 is ending"),
			Equal("Stopping: Pod api is gone."), HavePrefix("Done: The workspace was stopped in ")))
	})

	It("tells details where the build asks for them: log_level debug", func(ctx SpecContext) {
		b := set(ctx)
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) { o.Spec.LogLevel = v1alpha1.LogDebug }))
		b.settle(ctx, build)
		Expect(lines(build)).To(ContainElement("Rendering: Container workspace runs " + given.Content().Image + "."))
	})
})

// startWrites are the writes of a start: the claim, the pod, and two of the status (at work, succeeded). The log is part of
// those of the status, and that it went well is what is believed of a build without a word beside it.
const startWrites = 4
