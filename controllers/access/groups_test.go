// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("what those have whom a Group lists as a group of the cluster's", func() {
	const key = "berth:group:backend"
	open := func(entries ...v1alpha1.AccessEntry) func(*v1alpha1.Template) {
		return func(t *v1alpha1.Template) { t.Spec.Access = entries }
	}
	to := func(kind v1alpha1.AccessKind, name string, role v1alpha1.AccessRole) v1alpha1.AccessEntry {
		return v1alpha1.AccessEntry{Kind: kind, Name: v1alpha1.ObjectName(name), Role: role}
	}
	backend := func(namespace string, change ...func(*v1alpha1.Group)) *v1alpha1.Group {
		return given.Group(namespace, "backend", append([]func(*v1alpha1.Group){func(g *v1alpha1.Group) {
			g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:backend-" + namespace}}
		}}, change...)...)
	}
	// has is the Role of the Group with whom it is bound to; nothing where there is none.
	has := func(ctx SpecContext, namespace string) (rules []rbacv1.PolicyRule, subjects []rbacv1.Subject) {
		GinkgoHelper()
		var role rbacv1.Role
		var binding rbacv1.RoleBinding
		at := client.ObjectKey{Namespace: namespace, Name: key}
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, at, &role))).To(Succeed())
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, at, &binding))).To(Succeed())
		return role.Rules, binding.Subjects
	}

	It("is the use of the templates that name it, as they come and go, and nothing of a person's or Everyone's", func(ctx SpecContext) {
		d, other := sit(ctx), sit(ctx)
		g := backend(d.org)
		mine := given.Template(d.org, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse)))
		create(ctx, g, mine,
			given.Template(d.org, "administered", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleAdmin))),
			given.Template(d.org, "everyones", open(to(v1alpha1.AccessKindEveryone, "", v1alpha1.AccessRoleUse))),
			given.Template(d.org, "a-persons", open(to(v1alpha1.AccessKindUser, "backend", v1alpha1.AccessRoleUse))),
			given.Template(d.org, "anothers", open(to(v1alpha1.AccessKindGroup, "frontend", v1alpha1.AccessRoleUse))),
			given.Template(d.org, "lent", open(to(v1alpha1.AccessKindOrganization, d.org, v1alpha1.AccessRoleUse))),
			given.Template(other.org, "elsewhere", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
		d.settleGroups(ctx, g)
		rules, subjects := has(ctx, d.org)
		Expect(rules).To(ConsistOf(rule("templates", []string{"administered", "backends"}, "get", "list", "watch", "use")))
		Expect(subjects).To(ConsistOf(rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "oidc:backend-" + d.org}))
		rules, _ = has(ctx, other.org)
		Expect(rules).To(BeEmpty())

		patch(ctx, mine, `{"spec":{"access":null}}`)
		patch(ctx, g, `{"spec":{"subjects":[{"kind":"Group","name":"oidc:others"},{"kind":"Group","name":"system:serviceaccounts:ci"}]}}`)
		d.settleGroups(ctx, g)
		rules, subjects = has(ctx, d.org)
		Expect(rules).To(ConsistOf(rule("templates", []string{"administered"}, "get", "list", "watch", "use")))
		Expect(subjects).To(HaveExactElements(HaveField("Name", "oidc:others"), HaveField("Name", "system:serviceaccounts:ci")))
	})

	It("makes a member's own workspace of such a template, and nobody else's", func(ctx SpecContext) {
		d := sit(ctx)
		ada, g := d.user(ctx, "ada"), backend(d.org)
		create(ctx, g, given.Template(d.org, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
		d.settle(ctx, ada)
		d.settleGroups(ctx, g)
		group := "oidc:backend-" + d.org
		Eventually(func() error {
			return impersonate("oidc:"+ada.Name, group).Create(ctx, given.Workspace(d.org, "api", ada.Name, "backends"))
		}).Should(Succeed())
		for who, c := range map[string]client.Client{
			"a member outside the group":     impersonate("oidc:" + ada.Name),
			"a stranger in the group":        impersonate("oidc:stranger", group),
			"a stranger, for himself":        impersonate("backend", group),
			"one of another cluster's group": impersonate("oidc:"+ada.Name, "oidc:backend-"),
		} {
			for _, owner := range []string{ada.Name, "backend"} {
				Expect(c.Create(ctx, given.Workspace(d.org, "more", owner, "backends"))).To(Satisfy(apierrors.IsForbidden), who)
			}
		}
	})

	// each takes away all that there was
	for what, change := range map[string]func(ctx SpecContext, d *desk, g *v1alpha1.Group){
		"lists none": func(ctx SpecContext, _ *desk, g *v1alpha1.Group) { patch(ctx, g, `{"spec":{"subjects":null}}`) },
		"lists everybody, or people": func(ctx SpecContext, _ *desk, g *v1alpha1.Group) {
			patch(ctx, g, `{"spec":{"subjects":[{"kind":"Group","name":"system:authenticated"},{"kind":"Group","name":"system:unauthenticated"},
				{"kind":"Group","name":"system:serviceaccounts"},{"kind":"User","name":"oidc:ada"},{"kind":"ServiceAccount","namespace":"ci","name":"ci"}]}}`)
		},
		"is gone": func(ctx SpecContext, _ *desk, g *v1alpha1.Group) { Expect(env.Client.Delete(ctx, g)).To(Succeed()) },
		"is going": func(ctx SpecContext, _ *desk, g *v1alpha1.Group) {
			patch(ctx, g, `{"metadata":{"finalizers":["example.org/hold"]}}`)
			DeferCleanup(func(ctx SpecContext) { patch(ctx, g, `{"metadata":{"finalizers":null}}`) })
			Expect(env.Client.Delete(ctx, g)).To(Succeed())
		},
		"has no organization": func(ctx SpecContext, d *desk, _ *v1alpha1.Group) {
			Expect(env.Client.Delete(ctx, given.Organization(d.org))).To(Succeed())
		},
		"stands in a namespace that is none's":   func(ctx SpecContext, d *desk, _ *v1alpha1.Group) { unlabel(ctx, d.org) },
		"is not to be had with kubectl any more": func(_ SpecContext, d *desk, _ *v1alpha1.Group) { d.groups.Off = true },
		"stands where the manager writes none": func(ctx SpecContext, d *desk, _ *v1alpha1.Group) {
			// Who writes none can't take back either: the namespace is cleared before the right goes.
			_, err := phase.ClearAccess(ctx, d, d.org)
			Expect(err).NotTo(HaveOccurred())
			Expect(env.Client.Delete(ctx, writableIn(d.org))).To(Succeed())
		},
	} {
		It("V47 is nothing when the Group "+what, func(ctx SpecContext) {
			d := sit(ctx)
			g := backend(d.org)
			create(ctx, g, given.Template(d.org, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
			d.settleGroups(ctx, g)
			_, subjects := has(ctx, d.org)
			Expect(subjects).NotTo(BeEmpty())
			change(ctx, d, g)
			d.settleGroups(ctx, g)
			rules, subjects := has(ctx, d.org)
			Expect(rules).To(BeEmpty())
			Expect(subjects).To(BeEmpty())
		})
	}

	It("V40 is nothing of a Group in another namespace of an organization, whose name is the organization's to give", func(ctx SpecContext) {
		d := sit(ctx)
		further, err := env.Organization(ctx, "further-")
		Expect(err).NotTo(HaveOccurred())
		create(ctx, writableIn(further))
		relabel(ctx, further, d.org)
		g := backend(further)
		create(ctx, g, given.Template(further, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
		d.settleGroups(ctx, g)
		rules, _ := has(ctx, further)
		Expect(rules).To(BeEmpty())
	})

	It("V40 is another organization's own, where a Group there has the same name", func(ctx SpecContext) {
		d, other := sit(ctx), sit(ctx)
		g, namesake := backend(d.org), backend(other.org)
		use := open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))
		create(ctx, g, namesake, given.Template(d.org, "backends", use), given.Template(other.org, "elsewhere", use))
		d.settleGroups(ctx, namesake, g)
		Expect(env.Client.Delete(ctx, g)).To(Succeed())
		d.settleGroups(ctx, g)
		rules, _ := has(ctx, d.org)
		Expect(rules).To(BeEmpty())
		rules, subjects := has(ctx, other.org)
		Expect(rules).To(ConsistOf(rule("templates", []string{"elsewhere"}, "get", "list", "watch", "use")))
		Expect(subjects).To(ConsistOf(HaveField("Name", "oidc:backend-"+other.org)))
	})

	It("is put right where somebody changed it", func(ctx SpecContext) {
		d := sit(ctx)
		g := backend(d.org)
		create(ctx, g, given.Template(d.org, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
		d.settleGroups(ctx, g)
		was, bound := has(ctx, d.org)
		at := client.ObjectKey{Namespace: d.org, Name: key}
		var role rbacv1.Role
		Expect(env.Client.Get(ctx, at, &role)).To(Succeed())
		patch(ctx, &role, `{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}`)
		var binding rbacv1.RoleBinding
		Expect(env.Client.Get(ctx, at, &binding)).To(Succeed())
		patch(ctx, &binding, `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve"}]}`)
		d.settleGroups(ctx, g)
		rules, subjects := has(ctx, d.org)
		Expect(rules).To(Equal(was))
		Expect(subjects).To(Equal(bound))
	})

	It("belongs to the Group that is there, which the one of its name that is gone was not", func(ctx SpecContext) {
		d := sit(ctx)
		g := backend(d.org)
		create(ctx, g, given.Template(d.org, "backends", open(to(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse))))
		d.settleGroups(ctx, g)
		Expect(env.Client.Delete(ctx, g)).To(Succeed())
		again := backend(d.org)
		create(ctx, again)
		d.settleGroups(ctx, again)
		at := client.ObjectKey{Namespace: d.org, Name: key}
		for _, o := range []client.Object{&rbacv1.Role{}, &rbacv1.RoleBinding{}} {
			Expect(env.Client.Get(ctx, at, o)).To(Succeed())
			Expect(o.GetOwnerReferences()).To(HaveExactElements(HaveField("UID", again.UID)), "else the cluster's collector takes it")
		}
	})
})
