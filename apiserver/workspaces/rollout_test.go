// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A version that comes out step by step", func() {
	It("is the active one for those who are due it, when they make, see and start workspaces, and for nobody else", func(ctx SpecContext) {
		w := newWorld(ctx)
		next := w.addVersion(ctx, w.goDev, "go-dev-2", parametrised, v1alpha1.JobSucceeded)
		group := given.Group(w.organization, "canaries", func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(w.grace)} })
		create(ctx, group)
		w.goDev.Spec.Rollout = &v1alpha1.Rollout{Strategy: v1alpha1.RolloutProgressive, Steps: []v1alpha1.RolloutStep{{Group: "canaries"}}}
		w.goDev.Spec.RequireActiveVersion = true
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		w.goDev.Status.Candidate = &v1alpha1.RolloutCandidate{
			UIDReference: v1alpha1.UIDReference{Name: "go-dev-2", UID: next.UID}, Since: metav1.Now(), StartedAt: metav1.Now(),
		}
		Expect(env.Client.Status().Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)

		in := codersdk.CreateWorkspaceRequest{Name: "dev", TemplateID: ids.Of(w.goDev), AutomaticUpdates: codersdk.AutomaticUpdatesAlways}
		for user, want := range map[string]*v1alpha1.TemplateVersion{w.grace: next, w.ada: w.version} {
			made := as[codersdk.Workspace](ctx, 201, user, "POST", w.places(user), in)
			Expect(made.LatestBuild.TemplateVersionID).To(Equal(ids.Of(want)))
			Expect(w.object(ctx, user, "dev").Spec.VersionRef).To(BeNil(), "it is held to nothing")
			shown := as[codersdk.Workspace](ctx, 200, user, "GET", "users/"+user+"/workspace/dev", nil)
			Expect(shown.TemplateActiveVersionID).To(Equal(ids.Of(want)))
			Expect(shown.Outdated).To(BeFalse())
		}

		By("ada becoming a canary")
		ada := w.object(ctx, w.ada, "dev")
		w.end(ctx, ada, 1, v1alpha1.JobSucceeded)
		group.Spec.Members = append(group.Spec.Members, v1alpha1.ObjectName(w.ada))
		Expect(env.Client.Update(ctx, group)).To(Succeed())
		seen(ctx, group)
		path := "workspaces/" + ids.Of(ada).String()
		shown := as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)
		Expect(shown.Outdated).To(BeTrue())
		Expect(shown.TemplateActiveVersionID).To(Equal(ids.Of(next)))
		started := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "start"})
		Expect(started.TemplateVersionID).To(Equal(ids.Of(next)))

		By("the version being taken back")
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(w.goDev), w.goDev)).To(Succeed())
		w.goDev.Status.Candidate = nil
		Expect(env.Client.Status().Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		shown = as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)
		Expect(shown.Outdated).To(BeTrue(), "its next start goes back")
		Expect(shown.TemplateActiveVersionID).To(Equal(ids.Of(w.version)))
	})
})

var _ = Describe("A person's quota", func() {
	It("is the sum of what the groups and Everyone give, beside what the person's workspaces cost", func(ctx SpecContext) {
		w := newWorld(ctx)
		quota := func(user string) codersdk.WorkspaceQuota {
			return as[codersdk.WorkspaceQuota](ctx, 200, user, "GET", "workspace-quota/"+user, nil)
		}
		Expect(quota(w.ada)).To(Equal(codersdk.WorkspaceQuota{Budget: -1}), "nobody limits")
		Expect(quota(w.eve).Budget).To(BeEquivalentTo(-1))
		for name, credits := range map[string]int64{"backend": 100, "friends": 20} {
			create(ctx, given.Group(w.organization, name, func(g *v1alpha1.Group) {
				g.Spec.Members, g.Spec.Quota = []v1alpha1.ObjectName{v1alpha1.ObjectName(w.ada)}, &v1alpha1.Quota{DailyCost: &credits}
			}))
		}
		org, few := given.Organization(w.organization), int64(3)
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(org), org)).To(Succeed())
		org.Spec.Everyone = &v1alpha1.Everyone{Quota: &v1alpha1.Quota{DailyCost: &few}}
		Expect(env.Client.Update(ctx, org)).To(Succeed())
		seen(ctx, org)
		Expect(quota(w.ada).Budget).To(BeEquivalentTo(123))
		Expect(quota(w.grace).Budget).To(BeEquivalentTo(3))

		made := w.workspace(ctx, w.ada, "dev")
		ws := w.object(ctx, w.ada, "dev")
		cost := int64(13)
		ws.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(ws.Name + "-1"), UID: "x"}, Number: 1, Transition: v1alpha1.TransitionStart, DailyCost: &cost}
		Expect(env.Client.Status().Update(ctx, ws)).To(Succeed())
		seen(ctx, ws)
		Expect(made.Name).To(Equal("dev"))
		Expect(quota(w.ada)).To(Equal(codersdk.WorkspaceQuota{CreditsConsumed: 13, Budget: 123}))

		By("which is shown to those who may see the person")
		as[codersdk.Response](ctx, 404, w.grace, "GET", "workspace-quota/"+w.ada, nil)
		as[codersdk.WorkspaceQuota](ctx, 200, w.admin, "GET", "workspace-quota/"+w.ada, nil)
	})
})
