// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/testing/given"
)

// rule is one on single objects of ours.
func rule(resource string, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
}

var _ = Describe("what a User has in a namespace", func() {
	everyone := func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
	}

	It("names the User's own workspaces and the templates that are open, as they come and go", func(ctx SpecContext) {
		d := sit(ctx)
		ada := d.user(ctx, "ada")
		d.settle(ctx, ada)
		roles, rules := d.has(ctx, ada, d.org)
		Expect(roles).To(ConsistOf("berth-member", "berth:user:"+ada.Name))
		Expect(rules).To(ConsistOf(rule("owners", []string{ada.Name}, "own")))

		ws, go1 := given.Workspace(d.org, "api", ada.Name, "go"), given.Template(d.org, "go", everyone)
		create(ctx, ws, go1, given.Template(d.org, "shut"), given.Workspace(d.org, "bobs", "bob", "go"))
		d.settle(ctx, ada)
		_, rules = d.has(ctx, ada, d.org)
		Expect(rules).To(ConsistOf(
			rule("owners", []string{ada.Name}, "own"),
			rule("workspaces", []string{"api"}, "get", "list", "watch", "update", "patch", "delete"),
			rule("templates", []string{"go"}, "get", "list", "watch", "use"),
		))

		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		patch(ctx, go1, `{"spec":{"access":null}}`)
		d.settle(ctx, ada)
		_, rules = d.has(ctx, ada, d.org)
		Expect(rules).To(ConsistOf(rule("owners", []string{ada.Name}, "own")))
	})

	// each takes away all that ada had
	for what, change := range map[string]func(ctx SpecContext, d *desk, ada *v1alpha1.User){
		"is suspended": func(ctx SpecContext, _ *desk, u *v1alpha1.User) { patch(ctx, u, `{"spec":{"suspended":true}}`) },
		"leaves": func(ctx SpecContext, _ *desk, u *v1alpha1.User) {
			patch(ctx, u, `{"spec":{"memberships":[{"organization":"none"}]}}`)
		},
		"lists no identity": func(ctx SpecContext, _ *desk, u *v1alpha1.User) { patch(ctx, u, `{"spec":{"subjects":null}}`) },
		"is gone":           func(ctx SpecContext, _ *desk, u *v1alpha1.User) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) },
		"shares an identity": func(ctx SpecContext, d *desk, u *v1alpha1.User) {
			d.user(ctx, "eve", func(e *v1alpha1.User) { e.Spec.Subjects = u.Spec.Subjects })
		},
		"has no organization": func(ctx SpecContext, d *desk, _ *v1alpha1.User) {
			Expect(env.Client.Delete(ctx, given.Organization(d.org))).To(Succeed())
		},
		"loses the namespace": func(ctx SpecContext, d *desk, _ *v1alpha1.User) { unlabel(ctx, d.org) },
	} {
		It("V40 is nothing when the User "+what, func(ctx SpecContext) {
			d := sit(ctx)
			ada := d.user(ctx, "ada")
			create(ctx, given.Template(d.org, "go", everyone))
			d.settle(ctx, ada)
			roles, _ := d.has(ctx, ada, d.org)
			Expect(roles).NotTo(BeEmpty())
			change(ctx, d, ada)
			d.settle(ctx, ada)
			roles, rules := d.has(ctx, ada, d.org)
			Expect(roles).To(BeEmpty())
			Expect(rules).To(BeEmpty())
		})
	}

	It("loses a role with the User's, and is put right where somebody changed it", func(ctx SpecContext) {
		d := sit(ctx)
		tina := d.user(ctx, "tina", func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleTemplateAdmin} })
		d.settle(ctx, tina)
		roles, _ := d.has(ctx, tina, d.org)
		Expect(roles).To(ContainElement("berth-template-admin"))
		patch(ctx, tina, `{"spec":{"roles":null}}`)
		d.settle(ctx, tina)
		roles, was := d.has(ctx, tina, d.org)
		Expect(roles).NotTo(ContainElement("berth-template-admin"))

		key := client.ObjectKey{Namespace: d.org, Name: "berth:user:" + tina.Name}
		var role rbacv1.Role
		Expect(env.Client.Get(ctx, key, &role)).To(Succeed())
		patch(ctx, &role, `{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}`)
		var binding rbacv1.RoleBinding
		Expect(env.Client.Get(ctx, key, &binding)).To(Succeed())
		patch(ctx, &binding, `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve"}]}`)
		d.settle(ctx, tina)
		roles, rules := d.has(ctx, tina, d.org) // looks at the subjects
		Expect(roles).To(ContainElement(key.Name))
		Expect(rules).To(Equal(was))
	})

	It("is taken back when it is turned off", func(ctx SpecContext) {
		d := sit(ctx)
		ada := d.user(ctx, "ada")
		d.settle(ctx, ada)
		d.r.Off = true
		d.settle(ctx, ada)
		roles, rules := d.has(ctx, ada, d.org)
		Expect(roles).To(BeEmpty())
		Expect(rules).To(BeEmpty())
	})

	It("is given only where the manager may write it", func(ctx SpecContext) {
		d := sit(ctx)
		ada := d.user(ctx, "ada")
		Expect(env.Client.Delete(ctx, writableIn(d.org))).To(Succeed())
		d.settle(ctx, ada)
		roles, _ := d.has(ctx, ada, d.org)
		Expect(roles).To(BeEmpty())
	})

	It("is taken out of a namespace that the organization gives back, and told of", func(ctx SpecContext) {
		d := sit(ctx)
		ada := d.user(ctx, "ada")
		d.settle(ctx, ada)
		found, err := phase.ClearAccess(ctx, d, d.org)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeTrue())
		roles, rules := d.has(ctx, ada, d.org)
		Expect(roles).To(BeEmpty())
		Expect(rules).To(BeEmpty())
		found, err = phase.ClearAccess(ctx, d, d.org)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeFalse())
	})
})

