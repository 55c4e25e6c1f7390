// SPDX-License-Identifier: Apache-2.0

package activity_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	reconciler "github.com/berth-dev/berth/controllers/activity"
	"github.com/berth-dev/berth/internal/activity"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// desk is what a spec works at: a template of an organization of its own, on a day that the spec chooses.
type desk struct {
	*cluster.Journal
	*reconciler.Reconciler
	clock    *clocktesting.FakePassiveClock
	org      string
	template *v1alpha1.Template
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	org, err := env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	j := cluster.NewJournal(env.Client)
	clock := clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))
	d := &desk{Journal: j, clock: clock, org: org, Reconciler: &reconciler.Reconciler{Client: j, Namespace: own, Clock: clock}}
	d.template = given.Template(org, "dev")
	Expect(env.Client.Create(ctx, d.template)).To(Succeed())
	return d
}

// pass reconciles once, and tells what that asks for and how much it wrote.
func (d *desk) pass(ctx context.Context) (ctrl.Result, int) {
	GinkgoHelper()
	before := len(d.Writes())
	result, err := d.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(d.template)})
	Expect(err).NotTo(HaveOccurred())
	return result, len(d.Writes()) - before
}

func (d *desk) record(ctx context.Context) *activity.Record {
	GinkgoHelper()
	kept := &corev1.ConfigMap{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: own, Name: activity.Name(d.org, "dev")}, kept)).To(Succeed())
	record, err := activity.Decode(kept.BinaryData[activity.Key])
	Expect(err).NotTo(HaveOccurred())
	return record
}

func (d *desk) today() activity.Day { return activity.On(d.clock.Now()) }

// workspace is an owner's, with a start by somebody at a time.
func (d *desk) workspace(ctx context.Context, name, owner, by string, at time.Time, change ...func(*v1alpha1.WorkspaceBuild)) *v1alpha1.Workspace {
	GinkgoHelper()
	w := given.Workspace(d.org, name, owner, "dev")
	Expect(env.Client.Create(ctx, w)).To(Succeed())
	b := given.Build(w, 1, v1alpha1.TransitionStart, append([]func(*v1alpha1.WorkspaceBuild){func(b *v1alpha1.WorkspaceBuild) {
		b.Spec.Initiator = v1alpha1.Initiator{User: by, Name: "x"}
		b.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: at.UTC().Format(time.RFC3339Nano)}
	}}, change...)...)
	Expect(env.Client.Create(ctx, b)).To(Succeed())
	return w
}

func (d *desk) use(ctx context.Context, w *v1alpha1.Workspace, at time.Time) {
	GinkgoHelper()
	w.Status.LastUsedAt = &metav1.Time{Time: at}
	Expect(env.Client.Status().Update(ctx, w)).To(Succeed())
}

