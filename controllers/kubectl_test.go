// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/organization"
	"github.com/berth-dev/berth/controllers/phase"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// whatPeopleMayDo changes what the rights of a User and of a Group follow from. Only the watches tell the manager.
func whatPeopleMayDo(ctx SpecContext) {
	// names are the templates that a Role of the name lets be used; nil where nobody is bound to one.
	names := func(role string) func() []string {
		at := client.ObjectKey{Namespace: "desks", Name: role}
		return func() []string {
			var r rbacv1.Role
			var b rbacv1.RoleBinding
			if env.Client.Get(ctx, at, &r) != nil || env.Client.Get(ctx, at, &b) != nil || len(b.Subjects) == 0 {
				return nil
			}
			for _, rule := range r.Rules {
				if slices.Contains(rule.Resources, "templates") {
					return rule.ResourceNames
				}
			}
			return nil
		}
	}
	becomes := func(of string, want ...string) {
		GinkgoHelper()
		Eventually(names(of)).WithContext(ctx).WithTimeout(soon).Should(HaveExactElements(want))
	}
	const hers, theirs = "berth:user:dora", "berth:group:backend"
	dora := given.User("dora", func(u *v1alpha1.User) {
		u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:dora"}}
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: "desks"}}
	})
	backend := given.Group("desks", "backend", func(g *v1alpha1.Group) {
		g.Spec.Members = []v1alpha1.ObjectName{"dora"}
		g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:backend"}}
	})
	open := func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindGroup, Name: "backend", Role: v1alpha1.AccessRoleUse}}
	}
	create(ctx, given.Organization("desks"), dora)
	Eventually(func() error { return env.Client.Create(ctx, backend) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())

	By("a template that opens, and another")
	one, two := given.Template("desks", "one", open), given.Template("desks", "two", open)
	create(ctx, one)
	becomes(hers, "one")
	becomes(theirs, "one")
	create(ctx, two)
	becomes(hers, "one", "two")
	becomes(theirs, "one", "two")
	patch(ctx, one, `{"spec":{"access":null}}`)
	becomes(hers, "two")
	becomes(theirs, "two")

	By("a Group that lists nobody for a while")
	patch(ctx, backend, `{"spec":{"subjects":null,"members":null}}`)
	becomes(hers)
	becomes(theirs)
	patch(ctx, backend, `{"spec":{"subjects":[{"kind":"Group","name":"oidc:backend"}],"members":["dora"]}}`)
	becomes(hers, "two")
	becomes(theirs, "two")

	By("a binding that somebody took away")
	for _, name := range []string{hers, theirs} {
		binding := &rbacv1.RoleBinding{}
		binding.Namespace, binding.Name = "desks", name
		Expect(env.Client.Delete(ctx, binding)).To(Succeed())
		becomes(name, "two")
	}

	By("a namespace that leaves the organization, and comes back")
	Expect(Relabel(ctx, env.Client, "desks", v1alpha1.LabelOrganization, "none")).To(Succeed())
	becomes(hers)
	becomes(theirs)
	Expect(Relabel(ctx, env.Client, "desks", v1alpha1.LabelOrganization, "desks")).To(Succeed())
	becomes(hers, "two")
	becomes(theirs, "two")

	By("the manager's own right, which was taken away")
	own := &rbacv1.RoleBinding{}
	own.Namespace, own.Name = "desks", organization.MountableBinding
	Expect(env.Client.Delete(ctx, own)).To(Succeed())
	becomes(hers, "two")
	becomes(theirs, "two")

	By("a person and a Group that are gone")
	Expect(env.Client.Delete(ctx, dora)).To(Succeed())
	Expect(env.Client.Delete(ctx, backend)).To(Succeed())
	Eventually(func() []string {
		var bindings rbacv1.RoleBindingList
		var roles rbacv1.RoleList
		made := []client.ListOption{client.InNamespace("desks"), client.MatchingLabels(phase.AccessLabels())}
		Expect(env.Client.List(ctx, &bindings, made...)).To(Succeed())
		Expect(env.Client.List(ctx, &roles, made...)).To(Succeed())
		left := map[string]bool{}
		for i := range bindings.Items {
			left[bindings.Items[i].Name] = true
		}
		for i := range roles.Items {
			left[roles.Items[i].Name] = true
		}
		return slices.Sorted(maps.Keys(left))
	}).WithContext(ctx).WithTimeout(soon).Should(BeEmpty())
}
