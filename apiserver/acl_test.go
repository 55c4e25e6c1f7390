// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// perms are the changes of an access list: a role for each id.
func perms(role codersdk.TemplateRole, of ...uuid.UUID) map[string]codersdk.TemplateRole {
	all := map[string]codersdk.TemplateRole{}
	for _, id := range of {
		all[id.String()] = role
	}
	return all
}

var _ = Describe("A template's access list", Ordered, func() {
	var w *world
	var admin *person
	var path, groups string
	const use, manage, none = codersdk.TemplateRoleUse, codersdk.TemplateRoleAdmin, codersdk.TemplateRoleDeleted

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		admin = newPerson(ctx, w.organization.Name, orgAdmin)
		groups = "organizations/" + w.organization.Name + "/groups"
	})

	BeforeEach(func(ctx SpecContext) { path = "templates/" + w.spare(ctx) })

	set := func(ctx SpecContext, d door, users, groups map[string]codersdk.TemplateRole) {
		GinkgoHelper()
		got[codersdk.Response](ctx, 200, d, "PATCH", path+"/acl", codersdk.UpdateTemplateACL{UserPerms: users, GroupPerms: groups})
	}
	stored := func(ctx SpecContext) *v1alpha1.Template {
		GinkgoHelper()
		var all v1alpha1.TemplateList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization.Name))).To(Succeed())
		for i := range all.Items {
			if "templates/"+ids.Of(&all.Items[i]).String() == path {
				return &all.Items[i]
			}
		}
		Fail("no such template")
		return nil
	}

	It("gives people and groups roles, keeps those that are not named, and takes them again", func(ctx SpecContext) {
		g := got[codersdk.Group](ctx, 201, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: unique("Crew")})
		everyone, member := ids.Of(w.organization), ids.Of(w.member.User)
		set(ctx, admin.session, perms(manage, member), perms(use, g.ID))
		acl := got[codersdk.TemplateACL](ctx, 200, admin.session, "GET", path+"/acl", nil)
		Expect(acl.Users).To(HaveExactElements(And(HaveField("User.ID", member), HaveField("Role", manage))))
		Expect(acl.Groups).To(HaveExactElements(
			And(HaveField("Group.ID", g.ID), HaveField("Role", use)), And(HaveField("Group.ID", everyone), HaveField("Role", use))))

		By("the new administrator, who takes in others and shuts out the rest")
		set(ctx, w.member.session, perms(use, ids.Of(w.peer.User)), perms(none, everyone))
		before := stored(ctx).ResourceVersion
		set(ctx, w.member.session, perms(use, ids.Of(w.peer.User)), perms(none, everyone))
		Expect(stored(ctx).ResourceVersion).To(Equal(before), "the same again writes nothing")
		refused(ctx, 404, newPerson(ctx, w.organization.Name).session, "GET", path, nil)
		offered := got[codersdk.ACLAvailable](ctx, 200, w.member.aggregated, "GET", path+"/acl/available", nil)
		Expect(offered.Users).To(ContainElements(HaveField("ID", ids.Of(w.peer.User)), HaveField("ID", ids.Of(admin.User))))
		Expect(offered.Users).NotTo(ContainElement(HaveField("ID", ids.Of(w.stranger.User))))
		Expect(offered.Groups).To(ContainElements(HaveField("ID", everyone), HaveField("ID", g.ID)))

		By("who only uses it, and sees no account that is not theirs to see")
		acl = got[codersdk.TemplateACL](ctx, 200, w.peer.session, "GET", path+"/acl", nil)
		Expect(acl.Users).To(HaveExactElements(HaveField("User.ID", ids.Of(w.peer.User))))
		Expect(got[codersdk.ACLAvailable](ctx, 200, w.peer.session, "GET", path+"/acl/available", nil).Users).To(HaveLen(1))
		refused(ctx, 403, w.peer.session, "PATCH", path+"/acl", codersdk.UpdateTemplateACL{UserPerms: perms(manage, ids.Of(w.peer.User))})
		set(ctx, admin.aggregated, perms(none, member), nil)
		refused(ctx, 404, w.member.session, "GET", path, nil)
	})

	It("is refused what it can't mean, with the field's name", func(ctx SpecContext) {
		before := stored(ctx).ResourceVersion
		elsewhere := newOrganization(ctx)
		for _, wrong := range []map[string]codersdk.TemplateRole{
			perms(use, uuid.New()), perms(use, ids.Of(w.stranger.User)), perms("owner", ids.Of(w.member.User)), {"ada": use}, perms(use, ids.Of(w.organization)),
		} {
			refused(ctx, 400, admin.session, "PATCH", path+"/acl", codersdk.UpdateTemplateACL{UserPerms: wrong}, "user_perms")
		}
		for _, wrong := range []map[string]codersdk.TemplateRole{perms(use, uuid.New()), perms(use, ids.Of(elsewhere)), perms(use, ids.Of(w.member.User))} {
			refused(ctx, 400, admin.session, "PATCH", path+"/acl", codersdk.UpdateTemplateACL{GroupPerms: wrong}, "group_perms")
		}
		Expect(stored(ctx).ResourceVersion).To(Equal(before))
	})

	It("that git holds is changed there", func(ctx SpecContext) {
		t := stored(ctx)
		applyAs(ctx, "argocd-controller", `{"apiVersion":"berth.dev/v1alpha1","kind":"Template","metadata":{"name":"`+t.Name+`","namespace":"`+t.Namespace+`",
			"annotations":{"argocd.argoproj.io/tracking-id":"team-a:berth.dev/Template:x/y"}},"spec":{"access":[{"kind":"Everyone","role":"Use"}]}}`)
		Eventually(func(g Gomega) {
			a := ask(ctx, admin.session, "PATCH", "/api/v2/"+path+"/acl", codersdk.UpdateTemplateACL{GroupPerms: perms(manage, ids.Of(w.organization))})
			g.Expect(a.Status).To(Equal(409), string(a.Body))
			g.Expect(a.Message()).To(ContainSubstring("Argo CD application team-a"))
		}).WithTimeout(30 * time.Second).Should(Succeed())
		refused(ctx, 409, admin.session, "PATCH", path+"/acl", codersdk.UpdateTemplateACL{UserPerms: perms(use, ids.Of(w.member.User))}, "user_perms")
	})

	It("V32: that is empty, or names what is not there, lets in nobody", func(ctx SpecContext) {
		g := got[codersdk.Group](ctx, 201, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: unique("Gone")})
		got[codersdk.Group](ctx, 200, admin.session, "PATCH", "groups/"+g.ID.String(), codersdk.PatchGroupRequest{AddUsers: []string{ids.Of(w.member.User).String()}})
		set(ctx, admin.session, nil, map[string]codersdk.TemplateRole{ids.Of(w.organization).String(): none, g.ID.String(): use})
		got[codersdk.Template](ctx, 200, w.member.session, "GET", path, nil)
		refused(ctx, 404, w.peer.session, "GET", path, nil)
		got[codersdk.Response](ctx, 200, admin.session, "DELETE", "groups/"+g.ID.String(), nil)
		refused(ctx, 404, w.member.session, "GET", path, nil)
		By("a new group of the old one's name, which has not what that one had")
		again := got[codersdk.Group](ctx, 201, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: g.Name})
		got[codersdk.Group](ctx, 200, admin.session, "PATCH", "groups/"+again.ID.String(), codersdk.PatchGroupRequest{AddUsers: []string{ids.Of(w.member.User).String()}})
		refused(ctx, 404, w.member.session, "GET", path, nil)
	})

	It("V47: gives what follows from how things are, after any sequence of comings and goings", func(ctx SpecContext) {
		g := got[codersdk.Group](ctx, 201, admin.session, "POST", groups, codersdk.CreateGroupRequest{Name: unique("Crew")})
		member, everyone := ids.Of(w.member.User), ids.Of(w.organization)
		set(ctx, admin.session, nil, perms(none, everyone))
		seed := uint64(GinkgoRandomSeed())
		random := rand.New(rand.NewPCG(seed, seed))
		inGroup, listed, personally, all := false, false, false, false
		role := func(on bool) codersdk.TemplateRole {
			if on {
				return use
			}
			return none
		}
		for range 25 {
			switch random.IntN(4) {
			case 0:
				change := codersdk.PatchGroupRequest{AddUsers: []string{member.String()}}
				if inGroup = !inGroup; !inGroup {
					change = codersdk.PatchGroupRequest{RemoveUsers: []string{member.String()}}
				}
				got[codersdk.Group](ctx, 200, admin.session, "PATCH", "groups/"+g.ID.String(), change)
			case 1:
				listed = !listed
				set(ctx, admin.session, nil, perms(role(listed), g.ID))
			case 2:
				personally = !personally
				set(ctx, admin.session, perms(role(personally), member), nil)
			case 3:
				all = !all
				set(ctx, admin.session, nil, perms(role(all), everyone))
			}
			want := 404
			if inGroup && listed || personally || all {
				want = 200
			}
			for _, d := range []door{w.member.session, w.member.aggregated} {
				Expect(ask(ctx, d, "GET", "/api/v2/"+path, nil).Status).To(Equal(want),
					"in the group %v, which is listed %v; listed in person %v, with everyone %v", inGroup, listed, personally, all)
			}
		}
	})
})

