// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// launch is a template whose content has just changed, with a clock that the spec turns.
type launch struct {
	*desk
	clock    *clocktesting.FakePassiveClock
	template *v1alpha1.Template
	old, new *v1alpha1.TemplateVersion
	builds   int
}

func set(ctx context.Context, r v1alpha1.Rollout) *launch {
	GinkgoHelper()
	l := &launch{desk: sit(ctx), clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))}
	l.desk.Reconciler.Clock = l.clock
	l.template = l.promoted(ctx, "go", func(t *v1alpha1.Template) { t.Spec.Rollout = &r })
	l.old = l.latest(ctx, l.template)
	l.change(ctx, l.template, image("registry.example/next:1"))
	l.new = l.latest(ctx, l.template)
	l.checked(ctx, l.new, "")
	l.settle(ctx, l.template)
	return l
}

// passes lets time go by and gives when the controller wants to look again.
func (l *launch) passes(ctx context.Context, d time.Duration) time.Duration {
	GinkgoHelper()
	l.clock.SetTime(l.clock.Now().Add(d))
	l.settle(ctx, l.template)
	result, err := l.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(l.template)})
	Expect(err).NotTo(HaveOccurred())
	return result.RequeueAfter
}

// starts makes a start of the new version by a workspace, and ends it.
func (l *launch) starts(ctx context.Context, workspace string, phase v1alpha1.JobPhase, change ...func(*v1alpha1.WorkspaceBuild)) {
	GinkgoHelper()
	ws := given.Workspace(l.org, workspace, "ada", "go")
	if err := env.Client.Get(ctx, client.ObjectKeyFromObject(ws), ws); err != nil {
		create(ctx, ws)
	}
	l.builds++
	b := given.Build(ws, int64(l.builds), v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
		b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(l.new.Name), UID: l.new.UID}
	})
	create(ctx, b)
	at := metav1.NewTime(l.clock.Now())
	b.Status.Job = &v1alpha1.Job{Phase: phase, StartedAt: &at, CompletedAt: &at}
	for _, f := range change {
		f(b)
	}
	Expect(env.Client.Status().Update(ctx, b)).To(Succeed())
	l.settle(ctx, l.template)
}

func (l *launch) active() string { return string(l.template.Status.ActiveVersion.Name) }

