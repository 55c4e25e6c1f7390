// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

func orgAdmin(u *v1alpha1.User) {
	u.Spec.Memberships[0].Roles = []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
}

// usernames are those of a group's members.
func usernames(g codersdk.Group) []string {
	names := []string{}
	for _, u := range g.Members {
		names = append(names, u.Username)
	}
	return names
}

var _ = Describe("Groups", Ordered, func() {
	var o *v1alpha1.Organization
	var admin, ada, bob *person
	var groups string

	BeforeAll(func(ctx SpecContext) {
		o = newOrganization(ctx)
		admin, ada, bob = newPerson(ctx, o.Name, orgAdmin), newPerson(ctx, o.Name), newPerson(ctx, o.Name)
		groups = "organizations/" + o.Name + "/groups"
		Eventually(func() int { return ask(ctx, admin.session, "GET", "/api/v2/"+groups, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
	})

	made := func(ctx SpecContext, change ...func(*codersdk.CreateGroupRequest)) codersdk.Group {
		GinkgoHelper()
		in := codersdk.CreateGroupRequest{Name: unique("Team")}
		for _, f := range change {
			f(&in)
		}
		return got[codersdk.Group](ctx, 201, admin.session, "POST", groups, in)
	}
	stored := func(ctx SpecContext, name string) *v1alpha1.Group {
		GinkgoHelper()
		g := &v1alpha1.Group{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: o.Name, Name: strings.ToLower(name)}, g)).To(Succeed())
		return g
	}

	It("are made, found by id and name, changed and deleted", func(ctx SpecContext) {
		g := made(ctx, func(in *codersdk.CreateGroupRequest) {
			in.DisplayName, in.AvatarURL, in.QuotaAllowance = "The Team", "/x.svg", 7
		})
		Expect(g).To(Equal(codersdk.Group{ID: g.ID, Name: g.Name, DisplayName: "The Team", OrganizationID: ids.Of(o), Members: []codersdk.User{},
			AvatarURL: "/x.svg", QuotaAllowance: 7, Source: codersdk.GroupSourceUser}))
		path := "groups/" + g.ID.String()
		Expect(got[codersdk.Group](ctx, 200, ada.aggregated, "GET", path, nil)).To(Equal(g))
		Expect(got[codersdk.Group](ctx, 200, ada.session, "GET", groups+"/"+strings.ToUpper(g.Name), nil)).To(Equal(g))

		By("members, whom it declares and who have what it gives at once")
		ids := []string{ids.Of(ada.User).String(), ids.Of(bob.User).String()}
		g = got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{AddUsers: ids})
		Expect(usernames(g)).To(ConsistOf(ada.Name, bob.Name))
		Expect(stored(ctx, g.Name).Spec.Members).To(Equal([]v1alpha1.ObjectName{v1alpha1.ObjectName(ada.Name), v1alpha1.ObjectName(bob.Name)}))
		Expect(usernames(got[codersdk.Group](ctx, 200, ada.session, "GET", path, nil))).To(Equal([]string{ada.Name}), "nobody sees an account that is not theirs to see")
		quota := got[codersdk.WorkspaceQuota](ctx, 200, ada.session, "GET", "workspace-quota/me", nil)
		Expect(quota.Budget).To(BeEquivalentTo(7))
		before := stored(ctx, g.Name).ResourceVersion
		got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{AddUsers: ids[:1]})
		Expect(stored(ctx, g.Name).ResourceVersion).To(Equal(before), "who is in it already stays so")
		g = got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{RemoveUsers: ids[:1]})
		Expect(usernames(g)).To(Equal([]string{bob.Name}))

		By("another name, and the rest as it was")
		g = got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{Name: g.Name + "-2"})
		Expect([]any{g.DisplayName, g.AvatarURL, g.QuotaAllowance}).To(Equal([]any{"The Team", "/x.svg", 7}))
		taken := made(ctx)
		refused(ctx, 409, admin.session, "PATCH", path, codersdk.PatchGroupRequest{Name: strings.ToLower(taken.Name)}, "name")
		refused(ctx, 409, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: g.Name}, "name")

		Expect(got[codersdk.Response](ctx, 200, admin.session, "DELETE", path, nil).Message).NotTo(BeEmpty())
		refused(ctx, 404, ada.session, "GET", path, nil)
		Expect(got[[]codersdk.Group](ctx, 200, ada.session, "GET", groups, nil)).To(ContainElement(HaveField("Name", "Everyone")))
	})

	It("lose nobody when many are added at once: who was told of a conflict asks again", func(ctx SpecContext) {
		g := made(ctx)
		const many = 12
		members := make([]string, many)
		for i := range many {
			members[i] = unique("crowd")
			u := given.User(members[i], func(u *v1alpha1.User) {
				u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(o.Name)}}
			})
			Expect(env.Client.Create(ctx, u)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
			Eventually(func() int { return ask(ctx, admin.session, "GET", "/api/v2/users/"+u.Name, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
			members[i] = ids.Of(u).String()
		}
		var crowd sync.WaitGroup
		for _, id := range members {
			crowd.Go(func() {
				defer GinkgoRecover()
				Eventually(func() int {
					status := ask(ctx, admin.session, "PATCH", "/api/v2/groups/"+g.ID.String(), codersdk.PatchGroupRequest{AddUsers: []string{id}}).Status
					Expect(status).To(BeElementOf(200, 409))
					return status
				}).WithTimeout(30 * time.Second).Should(Equal(200))
			})
		}
		crowd.Wait()
		Expect(stored(ctx, g.Name).Spec.Members).To(HaveLen(many))
	})

	It("that are Everyone have the organization's id, all its members, and no changes but what it gives", func(ctx SpecContext) {
		path := "groups/" + ids.Of(o).String()
		all := got[codersdk.Group](ctx, 200, admin.aggregated, "GET", path, nil)
		Expect(all.Name).To(Equal("Everyone"))
		Expect(usernames(all)).To(ContainElements(admin.Name, ada.Name, bob.Name))
		Expect(all.ID).To(Equal(all.OrganizationID))
		display := "All"
		refused(ctx, 400, admin.session, "PATCH", path, codersdk.PatchGroupRequest{Name: "x", DisplayName: &display,
			AddUsers: []string{ids.Of(ada.User).String()}, RemoveUsers: []string{ids.Of(bob.User).String()}}, "name", "display_name", "add_users", "remove_users")
		credits := 3
		Expect(got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{QuotaAllowance: &credits}).QuotaAllowance).To(Equal(3))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		Expect(*o.Spec.Everyone.Quota.DailyCost).To(BeEquivalentTo(3))
		refused(ctx, 400, admin.session, "DELETE", path, nil)
		refused(ctx, 400, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: "everyOne"}, "name")
	})

	It("are refused with the name of each field", func(ctx SpecContext) {
		g := made(ctx)
		stranger := newPerson(ctx, newOrganization(ctx).Name)
		one, foreign, nobody := ids.Of(ada.User).String(), ids.Of(stranger.User).String(), uuid.NewString()
		refused(ctx, 400, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: "a--b", DisplayName: " x", QuotaAllowance: -1}, "name", "display_name", "quota_allowance")
		for _, add := range [][]string{{nobody}, {foreign}, {"ada"}, {one, one}} {
			refused(ctx, 400, admin.session, "PATCH", "groups/"+g.ID.String(), codersdk.PatchGroupRequest{AddUsers: add}, "add_users")
		}
		refused(ctx, 400, admin.session, "PATCH", "groups/"+g.ID.String(), codersdk.PatchGroupRequest{AddUsers: []string{one}, RemoveUsers: []string{one}}, "remove_users")
		Expect(stored(ctx, g.Name).Spec.Members).To(BeEmpty())
		Expect(stored(ctx, g.Name).Spec.Quota).To(BeNil(), "an allowance of nothing is not stated, and limits nobody")
	})

	It("that an identity provider fills take no members by hand", func(ctx SpecContext) {
		g := given.Group(o.Name, unique("idp"), func(g *v1alpha1.Group) { g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:team"}} })
		Expect(env.Client.Create(ctx, g)).To(Succeed())
		path := "groups/" + ids.Of(g).String()
		Eventually(func() int { return ask(ctx, admin.session, "GET", "/api/v2/"+path, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
		Expect(got[codersdk.Group](ctx, 200, admin.session, "GET", path, nil).Source).To(Equal(codersdk.GroupSourceOIDC))
		refused(ctx, 400, admin.session, "PATCH", path, codersdk.PatchGroupRequest{AddUsers: []string{ids.Of(ada.User).String()}}, "add_users")
		refused(ctx, 400, admin.session, "PATCH", path, codersdk.PatchGroupRequest{RemoveUsers: []string{ids.Of(ada.User).String()}}, "remove_users")
	})

	It("that git holds are changed there, field by field", func(ctx SpecContext) {
		name := unique("git")
		applyAs(ctx, "argocd-controller", `{"apiVersion":"berth.dev/v1alpha1","kind":"Group","metadata":{"name":"`+name+`","namespace":"`+o.Name+`",
			"annotations":{"argocd.argoproj.io/tracking-id":"people:berth.dev/Group:x/`+name+`"}},"spec":{"members":["`+ada.Name+`"],"quota":{"dailyCost":5}}}`)
		path := "groups/" + ids.Of(stored(ctx, name)).String()
		Eventually(func() int { return ask(ctx, admin.session, "GET", "/api/v2/"+path, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
		credits, display := 6, "By the API"
		for field, in := range map[string]codersdk.PatchGroupRequest{
			"add_users":       {AddUsers: []string{ids.Of(bob.User).String()}},
			"remove_users":    {RemoveUsers: []string{ids.Of(ada.User).String()}},
			"quota_allowance": {QuotaAllowance: &credits},
			"name":            {Name: name + "-2"},
		} {
			Expect(refused(ctx, 409, admin.session, "PATCH", path, in, field).Message).To(ContainSubstring("Argo CD application people"))
		}
		Expect(refused(ctx, 409, admin.aggregated, "DELETE", path, nil).Message).To(ContainSubstring("Argo CD application people"))
		Expect(got[codersdk.Group](ctx, 200, admin.session, "PATCH", path, codersdk.PatchGroupRequest{DisplayName: &display}).DisplayName).To(Equal(display))
	})
})
