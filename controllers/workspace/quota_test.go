// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/internal/ledger"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// dear is a template whose workspaces cost three credits a day for each cpu, and one for the home that stays.
func dear(t *v1alpha1.Template) {
	t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) {
		c.Parameters = []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, 4, func(p *v1alpha1.Parameter) { p.Mutable = true })}
		cost, home := v1alpha1.ValueOf("${parameters.cpu * 3}"), v1alpha1.ValueOf(1)
		c.DailyCost = &cost
		c.VolumeClaims = []v1alpha1.VolumeClaim{{Name: "home", Size: "1Gi", MountPath: "/home/dev"}}
		c.ResourceMetadata = []v1alpha1.ResourceMetadata{{Name: "home", DailyCost: &home}}
	})
}

// granted puts the world's user into a group with a quota.
func (w *world) granted(ctx context.Context, q v1alpha1.Quota) {
	GinkgoHelper()
	create(ctx, given.Group(w.org, "backend", func(g *v1alpha1.Group) {
		g.Spec.Members, g.Spec.Quota = []v1alpha1.ObjectName{v1alpha1.ObjectName(w.user)}, &q
	}))
}

// asked is a start that somebody asks for by the API, of the template's active version.
func (w *world) asked(ctx context.Context, ws *v1alpha1.Workspace, cpu int) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	read(ctx, ws)
	number := int64(1)
	if ws.Status.Build != nil {
		number = ws.Status.Build.Number + 1
	}
	b := given.Build(ws, number, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
		b.Labels = map[string]string{v1alpha1.LabelID: id(ws), v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
		b.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(ws)}
		b.Spec.RequestID, b.Spec.Initiator = "r", v1alpha1.Initiator{User: w.user, Name: "ada"}
		b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.template.Name + "-1"), UID: w.active(ctx)}
		b.Spec.Parameters = &v1alpha1.BuildParameters{Values: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(cpu)}}
		b.Spec.ResolvedHash = fmt.Sprint("by the API ", number)
		b.Spec.Wish = &v1alpha1.Wish{State: ws.Spec.State, Request: ws.Spec.Request}
		b.Spec.Restart = number > 1
	})
	create(ctx, b)
	return b
}

