// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/internal/ledger"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
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

	It("acts on a request once, and not again when it is applied again", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		asked := *ws.Spec.Request
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		edit(ctx, ws, `{"metadata":{"annotations":{"a":"b"}}}`)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(3))

		edit(ctx, ws, fmt.Sprintf(`{"spec":{"request":{"at":%q}}}`, asked.At))
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(3), "a start of what runs needs no build")
		Expect(ws.Status.Acted.Request.At).To(Equal(asked.At))
	})

	It("acts on an edge of the state, and never against an autostop", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) {
			ws.Spec.State, ws.Spec.Autostop = v1alpha1.StateRunning, &v1alpha1.Autostop{After: "8h"}
		})
		w.run(ctx, ws)
		Expect(ws.Status.Schedule.Deadline.Time).To(BeTemporally("==", w.clock.Now().Add(8*time.Hour)))
		w.passes(8 * time.Hour)
		w.stopped(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Autostop"))
		Expect(ws.Spec.State).To(Equal(v1alpha1.StateRunning))
		Expect(ws.Status.Schedule.Deadline).To(BeNil())
		edit(ctx, ws, `{"spec":{"state":"Running"}}`)
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStopped))

		edit(ctx, ws, `{"spec":{"state":"Stopped"}}`)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(2), "it is stopped already")
		edit(ctx, ws, `{"spec":{"state":"Running"}}`)
		w.run(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
	})

	It("is stopped from the beginning where its manifest says so", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.State = v1alpha1.StateStopped })
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Stop Succeeded"}))
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonStopped))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
	})

	It("restarts in two stages of one build", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		first := w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonStopping))
		Expect(w.builds(ctx, ws)[1].Status.Stage).To(Equal(v1alpha1.StageStopping))
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(w.builds(ctx, ws)[1].Status.Stage).To(Equal(v1alpha1.StageStarting))
		second := w.run(ctx, ws)
		Expect(second.UID).NotTo(Equal(first.UID))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Restart Succeeded"}))
	})

	It("leaves a running pod alone when version or parameters change, and says that an update is pending", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		pod := w.run(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionFalse, v1alpha1.ReasonUpToDate))
		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/base:26.04" }))
		w.settle(ctx, ws)
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionTrue, v1alpha1.ReasonUpdatePending)))
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))

		edit(ctx, ws, `{"spec":{"updates":"Restart"}}`)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Restart Succeeded"}))
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionFalse, v1alpha1.ReasonUpToDate))
		Expect(ws.Status.Version).To(Equal("2"))
	})

	It("keeps its version where updates are manual", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.Updates = v1alpha1.UpdatesManual })
		w.run(ctx, ws)
		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/base:26.04" }))
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.run(ctx, ws)
		Expect(ws.Status.Version).To(Equal("1"))
		edit(ctx, ws, `{"spec":{"versionRef":{"name":"go-2"}}}`)
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionTrue, v1alpha1.ReasonUpdatePending))
	})

	It("fails a start whose time is over, stays so, and starts again when what it takes has changed", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		pod := w.pod(ctx, ws)
		w.becomes(ctx, pod, func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: p.Spec.Containers[0].Name, State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"},
			}}}
		})
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonImagePull))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(And(ContainSubstring("registry.example/base:24.04"), ContainSubstring("spec.content.image")))
		Expect(w.said.Said()).To(ContainElement(HavePrefix("Warning ImagePull api: ")))

		w.passes(10 * time.Minute)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonStartTimeout))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring("ImagePull"))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Failed"}))
		Expect(w.builds(ctx, ws)[0].Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationOutcome, "Failed"))

		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/base:26.04" }))
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Failed", "2 Start Succeeded"}))
	})

	It("keeps the builds that somebody may need", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		for range 3 {
			w.asks(ctx, ws, v1alpha1.RequestStop)
			w.stopped(ctx, ws)
			w.asks(ctx, ws, v1alpha1.RequestStart)
			w.run(ctx, ws)
		}
		Expect(w.ledger(ctx, ws)).To(Equal([]string{
			"3 Start Succeeded", "4 Stop Succeeded", "5 Start Succeeded", "6 Stop Succeeded", "7 Start Succeeded",
		}))
	})

	It("goes on when its builds are deleted by hand, and makes its pod again when that goes too", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		pod := w.run(ctx, ws)
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(w.org))).To(Succeed())
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))
		w.kill(ctx, pod)
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"2 Start Succeeded"}))
	})

	It("takes its state up again from what a restore brings back: claims, and builds that name the old uid", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		const old = "11111111-2222-3333-4444-555555555555"
		ghost := w.workspaceObject("api", func(ws *v1alpha1.Workspace) { ws.UID = old })
		for n, t := range []v1alpha1.Transition{v1alpha1.TransitionStart, v1alpha1.TransitionStop} {
			create(ctx, given.Build(ghost, int64(n+7), t, func(b *v1alpha1.WorkspaceBuild) {
				b.Labels = map[string]string{v1alpha1.LabelID: old, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
				b.Spec.Wish = &v1alpha1.Wish{State: v1alpha1.StateRunning}
			}))
		}
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.ID, ws.Spec.State = old, v1alpha1.StateRunning })
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStopped), "as it was, not as new")
		Expect(ws.Status.Build.Number).To(BeEquivalentTo(8))
		var held v1alpha1.WorkspaceBuild
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.org, Name: "api-8"}, &held)).To(Succeed())
		Expect(held.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationOutcome, "Succeeded"), "what is believed of it is written down")
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(ws.Status.Build.Number).To(BeEquivalentTo(9), "numbers go on")
		Expect(ws).To(BeReady())
	})
})