var _ = Describe("The record of a template", func() {
	It("counts owners who start or use a workspace, once a day, and nobody else", func(ctx SpecContext) {
		d := sit(ctx)
		now := d.clock.Now()
		result, wrote := d.pass(ctx)
		Expect(result).To(BeZero())
		Expect(wrote).To(Equal(1), "a record of nobody, so that 0 is known")
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(BeZero())

		d.clock.SetTime(now.Add(reconciler.Every))
		d.workspace(ctx, "one", "ada", "ada", now.Add(-48*time.Hour))
		d.use(ctx, d.workspace(ctx, "two", "ada", "ada", now.Add(-48*time.Hour)), now)
		d.workspace(ctx, "three", "grace", "admin", now)
		d.workspace(ctx, "four", "grace", "grace", now, func(b *v1alpha1.WorkspaceBuild) { b.Spec.Reason = v1alpha1.BuildReasonAutostart })
		d.workspace(ctx, "five", "grace", "grace", now, func(b *v1alpha1.WorkspaceBuild) { b.Spec.Transition = v1alpha1.TransitionStop })
		d.workspace(ctx, "six", "bob", "bob", now.Add(-90*24*time.Hour))
		_, wrote = d.pass(ctx)
		Expect(wrote).To(Equal(1))
		r := d.record(ctx)
		Expect(r.On(activity.On(now.Add(-48 * time.Hour)))).To(Equal(1))
		Expect(r.On(activity.On(now))).To(Equal(1))
		Expect(r.Active(d.today(), activity.Window)).To(Equal(1))

		By("a second pass, which looks at nothing so soon, and a later one, which has nothing to say")
		result, wrote = d.pass(ctx)
		Expect(result.RequeueAfter).To(BeNumerically("~", reconciler.Every, 2*time.Second))
		Expect(wrote).To(BeZero())
		d.clock.SetTime(d.clock.Now().Add(reconciler.Every))
		result, wrote = d.pass(ctx)
		Expect(result).To(BeZero())
		Expect(wrote).To(BeZero())
	})

	It("is written rarely, and outlives the workspaces that it came from", func(ctx SpecContext) {
		d := sit(ctx)
		d.pass(ctx)
		d.clock.SetTime(d.clock.Now().Add(time.Minute))
		w := d.workspace(ctx, "one", "ada", "ada", d.clock.Now())
		result, wrote := d.pass(ctx)
		Expect(wrote).To(BeZero())
		Expect(result.RequeueAfter).To(BeNumerically("~", reconciler.Every-time.Minute, 2*time.Second))
		d.clock.SetTime(d.clock.Now().Add(result.RequeueAfter))
		_, wrote = d.pass(ctx)
		Expect(wrote).To(Equal(1))
		Expect(env.Client.Delete(ctx, w)).To(Succeed())
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(d.org))).To(Succeed())
		d.clock.SetTime(d.clock.Now().Add(24 * time.Hour))
		_, wrote = d.pass(ctx)
		Expect(wrote).To(BeZero())
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(Equal(1))
		Expect(d.record(ctx).On(d.today())).To(BeZero())
	})

	It("takes no use that was declared for all workspaces at once", func(ctx SpecContext) {
		d := sit(ctx)
		now := d.clock.Now()
		d.template.Annotations = map[string]string{v1alpha1.AnnotationUsedAt: now.UTC().Format(time.RFC3339)}
		Expect(env.Client.Update(ctx, d.template)).To(Succeed())
		w := d.workspace(ctx, "one", "ada", "admin", now)
		d.use(ctx, w, now)
		d.pass(ctx)
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(BeZero())
		d.clock.SetTime(now.Add(reconciler.Every))
		d.use(ctx, w, now.Add(time.Minute))
		d.pass(ctx)
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(Equal(1))
	})

	It("begins anew for a successor of the name, and for what can't be read, and goes with the template", func(ctx SpecContext) {
		d := sit(ctx)
		d.workspace(ctx, "one", "ada", "ada", d.clock.Now())
		d.pass(ctx)
		kept := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: own, Name: activity.Name(d.org, "dev")}
		Expect(env.Client.Get(ctx, key, kept)).To(Succeed())
		kept.BinaryData[activity.Key] = []byte("x")
		Expect(env.Client.Update(ctx, kept)).To(Succeed())
		d.clock.SetTime(d.clock.Now().Add(reconciler.Every))
		d.pass(ctx)
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(Equal(1))

		Expect(env.Client.Delete(ctx, d.template)).To(Succeed())
		d.template = given.Template(d.org, "dev")
		Expect(env.Client.Create(ctx, d.template)).To(Succeed())
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(d.org))).To(Succeed())
		d.clock.SetTime(d.clock.Now().Add(reconciler.Every))
		d.pass(ctx)
		Expect(d.record(ctx).Active(d.today(), activity.Window)).To(BeZero())

		Expect(env.Client.Delete(ctx, d.template)).To(Succeed())
		d.pass(ctx)
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, key, kept))).To(Succeed())
		Expect(env.Client.Get(ctx, key, kept)).NotTo(Succeed())
		_, wrote := d.pass(ctx)
		Expect(wrote).To(Equal(1), "a deletion of what is not there changes nothing")
	})
})
