// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// aRolloutAndAQuota has a version come out by a canary's start, and a start wait for the room that another's stop leaves,
// by watches and caches alone and with the manager's own rights.
func aRolloutAndAQuota(ctx SpecContext) {
	one := int32(1)
	template := given.Template("shore", "go", func(t *v1alpha1.Template) {
		t.Spec.Rollout = &v1alpha1.Rollout{Strategy: v1alpha1.RolloutProgressive, Steps: []v1alpha1.RolloutStep{{Group: "canaries"}}, MinBuilds: &one}
		cost := v1alpha1.ValueOf(10)
		t.Spec.Content.DailyCost = &cost
	})
	ada, bob := given.Workspace("shore", "ada-api", "shore-ada", "go"), given.Workspace("shore", "bob-api", "shore-bob", "go")
	group := given.Group("shore", "canaries", func(g *v1alpha1.Group) {
		credits := int64(25)
		g.Spec.Members, g.Spec.Quota = []v1alpha1.ObjectName{"shore-ada"}, &v1alpha1.Quota{DailyCost: &credits}
	})
	create(ctx, given.Organization("shore"))
	Eventually(func() error { return env.Client.Create(ctx, template) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
	for _, name := range []string{"shore-ada", "shore-bob"} {
		create(ctx, given.User(name, func(u *v1alpha1.User) { u.Spec.Memberships = []v1alpha1.Membership{{Organization: "shore"}} }))
	}
	create(ctx, group, ada, bob)
	is := func(ws *v1alpha1.Workspace, want string) {
		GinkgoHelper()
		Eventually(func() string {
			kubelet(ctx, ws)
			at := state(ctx, ws)()
			return fmt.Sprint(at.Status.Phase, " ", reason(at))
		}).WithContext(ctx).WithTimeout(soon).Should(Equal(want))
	}
	is(ada, "Running AgentReady")
	is(bob, "Running AgentReady")
	first := state(ctx, template)().Status.ActiveVersion

	By("a version that comes out: the canary's next start takes it")
	patch(ctx, template, `{"spec":{"content":{"image":"registry.example/next:1"}}}`)
	Eventually(state(ctx, template)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Candidate", Not(BeNil())))
	Expect(template.Status.ActiveVersion).To(Equal(first))
	pending := func(ws *v1alpha1.Workspace) func() string {
		return func() string {
			for _, c := range state(ctx, ws)().Status.Conditions {
				if c.Type == v1alpha1.ConditionUpdatePending {
					return c.Reason
				}
			}
			return ""
		}
	}
	Eventually(pending(ada)).WithContext(ctx).WithTimeout(soon).Should(Equal(v1alpha1.ReasonUpdatePending))
	Expect(pending(bob)()).To(Equal(v1alpha1.ReasonUpToDate))
	asks := func(ws *v1alpha1.Workspace, transition v1alpha1.RequestTransition) {
		GinkgoHelper()
		patch(ctx, ws, fmt.Sprintf(`{"spec":{"request":{"transition":%q,"at":%q}}}`, transition, time.Now().UTC().Format(time.RFC3339Nano)))
	}
	asks(ada, v1alpha1.RequestRestart)
	Eventually(func() string {
		kubelet(ctx, ada)
		return state(ctx, template)().Status.Rollout
	}).WithContext(ctx).WithTimeout(soon).Should(Equal("complete"), "one start went well, and no step is left")
	Expect(template.Status.ActiveVersion).NotTo(Equal(first))
	Expect(template.Status.PreviousVersion).To(Equal(first))
	Eventually(pending(bob)).WithContext(ctx).WithTimeout(soon).Should(Equal(v1alpha1.ReasonUpdatePending))

	By("a budget of 25 for workspaces of 10")
	second, third := given.Workspace("shore", "ada-web", "shore-ada", "go"), given.Workspace("shore", "ada-ml", "shore-ada", "go")
	create(ctx, second)
	is(second, "Running AgentReady")
	create(ctx, third)
	is(third, "Pending !QuotaExceeded")
	Eventually(state(ctx, group)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Cost", "20/25"))
	asks(second, v1alpha1.RequestStop)
	is(second, "Stopped Stopped")
	is(third, "Running AgentReady")
	Expect(third).To(BeReady())
}