// written are all RBAC objects that people have in a namespace, in words.
func written(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	var bindings rbacv1.RoleBindingList
	Expect(env.Client.List(ctx, &bindings, client.InNamespace(namespace), client.MatchingLabels(phase.AccessLabels()))).To(Succeed())
	all := map[string]string{}
	for _, b := range bindings.Items {
		all["binding "+b.Name] = fmt.Sprint(b.RoleRef, b.Subjects, b.OwnerReferences)
	}
	var roles rbacv1.RoleList
	Expect(env.Client.List(ctx, &roles, client.InNamespace(namespace), client.MatchingLabels(phase.AccessLabels()))).To(Succeed())
	for _, r := range roles.Items {
		all["role "+r.Name] = fmt.Sprint(r.Rules, r.OwnerReferences)
	}
	return all
}

var _ = Describe("a random sequence", func() {
	It("V47 leaves what follows from the present alone, whatever happened before", func(ctx SpecContext) {
		d := sit(ctx)
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 47))
		var users []*v1alpha1.User
		for _, name := range []string{"ada", "bob", "eve"} {
			users = append(users, d.user(ctx, name))
		}
		subject := `{"kind":"Group","name":"oidc:backend"}`
		g := given.Group(d.org, "backend", func(g *v1alpha1.Group) { g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:backend"}} })
		t := given.Template(d.org, "go", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindGroup, Name: "backend", Role: v1alpha1.AccessRoleUse}}
		})
		open, bound := true, true // t to g, and g to a group of the cluster's: so that it is taken away at least once
		create(ctx, g, t)
		workspaces := map[string]*v1alpha1.Workspace{}
		var told []string
		for step := range 27 {
			u := users[random.IntN(len(users))]
			pick := func(of ...string) string { return of[random.IntN(len(of))] }
			var change string
			switch random.IntN(9) {
			case 0:
				change = pick(`{"roles":["Owner"]}`, `{"roles":["TemplateAdmin","Auditor"]}`, `{"roles":null}`)
				patch(ctx, u, `{"spec":`+change+`}`)
			case 1:
				change = pick(`[{"organization":"none"}]`, `[{"organization":"`+d.org+`"}]`, `[{"organization":"`+d.org+`","roles":["OrganizationAdmin"]}]`)
				patch(ctx, u, `{"spec":{"memberships":`+change+`}}`)
			case 2:
				change = pick("true", "false")
				patch(ctx, u, `{"spec":{"suspended":`+change+`}}`)
			case 3:
				change = pick(`null`, `[{"kind":"User","name":"oidc:`+u.Name+`"}]`, `[{"kind":"User","name":"oidc:`+users[0].Name+`"}]`)
				patch(ctx, u, `{"spec":{"subjects":`+change+`}}`)
			case 4:
				change = pick(`[]`, `["`+users[0].Name+`"]`, `["`+users[1].Name+`","`+users[2].Name+`"]`)
				patch(ctx, g, `{"spec":{"members":`+change+`}}`)
			case 5:
				change = pick(`null`, `[{"kind":"Everyone","role":"Use"}]`, `[{"kind":"Group","name":"backend","role":"Use"}]`)
				patch(ctx, t, `{"spec":{"access":`+change+`}}`)
				open = strings.Contains(change, "Group")
			case 7, 8: // as often as what else opens templates to groups
				change = pick(`null`, `[`+subject+`]`, `[{"kind":"User","name":"oidc:ada"},`+subject+`]`, `[{"kind":"Group","name":"system:authenticated"}]`)
				patch(ctx, g, `{"spec":{"subjects":`+change+`}}`)
				bound = strings.Contains(change, "oidc:backend")
			case 6:
				change = "its workspace"
				if w := workspaces[u.Name]; w != nil {
					Expect(env.Client.Delete(ctx, w)).To(Succeed())
					delete(workspaces, u.Name)
				} else {
					workspaces[u.Name] = given.Workspace(d.org, u.Name, u.Name, "go")
					create(ctx, workspaces[u.Name])
				}
			}
			told = append(told, u.Name+" "+change)
			d.settle(ctx, users...)
			d.settleGroups(ctx, g)
			is := written(ctx, d.org)
			if open && bound {
				Expect(is).To(HaveKeyWithValue("binding berth:group:backend", ContainSubstring("[{Group rbac.authorization.k8s.io oidc:backend }]")), "%v", told)
			} else {
				Expect(is).NotTo(Or(HaveKey("role berth:group:backend"), HaveKey("binding berth:group:backend")), "%v", told)
			}
			if step%3 < 2 { // what is made anew has no past: some of it is to gather first
				continue
			}
			_, err := phase.ClearAccess(ctx, d, d.org)
			Expect(err).NotTo(HaveOccurred())
			d.settle(ctx, users...)
			d.settleGroups(ctx, g)
			Expect(written(ctx, d.org)).To(Equal(is), "%v", told)
		}
	})
})
