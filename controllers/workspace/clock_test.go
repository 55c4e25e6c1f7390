// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// lives makes a workspace of a template with that lifecycle.
func (w *world) lives(ctx context.Context, l v1alpha1.Lifecycle, change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	GinkgoHelper()
	w.template = w.newTemplate(ctx, "timed", func(t *v1alpha1.Template) { t.Spec.Lifecycle = &l })
	return w.workspace(ctx, "api", change...)
}

// starts has a workspace start each day at the time, UTC.
func starts(at time.Time) func(*v1alpha1.Workspace) {
	return func(ws *v1alpha1.Workspace) {
		ws.Spec.Autostart = &v1alpha1.Schedule{Schedule: fmt.Sprintf("%d %d * * *", at.UTC().Minute(), at.UTC().Hour())}
	}
}

// again is when the workspace's controller asks to be called again.
func (w *world) again(ctx context.Context, ws *v1alpha1.Workspace) time.Duration {
	GinkgoHelper()
	before := len(w.Writes())
	result, err := w.decides.Reconcile(ctx, request(ws))
	Expect(err).NotTo(HaveOccurred())
	Expect(w.Writes()).To(HaveLen(before), "a workspace at rest is written")
	return result.RequeueAfter
}

// used says when the workspace was last used, as the API server does.
func (w *world) used(ctx context.Context, ws *v1alpha1.Workspace, at time.Time) {
	GinkgoHelper()
	read(ctx, ws)
	ws.Status.LastUsedAt = &metav1.Time{Time: at}
	Expect(env.Client.Status().Update(ctx, ws)).To(Succeed())
}

func reasons(builds []*v1alpha1.WorkspaceBuild) []v1alpha1.BuildReason {
	var all []v1alpha1.BuildReason
	for _, b := range builds {
		all = append(all, b.Spec.Reason)
	}
	return all
}