var _ = Describe("What the caller may do", Ordered, func() {
	var w *world
	var ws *v1alpha1.Workspace

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		ws = w.workspace(ctx)
	})

	check := func(action string, o codersdk.AuthorizationObject) codersdk.AuthorizationCheck {
		return codersdk.AuthorizationCheck{Action: action, Object: o}
	}

	It("is told beforehand, as it is decided at the deed", func(ctx SpecContext) {
		template, organization := ids.Of(w.template).String(), ids.Of(w.organization).String()
		own := codersdk.AuthorizationObject{ResourceType: "workspace", OwnerID: "me", OrganizationID: organization}
		checks := map[string]codersdk.AuthorizationCheck{
			"make a workspace":        check("create", own),
			"see the workspace":       check("read", codersdk.AuthorizationObject{ResourceType: "workspace", ResourceID: ids.Of(ws).String()}),
			"ssh into the workspace":  check("ssh", codersdk.AuthorizationObject{ResourceType: "workspace", ResourceID: ids.Of(ws).String()}),
			"use the template":        check("use", codersdk.AuthorizationObject{ResourceType: "template", ResourceID: template}),
			"change the template":     check("update", codersdk.AuthorizationObject{ResourceType: "template", ResourceID: template}),
			"make a template":         check("create", codersdk.AuthorizationObject{ResourceType: "template", OrganizationID: organization}),
			"see the group":           check("read", codersdk.AuthorizationObject{ResourceType: "group", ResourceID: organization}),
			"see the member":          check("read", codersdk.AuthorizationObject{ResourceType: "user", ResourceID: ids.Of(w.member.User).String()}),
			"change the own account":  check("update", codersdk.AuthorizationObject{ResourceType: "user", OwnerID: "me"}),
			"make a user":             check("create", codersdk.AuthorizationObject{ResourceType: "user"}),
			"make an organization":    check("create", codersdk.AuthorizationObject{ResourceType: "organization"}),
			"see what is not there":   check("read", codersdk.AuthorizationObject{ResourceType: "workspace", ResourceID: uuid.NewString()}),
			"read the audit log":      check("read", codersdk.AuthorizationObject{ResourceType: "audit_log"}),
			"change the deployment":   check("update", codersdk.AuthorizationObject{ResourceType: "deployment_config"}),
			"see everybody":           check("read", codersdk.AuthorizationObject{ResourceType: "user"}),
			"anything with oneself":   check("create", codersdk.AuthorizationObject{ResourceType: "api_key", OwnerID: "me"}),
			"own things, wherever":    check("read", codersdk.AuthorizationObject{ResourceType: "workspace", OwnerID: "me"}),
			"what nobody of ours has": check("create", codersdk.AuthorizationObject{ResourceType: "notification_template"}),
		}
		everybody := []string{"make a workspace", "change the own account", "anything with oneself", "own things, wherever"}
		inside := append([]string{"use the template", "see the group"}, everybody...)
		for who, c := range map[*person][]string{
			w.member:   append([]string{"see the workspace", "ssh into the workspace", "see the member"}, inside...),
			w.peer:     inside,
			w.stranger: {"change the own account", "anything with oneself", "own things, wherever"},
			w.auditor:  append([]string{"see the workspace", "see the member", "read the audit log", "see everybody"}, inside...),
		} {
			want := codersdk.AuthorizationResponse{}
			for key := range checks {
				want[key] = false
			}
			for _, key := range c {
				want[key] = true
			}
			for _, d := range []door{who.session, who.aggregated} {
				Expect(got[codersdk.AuthorizationResponse](ctx, 200, d, "POST", "authcheck", codersdk.AuthorizationRequest{Checks: checks})).To(Equal(want), who.Name)
			}
			// and the deeds themselves
			for key, path := range map[string]string{
				"see the workspace": "workspaces/" + ids.Of(ws).String(), "use the template": "templates/" + template,
				"see the group": "groups/" + organization, "see the member": "users/" + w.member.Name,
			} {
				Expect(ask(ctx, who.session, "GET", "/api/v2/"+path, nil).Status == 200).To(Equal(want[key]), key)
			}
			allowed := ask(ctx, who.session, "PATCH", "/api/v2/templates/"+template, `{"allow_user_autostart":true,"allow_user_autostop":true,"allow_user_cancel_workspace_jobs":true}`).Status
			Expect(allowed == 200 || allowed == 304).To(Equal(want["change the template"]))
		}
		all := got[codersdk.AuthorizationResponse](ctx, 200, w.owner.session, "POST", "authcheck", codersdk.AuthorizationRequest{Checks: checks})
		for key, may := range all {
			Expect(may).To(Equal(key != "see what is not there"), key)
		}
	})

	It("is refused as a question that means nothing, by its key and field", func(ctx SpecContext) {
		refused(ctx, 400, w.member.session, "POST", "authcheck", codersdk.AuthorizationRequest{Checks: map[string]codersdk.AuthorizationCheck{
			"a": check("explode", codersdk.AuthorizationObject{ResourceType: "workspace"}),
			"b": check("read", codersdk.AuthorizationObject{ResourceType: "spaceship"}),
			"c": check("read", codersdk.AuthorizationObject{ResourceType: "workspace", ResourceID: "1", OwnerID: "ada", OrganizationID: "acme"}),
			"d": check("read", codersdk.AuthorizationObject{ResourceType: "workspace"}),
		}}, "checks.a.action", "checks.b.object.resource_type", "checks.c.object.resource_id", "checks.c.object.owner_id", "checks.c.object.organization_id")
		Expect(got[codersdk.AuthorizationResponse](ctx, 200, w.member.session, "POST", "authcheck", `{}`)).To(BeEmpty())
	})
})