var _ = Describe("A quota", func() {
	credits := func(n int64) v1alpha1.Quota { return v1alpha1.Quota{DailyCost: &n} }

	It("refuses a manifest's start that exceeds the budget, with the sum and what would free enough, and starts it then", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, credits(20))
		first := w.workspace(ctx, "first")
		w.run(ctx, first)
		Expect(first.Status.Build.DailyCost).To(HaveValue(BeEquivalentTo(13)))
		second := w.workspace(ctx, "second")
		w.settle(ctx, second)
		Expect(second).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(Message(second, v1alpha1.ConditionReady)).To(Equal(fmt.Sprintf(
			"%s would reach 26 of 20 credits a day: other workspaces 13 + this 13. To free enough: kubectl berth stop %s/first (12).", w.user, w.user)))
		Expect(w.ledger(ctx, second)).To(BeEmpty())
		Expect(w.pods(ctx, second)).To(BeEmpty())

		By("a stop, which leaves the home's credit")
		w.asks(ctx, first, v1alpha1.RequestStop)
		w.stopped(ctx, first)
		w.run(ctx, second)
		Expect(second).To(BeReady())
		w.asks(ctx, first, v1alpha1.RequestStart)
		w.settle(ctx, first)
		Expect(first).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
	})

	It("fails a build of the API that exceeds the budget, and lets one through that costs less than before", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, credits(20))
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		refused := w.asked(ctx, ws, 8)
		w.settle(ctx, ws)
		read(ctx, refused)
		Expect(refused.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed),
			HaveField("Error", fmt.Sprintf("%s would reach 25 of 20 credits a day: other workspaces 0 + this 25. It alone costs more than the budget; choose less.", w.user)))))
		Expect(ws.Status.Build.Number).To(BeEquivalentTo(1), "what runs goes on")
		Expect(w.pods(ctx, ws)).To(HaveLen(1))

		By("with the budget cut below what runs")
		edit(ctx, given.Group(w.org, "backend"), `{"spec":{"quota":{"dailyCost":5}}}`)
		edit(ctx, refused, `{"metadata":{"finalizers":null}}`)
		Expect(env.Client.Delete(ctx, refused)).To(Succeed())
		w.asked(ctx, ws, 3)
		w.settle(ctx, ws)
		Expect(ws.Status.Build).To(HaveValue(And(HaveField("Number", BeEquivalentTo(2)), HaveField("DailyCost", HaveValue(BeEquivalentTo(10))))))
	})

	It("fails the first build of a workspace too, which then takes nothing", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, credits(20))
		first := w.workspace(ctx, "first")
		w.run(ctx, first)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Annotations = map[string]string{v1alpha1.AnnotationFirstBuild: "api"} })
		w.settle(ctx, ws)
		b := w.asked(ctx, ws, 4)
		w.settle(ctx, ws)
		read(ctx, b)
		Expect(b.Status.Job.Error).To(ContainSubstring("would reach 26 of 20"))
		Expect(ws).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseFailed))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		w.asks(ctx, first, v1alpha1.RequestRestart)
		w.settle(ctx, first)
		Expect(first.Status.Build.Number).To(BeEquivalentTo(2), "the budget is all first's")
	})

	It("caps what runs and what is kept, of a person, a group, everyone and a template", func(ctx SpecContext) {
		for name, limit := range map[string]func(*world){
			"a group":  func(w *world) { w.granted(ctx, v1alpha1.Quota{Running: ptr.To(int64(1))}) },
			"a member": func(w *world) { w.granted(ctx, v1alpha1.Quota{PerMember: &v1alpha1.Caps{Kept: ptr.To(int64(1))}}) },
			"everyone": func(w *world) {
				edit(ctx, given.Organization(w.org), `{"spec":{"everyone":{"quota":{"kept":1}}}}`)
			},
			"a template": func(w *world) { edit(ctx, w.template, `{"spec":{"limits":{"running":1}}}`) },
			"each user":  func(w *world) { edit(ctx, w.template, `{"spec":{"limits":{"perUser":{"running":1}}}}`) },
		} {
			By(name)
			w := found(ctx, env.Client)
			limit(w)
			first, second := w.workspace(ctx, "first"), w.workspace(ctx, "second")
			w.run(ctx, first)
			w.settle(ctx, second)
			Expect(second).To(BeStalled(v1alpha1.ReasonQuotaExceeded), name)
			Expect(Message(second, v1alpha1.ConditionReady)).To(ContainSubstring("would have 2 of 1 workspaces"))
			Expect(env.Client.Delete(ctx, first)).To(Succeed())
			w.gone(ctx, first)
			w.run(ctx, second)
			Expect(second).To(BeReady(), name)
		}
	})

	It("does not count a start that was canceled before a restore, whose builds name the old uid", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.granted(ctx, v1alpha1.Quota{Running: ptr.To(int64(1))})
		const old = "22222222-2222-3333-4444-555555555555"
		ghost := w.workspaceObject("first", func(ws *v1alpha1.Workspace) { ws.UID = old })
		create(ctx, given.Build(ghost, 3, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
			b.Labels = map[string]string{v1alpha1.LabelID: old, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
			b.Annotations = map[string]string{v1alpha1.AnnotationOutcome: string(v1alpha1.JobCanceled)}
			b.Spec.RequestID, b.Spec.Wish = "r", &v1alpha1.Wish{State: v1alpha1.StateStopped}
		}))
		first := w.workspace(ctx, "first", func(ws *v1alpha1.Workspace) { ws.Spec.ID, ws.Spec.State = old, v1alpha1.StateStopped })
		w.settle(ctx, first)
		Expect(first.Status.Phase).To(Equal(v1alpha1.PhaseStopped))
		Expect(first.Status.Build.Number).To(BeEquivalentTo(3))
		second := w.workspace(ctx, "second")
		w.run(ctx, second)
		Expect(second).To(BeReady())
	})

	It("of the cluster's own is shown as the cluster says it", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		none := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: "compute"}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
		create(ctx, q)
		q.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
		Expect(env.Client.Status().Update(ctx, q)).To(Succeed())
		ws := w.workspace(ctx, "api")
		for range 8 {
			w.step(ctx, ws)
		}
		read(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPodRefused))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring("exceeded quota: compute, requested: pods=1, used: pods=0, limited: pods=0"))
	})

	It("costs a start nothing that falls under none", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.run(ctx, w.workspace(ctx, "api"))
		for _, write := range w.Writes() {
			Expect(write).NotTo(ContainSubstring("Lease"))
		}
	})

	It("never gives the last credit to two, however many start at once, under two leaders and an old cache", func(ctx SpecContext) {
		const many, fit = 8, 3
		w := found(ctx, env.Client)
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, credits(fit*13+12))
		// The other leader's cache has seen no start of anybody.
		blind := NewJournal(interceptor.NewClient(env.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				err := c.List(ctx, list, opts...)
				switch l := list.(type) {
				case *v1alpha1.WorkspaceList:
					for i := range l.Items {
						l.Items[i].Status = v1alpha1.WorkspaceStatus{}
					}
				}
				return err
			},
		}))
		leaders := []*workspace.Reconciler{w.decides, {Client: blind, Live: w.Journal, Own: "default", Clock: w.clock, Events: w.said}}
		all := make([]*v1alpha1.Workspace, many)
		for i := range all {
			all[i] = w.workspace(ctx, fmt.Sprintf("w%d", i))
		}
		var wait sync.WaitGroup
		for _, ws := range all {
			for _, leader := range leaders {
				wait.Go(func() {
					defer GinkgoRecover()
					for range 8 {
						_, _ = leader.Reconcile(ctx, request(ws)) // what meets another's write is tried again
					}
				})
			}
		}
		wait.Wait()
		var sum int64
		started := 0
		for _, ws := range all {
			_, err := w.decides.Reconcile(ctx, request(ws))
			Expect(err).NotTo(HaveOccurred())
			read(ctx, ws)
			if ws.Status.Build == nil {
				w.settle(ctx, ws)
				Expect(ws).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
				continue
			}
			started++
			sum += *ws.Status.Build.DailyCost
		}
		Expect(started).To(Equal(fit))
		Expect(sum).To(BeEquivalentTo(fit * 13))
	})

	It("has what a start reserved count until it is accepted, across a crash, and no longer than its build", func(ctx SpecContext) {
		broken := true
		w := found(ctx, interceptor.NewClient(env.Client, interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
				if broken && o.GetName() == "first" {
					return apierrors.NewInternalError(fmt.Errorf("the process died"))
				}
				return c.SubResource(sub).Update(ctx, o, opts...)
			},
		}))
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, credits(20))
		first, second := w.workspace(ctx, "first"), w.workspace(ctx, "second")
		for range 4 {
			_, _ = w.decides.Reconcile(ctx, request(first))
		}
		Expect(w.ledger(ctx, first)).To(Equal([]string{"1 Start Pending"}), "it has its build, and was not accepted")
		// No workspace shows that anything is taken; the reservation does.
		w.settle(ctx, second)
		Expect(second).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(w.ledger(ctx, second)).To(BeEmpty())
		w.passes(time.Hour)
		w.settle(ctx, second)
		Expect(second).To(BeStalled(v1alpha1.ReasonQuotaExceeded), "the clock ends no reservation")

		By("the build being taken away")
		Expect(env.Client.Delete(ctx, w.builds(ctx, first)[0])).To(Succeed())
		w.settle(ctx, second)
		Expect(second.Status.Build).NotTo(BeNil())
		broken = false
		w.settle(ctx, first)
		Expect(first).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(strings.Join(w.Writes(), "\n")).To(ContainSubstring("Lease berth-quota-" + w.org))
	})
})