var _ = Describe("A Progressive rollout", func() {
	percent, two := int32(25), int32(2)
	steps := []v1alpha1.RolloutStep{{Group: "canaries", For: "1h"}, {Percent: &percent, For: "1h"}}
	gated := v1alpha1.Rollout{Strategy: v1alpha1.RolloutProgressive, Steps: steps, MinBuilds: &two, Deadline: "3h"}

	It("passes its steps by time and by starts that went well, then everybody has the version", func(ctx SpecContext) {
		l := set(ctx, gated)
		Expect(l.template).To(BeReady())
		Expect(l.template).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonRollingOut))
		Expect(l.active()).To(Equal(l.old.Name))
		Expect(l.template.Status.Candidate).To(HaveValue(And(HaveField("UID", l.new.UID), HaveField("Step", BeZero()))))
		Expect(l.template.Status.Rollout).To(HavePrefix("canaries until "))
		Expect(l.passes(ctx, 10*time.Minute)).To(Equal(50 * time.Minute))

		By("waiting for starts once its time is over")
		l.starts(ctx, "a", v1alpha1.JobSucceeded)
		l.starts(ctx, "b", v1alpha1.JobFailed, func(b *v1alpha1.WorkspaceBuild) { b.Status.Job.StartedAt = nil }) // refused, never begun
		l.starts(ctx, "b", v1alpha1.JobCanceled)
		Expect(l.passes(ctx, 50*time.Minute)).To(Equal(2 * time.Hour))
		Expect(l.template.Status.Rollout).To(HavePrefix("canaries, 1 of 2 starts until "))
		Expect(l.template.Status.Candidate.Failed).To(BeZero())
		l.starts(ctx, "b", v1alpha1.JobSucceeded)
		Expect(l.template.Status.Candidate.Step).To(BeEquivalentTo(1))
		Expect(l.template.Status.Rollout).To(HavePrefix("25% until "))

		By("keeping what it has counted when builds are pruned")
		l.clock.SetTime(l.clock.Now().Add(time.Minute))
		l.starts(ctx, "c", v1alpha1.JobSucceeded)
		counted := l.template.Status.Candidate.Succeeded
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(l.org))).To(Succeed())
		l.settle(ctx, l.template)
		Expect(l.template.Status.Candidate.Succeeded).To(Equal(counted))

		l.starts(ctx, "c", v1alpha1.JobSucceeded)
		l.starts(ctx, "d", v1alpha1.JobSucceeded)
		Expect(l.active()).To(Equal(l.old.Name), "its hour is not over")
		Expect(l.passes(ctx, time.Hour)).To(BeZero(), "there is nothing left to wait for")
		Expect(l.active()).To(Equal(l.new.Name))
		Expect(l.template.Status.Candidate).To(BeNil())
		Expect(l.template.Status.Rollout).To(Equal("complete"))
		Expect(l.template.Status.PreviousVersion).To(HaveValue(HaveField("UID", l.old.UID)), "an undo knows where to go back to")
	})

	It("returns to the last good version when its starts fail, says so, and does not try again by itself", func(ctx SpecContext) {
		l := set(ctx, gated)
		l.starts(ctx, "a", v1alpha1.JobFailed)
		l.starts(ctx, "b", v1alpha1.JobFailed)
		Expect(l.template.Status.Candidate.Failed).To(BeEquivalentTo(2))
		l.starts(ctx, "b", v1alpha1.JobFailed, func(b *v1alpha1.WorkspaceBuild) {
			b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSuperseded, LastTransitionTime: metav1.Now()}}
		})
		Expect(l.template.Status.Candidate).NotTo(BeNil(), "a start that somebody stopped says nothing about the version")
		l.starts(ctx, "a", v1alpha1.JobFailed)
		Expect(l.template).To(BeStalled(v1alpha1.ReasonRolloutFailed))
		short := l.new.Name[len("go-"):]
		Expect(Message(l.template, v1alpha1.ConditionReady)).To(ContainSubstring(fmt.Sprintf("version %s was taken back, as 3 starts with %s failed, last in 2 of 2 workspaces", l.new.Name, short)))
		Expect(l.template.Status.Rollout).To(Equal(fmt.Sprintf("kept at %s: 3 starts with %s failed, last in 2 of 2 workspaces", l.old.Name[len("go-"):], short)))
		Expect(l.active()).To(Equal(l.old.Name))
		Expect(l.template.Status.Candidate).To(BeNil())
		Expect(l.passes(ctx, 100*time.Hour)).To(BeZero())
		Expect(l.template.Status.Rejected).To(HaveValue(HaveField("UID", l.new.UID)))

		By("a pin, which promotes it all the same")
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) { s.Rollout.Pin = v1alpha1.ObjectName(l.new.Name) })
		Expect(l.active()).To(Equal(l.new.Name))

		By("other content, which begins anew")
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) {
			s.Rollout.Pin = ""
			image("registry.example/fixed:1")(s)
		})
		fixed := l.latest(ctx, l.template)
		l.checked(ctx, fixed, "")
		l.settle(ctx, l.template)
		Expect(l.template).To(BeReady())
		Expect(l.template.Status.Candidate.UID).To(Equal(fixed.UID))
		Expect(l.template.Status.Rejected).To(BeNil())
	})

	It("returns when a step has not had its starts in time", func(ctx SpecContext) {
		l := set(ctx, gated)
		l.starts(ctx, "a", v1alpha1.JobSucceeded)
		l.passes(ctx, 3*time.Hour)
		Expect(l.template).To(BeStalled(v1alpha1.ReasonRolloutFailed))
		Expect(l.template.Status.Rejected.Why).To(ContainSubstring("1 of 2 starts"))
	})

	It("stands still while it is paused, and goes on where it was", func(ctx SpecContext) {
		l := set(ctx, gated)
		l.starts(ctx, "a", v1alpha1.JobSucceeded)
		l.starts(ctx, "b", v1alpha1.JobSucceeded)
		l.passes(ctx, 30*time.Minute)
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) { s.Rollout.Paused = true })
		Expect(l.template.Status.Rollout).To(Equal("paused at canaries"))
		Expect(l.passes(ctx, 100*time.Hour)).To(BeZero())
		Expect(l.template.Status.Candidate.Step).To(BeZero())
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) { s.Rollout.Paused = false })
		Expect(l.passes(ctx, 0)).To(Equal(30 * time.Minute))
		l.passes(ctx, 30*time.Minute)
		Expect(l.template.Status.Candidate.Step).To(BeEquivalentTo(1))
	})

	It("is kept from by a hold until its time is over, then begins", func(ctx SpecContext) {
		l := set(ctx, gated)
		until := l.clock.Now().Add(24 * time.Hour)
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) {
			s.Hold = &v1alpha1.TemplateHold{Version: v1alpha1.ObjectName(l.new.Name), Until: until.UTC().Format(time.RFC3339), By: "ada"}
		})
		Expect(l.template).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonHeld))
		Expect(Message(l.template, v1alpha1.ConditionReady)).To(HaveSuffix(", by ada"))
		Expect(l.template.Status.Rollout).To(Equal(fmt.Sprintf("held at %s until %s", l.new.Name[len("go-"):], until.UTC().Format("Jan 2 15:04 UTC"))))
		Expect(l.active()).To(Equal(l.new.Name))
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) { s.Hold.Version = v1alpha1.ObjectName(l.old.Name) })
		Expect(l.active()).To(Equal(l.old.Name))
		Expect(l.template.Status.Candidate).To(BeNil())
		Expect(l.passes(ctx, time.Hour)).To(Equal(23 * time.Hour))
		l.passes(ctx, 23*time.Hour)
		Expect(l.template.Status.Candidate).To(HaveValue(And(HaveField("UID", l.new.UID), HaveField("Step", BeZero()))))
		Expect(l.template.Status.Rollout).To(HavePrefix("canaries until "))
	})

	It("says what is wrong with a hold, and stays where it is", func(ctx SpecContext) {
		l := set(ctx, gated)
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) {
			s.Hold = &v1alpha1.TemplateHold{Version: "go-0", Until: l.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
		})
		Expect(l.template).To(BeStalled(v1alpha1.ReasonHoldMissing))
		Expect(Message(l.template, v1alpha1.ConditionReady)).To(And(ContainSubstring("spec.hold.version"), ContainSubstring(l.old.Name)))
		l.change(ctx, l.template, func(s *v1alpha1.TemplateSpec) { s.Hold.Until = "2026-13-45T99:99:99Z" })
		Expect(l.template).To(BeStalled(v1alpha1.ReasonHoldMissing))
		Expect(Message(l.template, v1alpha1.ConditionReady)).To(ContainSubstring("spec.hold.until"))
		Expect(l.active()).To(Equal(l.old.Name))
	})

	It("tells of which revision a version is, where the template says so", func(ctx SpecContext) {
		d := sit(ctx)
		t := given.Template(d.org, "go", func(t *v1alpha1.Template) {
			t.Annotations = map[string]string{v1alpha1.AnnotationRevision: "main@9d1e"}
		})
		create(ctx, t)
		d.settle(ctx, t)
		Expect(d.latest(ctx, t).Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationRevision, "main@9d1e"))
	})

	It("tells whose content a version is, where the cluster wrote that down", func(ctx SpecContext) {
		d := sit(ctx)
		d.Requesters = phase.Requesters{Reader: d.Journal, Own: "berth-system"}
		name := "oidc:ada-" + d.org
		ada := given.User("ada-"+d.org, func(u *v1alpha1.User) { u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: name}} })
		create(ctx, ada)
		t := given.Template(d.org, "go", func(t *v1alpha1.Template) {
			t.Annotations = map[string]string{v1alpha1.AnnotationRequester: name}
		})
		create(ctx, t)
		d.settle(ctx, t)
		Expect(d.latest(ctx, t).Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationCreatedBy, ada.Name))
	})
})