var _ = Describe("A build by the API server", func() {
	call := func(ws *v1alpha1.Workspace, number int64, t v1alpha1.Transition) *v1alpha1.WorkspaceBuild {
		return given.Build(ws, number, t, func(b *v1alpha1.WorkspaceBuild) {
			b.Labels = map[string]string{v1alpha1.LabelID: id(ws), v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
			b.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(ws)}
			b.Spec.RequestID, b.Spec.Initiator = "r", v1alpha1.Initiator{User: ws.Name, Name: "ada"}
			b.Spec.VersionRef = versionOf(ws)
			b.Spec.Wish = &v1alpha1.Wish{State: ws.Spec.State, Request: ws.Spec.Request}
		})
	}

	It("is the first where the workspace says so, and the manager's after ten seconds otherwise", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		promised := func(ws *v1alpha1.Workspace) {
			ws.Annotations = map[string]string{v1alpha1.AnnotationFirstBuild: "true"}
		}
		ws := w.workspace(ctx, "api", promised)
		w.clock.SetTime(ws.CreationTimestamp.Time)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(BeEmpty())
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhasePending))
		first := call(ws, 1, v1alpha1.TransitionStart)
		first.Spec.VersionRef = &v1alpha1.UIDReference{Name: "go-1", UID: w.active(ctx)}
		create(ctx, first)
		w.run(ctx, ws)
		Expect(ws.Status.Build.UID).To(Equal(first.UID))
		Expect(ws).To(BeReady())

		late := w.workspace(ctx, "late", promised)
		w.clock.SetTime(late.CreationTimestamp.Add(10 * time.Second))
		w.run(ctx, late)
		Expect(w.ledger(ctx, late)).To(Equal([]string{"1 Start Succeeded"}))
	})

	It("is accepted when none is at work, and refused with a reason while one is", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		early := call(ws, 2, v1alpha1.TransitionStop)
		create(ctx, early)
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Failed"}))
		read(ctx, early)
		Expect(early.Status.Job.Error).To(ContainSubstring("build 1 of the workspace was still in progress"))
		Expect(early.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationOutcome, "Failed"))
		Expect(Invariants(early, env.Scheme)).To(Succeed())

		create(ctx, call(ws, 3, v1alpha1.TransitionStop))
		w.stopped(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Failed", "3 Stop Succeeded"}))
	})

	It("is dead when a later one was accepted", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, w.builds(ctx, ws)[0])).To(Succeed())
		dead := call(ws, 1, v1alpha1.TransitionStop)
		create(ctx, dead)
		w.settle(ctx, ws)
		read(ctx, dead)
		Expect(dead).To(BeStalled(v1alpha1.ReasonSuperseded))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
	})

	It("V31 is refused when its version is another template's", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		other := w.newTemplate(ctx, "other")
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		foreign := call(ws, 2, v1alpha1.TransitionStart)
		foreign.Spec.VersionRef = other.Status.ActiveVersion
		create(ctx, foreign)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Start Failed"}))
		Expect(ws).To(BeReady())
	})

	It("cancels a start at work when it was asked to", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		edit(ctx, w.builds(ctx, ws)[0], `{"spec":{"cancel":{"requestedAt":"2026-11-23T09:00:00Z"}}}`)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Canceled"}))
		Expect(ws).To(BeStalled(v1alpha1.ReasonCanceled))
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
	})
})

var _ = Describe("Two that write at once", func() {
	It("decides anew when the workspace was edited between the decision and its acceptance", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		meddle := between(func() { w.asks(ctx, ws, v1alpha1.RequestStart) })
		w.decides.Client = NewJournal(meddle)
		_, err := w.decides.Reconcile(ctx, request(ws))
		Expect(err).NotTo(HaveOccurred())
		Expect(meddle.met).To(BeTrue(), "the acceptance was refused")
		w.decides.Client = w.Journal
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}), "the stop that nobody wants any more is gone")
		Expect(ws).To(BeReady())
	})

	It("makes one pod and one build of each number with two leaders", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		second := &workspace.Reconciler{Client: NewJournal(env.Client), Live: w.Journal, Clock: w.clock, Events: w.said}
		ws := w.workspace(ctx, "api")
		for _, ask := range []v1alpha1.RequestTransition{"Start", "Restart", "Stop", "Start"} {
			w.asks(ctx, ws, ask)
			for range 6 {
				done := make(chan error, 2)
				for _, r := range []*workspace.Reconciler{w.decides, second} {
					go func() {
						defer GinkgoRecover()
						_, err := r.Reconcile(ctx, request(ws))
						done <- err
					}()
				}
				_, err := w.acts.Reconcile(ctx, accepted(ctx, ws.DeepCopy()))
				Expect(err).NotTo(HaveOccurred())
				for range 2 {
					<-done // what one leader was refused it tries again
				}
				w.ends(ctx, ws)
				Expect(len(w.pods(ctx, ws))).To(BeNumerically("<=", 1))
			}
		}
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.ledger(ctx, ws)).To(HaveLen(4))
	})
})