var _ = Describe("The clock", func() {
	It("starts a workspace by its schedule, once, and asks for nothing sooner", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.clock.SetTime(w.clock.Now().Truncate(time.Minute).Add(time.Minute))
		nine := w.clock.Now().Add(2 * time.Hour)
		ws := w.workspace(ctx, "api", starts(nine), func(ws *v1alpha1.Workspace) { ws.Spec.Autostop = &v1alpha1.Autostop{After: "3h"} })
		w.run(ctx, ws)
		Expect(ws.Status.Schedule.NextStart).To(BeNil(), "it runs")
		Expect(w.again(ctx, ws)).To(Equal(3 * time.Hour))
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		Expect(ws.Status.Schedule.NextStart.Time).To(BeTemporally("==", nine))
		Expect(w.again(ctx, ws)).To(Equal(nine.Sub(w.clock.Now())))

		w.clock.SetTime(nine)
		w.run(ctx, ws)
		Expect(reasons(w.builds(ctx, ws))).To(Equal([]v1alpha1.BuildReason{"Initiator", "Initiator", "Autostart"}))
		Expect(ws.Status.Schedule.Deadline.Time).To(BeTemporally("==", nine.Add(3*time.Hour)))
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(4), "it is not started twice for one time")
		Expect(ws.Status.Schedule.NextStart.Time).To(BeTemporally("==", nine.Add(24*time.Hour)))
		for _, c := range ws.Status.Conditions {
			Expect(c.Type).NotTo(Equal(v1alpha1.ConditionPolicyMet), c.Message)
		}
	})

	It("makes up for a start that was missed within the hour, and not for an older one", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.clock.SetTime(w.clock.Now().Truncate(time.Minute).Add(time.Minute))
		nine := w.clock.Now().Add(time.Hour)
		ws := w.workspace(ctx, "api", starts(nine), func(ws *v1alpha1.Workspace) { ws.Spec.State = v1alpha1.StateStopped })
		w.settle(ctx, ws)
		w.clock.SetTime(nine.Add(61 * time.Minute))
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(1))
		Expect(ws.Status.Schedule.NextStart.Time).To(BeTemporally("==", nine.Add(24*time.Hour)))
		w.clock.SetTime(nine.Add(24*time.Hour + 59*time.Minute))
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Stop Succeeded", "2 Start Succeeded"}))
	})

	It("does not start at a time that was set after it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.clock.SetTime(w.clock.Now().Truncate(time.Minute).Add(time.Minute))
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.State = v1alpha1.StateStopped })
		w.settle(ctx, ws)
		before := w.clock.Now().Add(-10 * time.Minute)
		edit(ctx, ws, fmt.Sprintf(`{"spec":{"autostart":{"schedule":"%d %d * * *"}}}`, before.UTC().Minute(), before.UTC().Hour()))
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(1))
		Expect(ws.Status.Schedule.NextStart.Time).To(BeTemporally("==", before.Add(24*time.Hour)))
	})

	It("says why a start by the schedule can't be made, and goes on when its time is over", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.clock.SetTime(w.clock.Now().Truncate(time.Minute).Add(time.Minute))
		nine := w.clock.Now().Add(time.Hour)
		ws := w.workspace(ctx, "api", starts(nine), func(ws *v1alpha1.Workspace) { ws.Spec.State = v1alpha1.StateStopped })
		w.settle(ctx, ws)
		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{{Name: "team", Type: v1alpha1.TypeString, Required: true}}
		}))
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		w.clock.SetTime(nine)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonParameterRefused))
		Expect(w.again(ctx, ws)).To(Equal(time.Hour))
		w.passes(time.Hour)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.ledger(ctx, ws)).To(HaveLen(1))
	})

	It("is moved by who extends a run and by its use, never beyond what the template allows", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.lives(ctx, v1alpha1.Lifecycle{AutostopAfter: "2h", AutostopMax: "5h"})
		w.run(ctx, ws)
		begin := w.clock.Now()
		deadline := func() time.Duration { return ws.Status.Schedule.Deadline.Sub(begin) }
		Expect(deadline()).To(Equal(2 * time.Hour))
		extend := func(number int64, to time.Duration) {
			edit(ctx, ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:"%d/%s"}}}`, v1alpha1.AnnotationExtendedTo, number, begin.Add(to).UTC().Format(time.RFC3339)))
			w.settle(ctx, ws)
		}
		extend(2, 4*time.Hour)
		Expect(deadline()).To(Equal(2*time.Hour), "it is another build's")
		extend(1, 3*time.Hour)
		Expect(deadline()).To(Equal(3 * time.Hour))
		Expect(w.again(ctx, ws)).To(Equal(3 * time.Hour))
		w.used(ctx, ws, begin.Add(150*time.Minute))
		w.settle(ctx, ws)
		Expect(deadline()).To(Equal(210 * time.Minute))
		extend(1, 24*time.Hour)
		Expect(deadline()).To(Equal(5 * time.Hour))

		w.passes(5 * time.Hour)
		w.stopped(ctx, ws)
		Expect(reasons(w.builds(ctx, ws))).To(Equal([]v1alpha1.BuildReason{"Initiator", "Autostop"}))
		Expect(ws.Status.LastUsedAt.Time).To(BeTemporally("==", begin.Add(150*time.Minute)), "another process's word is left")
	})

	It("does not stop what was extended between the decision and its acceptance", func(ctx SpecContext) {
		var ws *v1alpha1.Workspace
		var to time.Time
		m := &meddler{WithWatch: env.Client}
		w := found(ctx, m)
		ws = w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.Autostop = &v1alpha1.Autostop{After: "2h"} })
		w.run(ctx, ws)
		w.passes(2 * time.Hour)
		to = w.clock.Now().Add(time.Hour)
		m.WithWatch = between(func() {
			edit(ctx, ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:"1/%s"}}}`, v1alpha1.AnnotationExtendedTo, to.UTC().Format(time.RFC3339)))
		})
		w.settle(ctx, ws)
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}), "the stop that was decided on is gone")
		Expect(ws.Status.Schedule.Deadline.Time).To(BeTemporally("==", to))
		Expect(ws.Status.Build.Number).To(BeEquivalentTo(1))
	})

	It("stops what runs on the days that the template requires, in the owner's quiet hours", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		owner := given.User(w.user)
		read(ctx, owner)
		edit(ctx, owner, `{"spec":{"quietHours":{"schedule":"0 22 * * *","timeZone":"Europe/Zurich"}}}`)
		w.clock.SetTime(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
		ws := w.lives(ctx, v1alpha1.Lifecycle{AutostopRequirement: &v1alpha1.AutostopRequirement{DaysOfWeek: []v1alpha1.Weekday{"Wednesday"}}})
		w.run(ctx, ws)
		required := time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC)
		Expect(ws.Status.Schedule.MaxDeadline.Time).To(BeTemporally("==", required))
		w.clock.SetTime(required)
		w.stopped(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Autostop"))
	})

	It("stops a start that failed some time after", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.lives(ctx, v1alpha1.Lifecycle{FailureStopAfter: "1h"})
		w.settle(ctx, ws)
		w.passes(10 * time.Minute)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonStartTimeout))
		Expect(w.again(ctx, ws)).To(BeNumerically("~", time.Hour, time.Second))
		w.passes(time.Hour)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Failed", "2 Stop Succeeded"}))
		Expect(reasons(w.builds(ctx, ws))[1]).To(Equal(v1alpha1.BuildReasonFailure))
	})
})

