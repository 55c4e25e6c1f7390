// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A workspace that can't run", func() {
	cpu := func(t *v1alpha1.Template) {
		t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) {
			least, most := v1alpha1.ValueOf(1), v1alpha1.ValueOf(8)
			c.Parameters = []v1alpha1.Parameter{
				given.Parameter("cpu", v1alpha1.TypeInteger, 2, func(p *v1alpha1.Parameter) {
					p.Minimum, p.Maximum, p.Mutable = &least, &most, true
				}),
				given.Parameter("repo", v1alpha1.TypeString, ""),
			}
		})
	}

	DescribeTable("is Stalled with the field and what would be right, and starts when it is put right",
		func(ctx SpecContext, change func(*world, *v1alpha1.Workspace), reason string, message []string, right func(SpecContext, *world, *v1alpha1.Workspace)) {
			w := found(ctx, env.Client)
			w.template = w.newTemplate(ctx, "go-dev", cpu)
			ws := w.workspaceObject("api")
			change(w, ws)
			create(ctx, ws)
			w.settle(ctx, ws)
			Expect(ws).To(BeStalled(reason))
			for _, part := range message {
				Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring(part))
			}
			Expect(w.ledger(ctx, ws)).To(BeEmpty())
			Expect(w.pods(ctx, ws)).To(BeEmpty())
			Expect(ws.Status.Phase).To(Equal(v1alpha1.PhasePending))
			if right == nil {
				return
			}
			right(ctx, w, ws)
			w.run(ctx, ws)
			Expect(ws).To(BeReady())
		},
		Entry("for its template is not there", func(w *world, ws *v1alpha1.Workspace) { ws.Spec.TemplateRef.Name = "go-dve" },
			v1alpha1.ReasonTemplateMissing, []string{`spec.templateRef.name: no Template "go-dve" in team-`, `did you mean "go-dev"? There are: go, go-dev`},
			func(ctx SpecContext, w *world, _ *v1alpha1.Workspace) { w.newTemplate(ctx, "go-dve", cpu) }),
		Entry("for its owner is not there", func(w *world, ws *v1alpha1.Workspace) { ws.Spec.Owner.User += "x" },
			v1alpha1.ReasonOwnerMissing, []string{`spec.owner.user: no User "uteam-`, "did you mean"},
			func(ctx SpecContext, w *world, ws *v1alpha1.Workspace) {
				create(ctx, given.User(string(ws.Spec.Owner.User)))
			}),
		Entry("for a parameter is above its maximum", func(_ *world, ws *v1alpha1.Workspace) {
			ws.Spec.Parameters = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(16)}
		}, v1alpha1.ReasonParameterRefused, []string{"spec.parameters.cpu: 16 is above 8, the maximum in go-dev-1"},
			func(ctx SpecContext, _ *world, ws *v1alpha1.Workspace) {
				edit(ctx, ws, `{"spec":{"parameters":{"cpu":4}}}`)
			}),
		Entry("for a parameter is not declared", func(_ *world, ws *v1alpha1.Workspace) {
			ws.Spec.Parameters = map[string]v1alpha1.Value{"cpus": v1alpha1.ValueOf(4)}
		}, v1alpha1.ReasonParameterRefused, []string{"spec.parameters.cpus", "cpu, repo"},
			func(ctx SpecContext, _ *world, ws *v1alpha1.Workspace) {
				edit(ctx, ws, `{"spec":{"parameters":{"cpus":null}}}`)
			}),
		Entry("for its schedule has no such hour", func(_ *world, ws *v1alpha1.Workspace) {
			ws.Spec.Autostart = &v1alpha1.Schedule{Schedule: "30 25 * * 1"}
		}, v1alpha1.ReasonScheduleInvalid, []string{"spec.autostart.schedule"},
			func(ctx SpecContext, _ *world, ws *v1alpha1.Workspace) {
				edit(ctx, ws, `{"spec":{"autostart":{"schedule":"30 9 * * 1"}}}`)
			}),
		Entry("for its version is another template's", func(_ *world, ws *v1alpha1.Workspace) {
			ws.Spec.VersionRef = &v1alpha1.NameReference{Name: "go-1"}
		}, v1alpha1.ReasonTemplateNotReady, []string{`spec.versionRef.name: TemplateVersion "go-1" is not one of template go-dev`},
			func(ctx SpecContext, _ *world, ws *v1alpha1.Workspace) { edit(ctx, ws, `{"spec":{"versionRef":null}}`) }),
		Entry("for its version is not there", func(_ *world, ws *v1alpha1.Workspace) {
			ws.Spec.VersionRef = &v1alpha1.NameReference{Name: "go-9"}
		}, v1alpha1.ReasonTemplateNotReady, []string{`spec.versionRef.name: no TemplateVersion "go-9"`}, nil),
	)

	It("waits while its template's first version is checked, and says so when that is wrong", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.template = given.Template(w.org, "raw")
		create(ctx, w.template)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(ws).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonTemplateNotReady))
		w.template.Status.ObservedGeneration = w.template.Generation
		for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
			status := metav1.ConditionTrue
			if kind == v1alpha1.ConditionReady {
				status = metav1.ConditionFalse
			}
			w.template.Status.Conditions = append(w.template.Status.Conditions, metav1.Condition{
				Type: kind, Status: status, Reason: "VersionInvalid", Message: "spec.content.image: no", LastTransitionTime: metav1.Now(),
			})
		}
		Expect(env.Client.Status().Update(ctx, w.template)).To(Succeed())
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateNotReady))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring("spec.content.image: no"))
	})

	It("V43 is left alone outside of organizations, not even adopted", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plain-"}}
		create(ctx, plain)
		for _, label := range []string{"", "no-such-organization"} {
			if label != "" {
				Expect(Relabel(ctx, env.Client, plain.Name, v1alpha1.LabelOrganization, label)).To(Succeed())
			}
			ws := given.Workspace(plain.Name, "api"+label, w.user, "go", func(ws *v1alpha1.Workspace) { ws.Spec.Name = "api" })
			create(ctx, ws)
			w.settle(ctx, ws)
			Expect(ws).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
			Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring("kind: Organization"))
			Expect(ws.Finalizers).To(BeEmpty())
			Expect(w.pods(ctx, ws)).To(BeEmpty())
			Expect(env.Client.Delete(ctx, ws)).To(Succeed())
			Expect(read(ctx, ws)).To(BeFalse())
		}
	})

	It("V43 takes its template from its own organization only", func(ctx SpecContext) {
		w, other := found(ctx, env.Client), found(ctx, env.Client)
		other.newTemplate(ctx, "theirs")
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.TemplateRef.Name = "theirs" })
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateMissing))
	})

	It("is refused in another person's namespace", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		Expect(Relabel(ctx, env.Client, w.org, v1alpha1.LabelOwner, "grace")).To(Succeed())
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonOwnerNamespace))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
	})

	It("loses its name to the older one, whatever its capitals, and gets it when that is gone", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		a := w.workspace(ctx, "a", func(ws *v1alpha1.Workspace) { ws.Spec.Name = "api" })
		b := w.workspace(ctx, "b", func(ws *v1alpha1.Workspace) { ws.Spec.Name = "API" })
		w.younger(ctx, a, b)
		w.run(ctx, a)
		w.settle(ctx, b)
		Expect(b).To(BeStalled(v1alpha1.ReasonNameTaken))
		Expect(Message(b, v1alpha1.ConditionReady)).To(ContainSubstring(fmt.Sprintf("(%s/a)", w.org)))
		Expect(env.Client.Delete(ctx, a)).To(Succeed())
		w.gone(ctx, a)
		w.run(ctx, b)
		Expect(b).To(BeReady())
	})

	It("is stopped when it loses its name after it has started, and starts when that is free", func(ctx SpecContext) {
		hidden := ""
		w := found(ctx, interceptor.NewClient(env.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				err := c.List(ctx, list, opts...)
				if l, ok := list.(*v1alpha1.WorkspaceList); ok {
					l.Items = slices.DeleteFunc(l.Items, func(ws v1alpha1.Workspace) bool { return ws.Name == hidden })
				}
				return err
			},
		}))
		further := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "further-", Labels: map[string]string{v1alpha1.LabelOrganization: w.org}}}
		create(ctx, further)
		running := func(ws *v1alpha1.Workspace) { ws.Spec.Name, ws.Spec.State = "api", v1alpha1.StateRunning }
		a := w.workspace(ctx, "a", running)
		b := given.Workspace(further.Name, "b", w.user, w.template.Name, running)
		create(ctx, b)
		w.younger(ctx, a, b)

		By("both having started before either was seen")
		hidden = "a"
		w.run(ctx, b)
		hidden = "b"
		w.run(ctx, a)
		hidden = ""

		w.stopped(ctx, b)
		Expect(b).To(BeStalled(v1alpha1.ReasonNameTaken))
		Expect(w.pods(ctx, b)).To(BeEmpty())
		Expect(w.claims(ctx, b)).NotTo(BeEmpty(), "nobody loses a home by it")
		w.settle(ctx, a)
		Expect(a).To(BeReady())
		Expect(env.Client.Delete(ctx, a)).To(Succeed())
		w.gone(ctx, a)
		w.run(ctx, b)
		Expect(b).To(BeReady())
		Expect(w.ledger(ctx, b)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded", "3 Start Succeeded"}))
	})

	It("does not start for a suspended owner, and is Ready while it is stopped", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		edit(ctx, given.User(w.user), `{"spec":{"suspended":true}}`)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonOwnerSuspended))
		edit(ctx, given.User(w.user), `{"spec":{"suspended":false}}`)
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
	})

	It("keeps running when its manifest goes wrong, shows that, and can be stopped", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.template = w.newTemplate(ctx, "go-dev", cpu)
		ws := w.workspace(ctx, "api")
		pod := w.run(ctx, ws)
		edit(ctx, ws, `{"spec":{"parameters":{"cpu":16}}}`)
		w.settle(ctx, ws)
		Expect(ws).To(And(BeStalled(v1alpha1.ReasonParameterRefused),
			HaveCondition(v1alpha1.ConditionRunning, metav1.ConditionTrue, v1alpha1.ReasonAgentReady)))
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))
		edit(ctx, ws, `{"spec":{"state":"Stopped"}}`)
		w.stopped(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonParameterRefused))
	})

	It("stays Ready when only a newer version refuses its parameters", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.promote(ctx, w.template, "go-2", given.Content(func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{{Name: "team", Type: v1alpha1.TypeString, Required: true}}
		}))
		w.settle(ctx, ws)
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionTrue, v1alpha1.ReasonUpdateBlocked)))
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonParameterRefused))
		Expect(w.pods(ctx, ws)).To(HaveLen(1))
	})

	It("says which of its fields are not acted on yet", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.Autostart = &v1alpha1.Schedule{Schedule: "30 9 * * 1-5"} })
		w.run(ctx, ws)
		Expect(ws).To(And(BeReady(), HaveCondition(v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotEnforced)))
	})
})