var _ = Describe("A workspace that nobody uses", func() {
	month := v1alpha1.Lifecycle{DormantAfter: "720h", DeleteDormantAfter: "240h"}

	It("sleeps, is not started by its schedule, and is woken by who starts it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.clock.SetTime(w.clock.Now().Truncate(time.Minute).Add(time.Minute))
		ws := w.lives(ctx, month, starts(w.clock.Now().Add(time.Hour)))
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		edit(ctx, ws, `{"spec":{"autostart":null}}`)
		w.settle(ctx, ws)
		Expect(w.again(ctx, ws)).To(BeNumerically("~", 720*time.Hour, time.Minute))
		w.passes(720 * time.Hour)
		w.settle(ctx, ws)
		Expect(ws.Annotations).To(HaveKey(v1alpha1.AnnotationDormantSince))
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionDormant, metav1.ConditionTrue, v1alpha1.ReasonNotUsed)))
		Expect(ws.Status.Schedule.DormantAt.Time).To(BeTemporally("==", w.clock.Now()))
		Expect(ws.Status.Schedule.DeletingAt.Time).To(BeTemporally("==", w.clock.Now().Add(240*time.Hour)))
		Expect(w.ledger(ctx, ws)).To(HaveLen(2))

		edit(ctx, ws, fmt.Sprintf(`{"spec":{"autostart":{"schedule":"%d %d * * *"}}}`, w.clock.Now().UTC().Minute(), w.clock.Now().UTC().Hour()))
		w.passes(24 * time.Hour)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(HaveLen(2), "its schedule does not start it")
		Expect(ws.Status.Schedule.NextStart).To(BeNil())

		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.run(ctx, ws)
		Expect(ws.Annotations).NotTo(HaveKey(v1alpha1.AnnotationDormantSince))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
		Expect(ws.Status.Schedule.DormantAt).To(BeNil())
		Expect(ws.Status.Schedule.DeletingAt).To(BeNil())
		Expect(ws.Status.Schedule.IdleSince.Time).To(BeTemporally("~", w.clock.Now(), time.Second))
	})

	It("is stopped where it runs, and is left alone while a person's run is not measured", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.lives(ctx, month)
		w.run(ctx, ws)
		w.passes(1000 * time.Hour)
		w.settle(ctx, ws)
		Expect(ws.Annotations).NotTo(HaveKey(v1alpha1.AnnotationDormantSince))
		w.used(ctx, ws, w.clock.Now().Add(-720*time.Hour))
		w.stopped(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, "Dormancy"))
		Expect(ws).To(HaveCondition(v1alpha1.ConditionDormant, metav1.ConditionTrue, v1alpha1.ReasonNotUsed))

		By("the mark, taken away by hand")
		edit(ctx, ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationDormantSince))
		w.settle(ctx, ws)
		Expect(ws.Annotations).NotTo(HaveKey(v1alpha1.AnnotationDormantSince), "it is not put to sleep again at once")
		Expect(w.again(ctx, ws)).To(BeNumerically("~", 720*time.Hour, time.Second))
	})

	It("is deleted when its time is over, and its claims are kept as any other's", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.lives(ctx, month)
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		w.passes(720 * time.Hour)
		w.settle(ctx, ws)
		w.passes(240*time.Hour - time.Second)
		w.settle(ctx, ws)
		Expect(ws.DeletionTimestamp).To(BeNil())
		w.passes(time.Second)
		w.pass(ctx, ws)
		Expect(read(ctx, ws)).To(BeFalse())
		kept := w.claims(ctx, ws)
		Expect(kept).To(HaveLen(1))
		Expect(kept[0].Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter))
		Expect(kept[0].DeletionTimestamp).To(BeNil())
	})

	It("is not deleted when somebody wakes it at the last moment", func(ctx SpecContext) {
		m := &meddler{WithWatch: env.Client}
		w := found(ctx, m)
		ws := w.lives(ctx, month)
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		w.passes(720 * time.Hour)
		w.settle(ctx, ws)
		w.passes(240 * time.Hour)
		m.WithWatch = beforeDelete(func() {
			edit(ctx, ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationDormantSince))
		})
		w.settle(ctx, ws)
		Expect(read(ctx, ws)).To(BeTrue())
		Expect(ws.DeletionTimestamp).To(BeNil())
	})

	It("has its pod made again like any other while it is awake", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.lives(ctx, month)
		pod := w.run(ctx, ws)
		w.kill(ctx, pod)
		w.settle(ctx, ws)
		Expect(w.pods(ctx, ws)).To(HaveLen(1))
		Expect(w.pod(ctx, ws).Status.Phase).To(Equal(corev1.PodPending))
	})
})

var _ = Describe("A workspace that keeps its version", func() {
	It("says that there is a newer one, and why it is not taken", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.Updates = v1alpha1.UpdatesManual })
		w.run(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionFalse, v1alpha1.ReasonUpToDate))
		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/base:26.04" }))
		w.settle(ctx, ws)
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionFalse, v1alpha1.ReasonUpdateAvailable)))
		Expect(Message(ws, v1alpha1.ConditionUpdatePending)).To(And(ContainSubstring("go-2"), ContainSubstring("spec.updates")))

		edit(ctx, ws, `{"spec":{"updates":"OnStart","versionRef":{"name":"go-1"}}}`)
		w.settle(ctx, ws)
		Expect(Message(ws, v1alpha1.ConditionUpdatePending)).To(ContainSubstring("spec.versionRef"))
		edit(ctx, ws, `{"spec":{"versionRef":null}}`)
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionTrue, v1alpha1.ReasonUpdatePending))
	})
})
