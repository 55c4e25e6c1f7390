// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/testing/given"
)

// attempt is something that a person does with kubectl, and the question that the wire asks before it does the same.
type attempt struct {
	what string
	do   func(context.Context, client.Client) error
	may  func(authz.Subject) bool
}

var _ = Describe("what people may do with kubectl", func() {
	It("V16 is what they may do on the wire, for every role", func(ctx SpecContext) {
		d := sit(ctx)
		other := sit(ctx)
		site := func(roles ...v1alpha1.SiteRole) func(*v1alpha1.User) {
			return func(u *v1alpha1.User) { u.Spec.Roles = roles }
		}
		people := map[string]*v1alpha1.User{
			"member":         d.user(ctx, "ada"),
			"another member": d.user(ctx, "bob"),
			"organization admin": d.user(ctx, "olga", func(u *v1alpha1.User) {
				u.Spec.Memberships[0].Roles = []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
			}),
			"owner":          other.user(ctx, "otto", site(v1alpha1.SiteRoleOwner)),
			"template admin": other.user(ctx, "tina", site(v1alpha1.SiteRoleTemplateAdmin)),
			"user admin":     d.user(ctx, "uma", site(v1alpha1.SiteRoleUserAdmin)),
			"auditor":        other.user(ctx, "audrey", site(v1alpha1.SiteRoleAuditor)),
			"two roles":      d.user(ctx, "tom", site(v1alpha1.SiteRoleTemplateAdmin, v1alpha1.SiteRoleAuditor)),
			"foreigner":      other.user(ctx, "fred"),
		}
		suspended := d.user(ctx, "sue", func(u *v1alpha1.User) {
			u.Spec.Suspended, u.Spec.Roles = true, []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}
		})
		ada, bob := people["member"].Name, people["another member"].Name
		backends := "oidc:backend-" + d.org
		backend := given.Group(d.org, "backend", func(g *v1alpha1.Group) {
			g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(bob)}
			g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: backends}}
		})
		use := func(kind v1alpha1.AccessKind, name string) func(*v1alpha1.Template) {
			return func(t *v1alpha1.Template) {
				t.Spec.Access = []v1alpha1.AccessEntry{{Kind: kind, Name: v1alpha1.ObjectName(name), Role: v1alpha1.AccessRoleUse}}
			}
		}
		templates := []*v1alpha1.Template{
			given.Template(d.org, "open", use(v1alpha1.AccessKindEveryone, "")),
			given.Template(d.org, "backends", use(v1alpha1.AccessKindGroup, "backend")),
			given.Template(d.org, "adas", use(v1alpha1.AccessKindUser, ada)),
			given.Template(d.org, "lent", use(v1alpha1.AccessKindOrganization, other.org)),
			given.Template(d.org, "shut", func(t *v1alpha1.Template) { t.Spec.Access = nil }),
		}
		create(ctx, backend, given.Workspace(d.org, "adas", ada, "open"), given.Workspace(d.org, "bobs", bob, "open"))
		for _, t := range templates {
			create(ctx, t)
		}
		all := attempts(d.org, []string{ada, bob}, templates, backend)

		for _, u := range people {
			d.settle(ctx, u)
		}
		d.settle(ctx, suspended)
		d.settleGroups(ctx, backend)
		nobody := authz.Subject{}
		for who, u := range people {
			subject := authz.Subject{User: u.Name, Roles: u.Spec.Roles, Memberships: authz.Memberships(u, ""), Groups: map[types.NamespacedName]bool{}}
			if u.Name == bob {
				subject.Groups[client.ObjectKeyFromObject(backend)] = true
			}
			compare(ctx, who, impersonate("oidc:"+u.Name), subject, all)
			if _, member := subject.Memberships[d.org]; member {
				subject.Groups[client.ObjectKeyFromObject(backend)] = true
				compare(ctx, who+" whom the cluster knows as a backend", impersonate("oidc:"+u.Name, backends), subject, all)
			}
		}
		// RBAC does not know who is a member, or suspended: those see what is open to the group, and can do nothing with it.
		seen := except(all, "get template backends")
		compare(ctx, "suspended backend", impersonate("oidc:"+suspended.Name, backends), nobody, seen)
		compare(ctx, "backend without a User", impersonate("oidc:stranger", backends), nobody, seen)
		compare(ctx, "suspended owner", impersonate("oidc:"+suspended.Name), nobody, all)
		compare(ctx, "no User", impersonate("oidc:stranger"), nobody, all)
	})

	It("is nothing beside Berth's own kinds, nor what would make somebody more", func(ctx SpecContext) {
		d := sit(ctx)
		users := []*v1alpha1.User{d.user(ctx, "ada"), d.user(ctx, "otto", func(u *v1alpha1.User) {
			u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}
		})}
		d.settle(ctx, users...)
		for _, u := range users {
			c := impersonate("oidc:" + u.Name)
			Eventually(func(g Gomega) { g.Expect(able(ctx, c, d.org, "create", "berth.dev", "workspaces", "")).To(BeTrue()) }).Should(Succeed())
			for _, not := range []struct{ verb, group, resource, sub string }{
				{"get", "", "secrets", ""}, {"list", "", "secrets", ""}, {"create", "", "pods", ""}, {"create", "", "pods", "exec"},
				{"create", "", "serviceaccounts", "token"}, {"impersonate", "", "serviceaccounts", ""}, {"patch", "", "namespaces", ""},
				{"create", "rbac.authorization.k8s.io", "roles", ""}, {"create", "rbac.authorization.k8s.io", "rolebindings", ""},
				{"patch", "berth.dev", "workspaces", "status"}, {"restore", "berth.dev", "workspaces", ""},
				{"create", "berth.dev", "workspacebuilds", ""}, {"create", "berth.dev", "templateversions", ""},
				{"escalate", "berth.dev", "users", ""}, {"escalate", "berth.dev", "organizations", ""}, {"get", "berth.dev", "users", ""},
			} {
				Expect(able(ctx, c, d.org, not.verb, not.group, not.resource, not.sub)).To(BeFalse(), "%s %v", u.Name, not)
			}
		}
	})
})

// attempts are what is tried on the objects of an organization.
func attempts(org string, owners []string, templates []*v1alpha1.Template, g *v1alpha1.Group) []attempt {
	merge := func(json string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(json)) }
	var all []attempt
	on := func(what string, o client.Object, object authz.Object, changes ...string) {
		fresh := func() client.Object { return o.DeepCopyObject().(client.Object) }
		all = append(all,
			attempt{"get " + what, func(ctx context.Context, c client.Client) error {
				return c.Get(ctx, client.ObjectKeyFromObject(o), fresh())
			},
				func(s authz.Subject) bool { return s.Can(authz.Read, object) }},
			attempt{"delete " + what, func(ctx context.Context, c client.Client) error { return c.Delete(ctx, fresh(), client.DryRunAll) },
				func(s authz.Subject) bool { return s.Can(authz.Delete, object) }})
		for _, change := range changes {
			all = append(all, attempt{"patch " + what + " " + change, func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, fresh(), merge(change), client.DryRunAll)
			}, func(s authz.Subject) bool { return s.Can(authz.Update, object) }})
		}
	}
	for i, name := range []string{"adas", "bobs"} {
		on("workspace "+name, given.Workspace(org, name, owners[i], "open"), authz.WorkspaceObject(org, owners[i]), `{"spec":{"state":"Stopped"}}`)
	}
	for _, t := range templates {
		on("template "+t.Name, t, authz.TemplateObject(t), `{"spec":{"description":"x"}}`, `{"spec":{"access":[{"kind":"User","name":"eve","role":"Use"}]}}`)
		for _, owner := range owners {
			all = append(all, attempt{"create workspace of " + owner + " from " + t.Name, func(ctx context.Context, c client.Client) error {
				return c.Create(ctx, given.Workspace(org, "new", owner, t.Name), client.DryRunAll)
			}, func(s authz.Subject) bool {
				return s.Can(authz.Create, authz.WorkspaceObject(org, owner)) && s.Can(authz.Use, authz.TemplateObject(t))
			}})
		}
	}
	on("group", g, authz.GroupObject(g), `{"spec":{"displayName":"x"}}`, `{"spec":{"members":[]}}`)
	creates := func(what string, o client.Object, object authz.Object) {
		all = append(all, attempt{"create " + what, func(ctx context.Context, c client.Client) error {
			return c.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll)
		}, func(s authz.Subject) bool { return s.Can(authz.Create, object) }})
	}
	creates("template", given.Template(org, "fresh"), authz.NewTemplate(org))
	creates("group", given.Group(org, "fresh"), authz.NewGroup(org))
	all = append(all, attempt{"list workspaces", func(ctx context.Context, c client.Client) error {
		return c.List(ctx, &v1alpha1.WorkspaceList{}, client.InNamespace(org))
	}, func(s authz.Subject) bool { return s.Can(authz.Read, authz.WorkspaceObject(org, "")) }})
	return all
}

// except is all but one, which must be there.
func except(all []attempt, what string) []attempt {
	GinkgoHelper()
	rest := slices.DeleteFunc(slices.Clone(all), func(a attempt) bool { return a.what == what })
	Expect(rest).To(HaveLen(len(all) - 1))
	return rest
}

// compare has somebody try everything, and the wire's rules asked.
func compare(ctx context.Context, who string, c client.Client, subject authz.Subject, all []attempt) {
	GinkgoHelper()
	for _, a := range all {
		want := a.may(subject)
		Eventually(func() error {
			err := a.do(ctx, c)
			switch {
			case want && err != nil:
				return fmt.Errorf("%s may not %s: %w", who, a.what, err)
			case !want && err == nil:
				return fmt.Errorf("%s may %s", who, a.what)
			case !want && !apierrors.IsForbidden(err):
				return fmt.Errorf("%s tries to %s: %w", who, a.what, err)
			}
			return nil
		}).Should(Succeed())
	}
}

// able asks the cluster whether somebody may do something.
func able(ctx context.Context, c client.Client, namespace, verb, group, resource, sub string) bool {
	GinkgoHelper()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub,
	}}}
	Expect(c.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

var _ = Describe("a namespace of one's own", func() {
	It("is that person's to list and to work in, and nobody else's", func(ctx SpecContext) {
		d := sit(ctx)
		ada, bob := d.user(ctx, "ada"), d.user(ctx, "bob")
		own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.org + "-ada", Labels: map[string]string{
			v1alpha1.LabelOrganization: d.org, v1alpha1.LabelOwner: ada.Name}}}
		open := given.Template(d.org, "open", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
		})
		create(ctx, own, writableIn(own.Name), open)
		d.settle(ctx, ada, bob)
		hers, his := impersonate("oidc:"+ada.Name), impersonate("oidc:"+bob.Name)
		Eventually(func() error { return hers.List(ctx, &v1alpha1.WorkspaceList{}, client.InNamespace(own.Name)) }).Should(Succeed())
		Eventually(func() error { return hers.Create(ctx, given.Workspace(own.Name, "api", ada.Name, "open")) }).Should(Succeed())
		Expect(hers.List(ctx, &corev1.PodList{}, client.InNamespace(own.Name))).To(Succeed())
		Expect(able(ctx, hers, own.Name, "create", "", "pods", "exec")).To(BeTrue())
		Expect(hers.Create(ctx, given.Workspace(own.Name, "bobs", bob.Name, "open"))).To(MatchError(ContainSubstring("verb own")))
		Expect(his.List(ctx, &v1alpha1.WorkspaceList{}, client.InNamespace(own.Name))).To(Satisfy(apierrors.IsForbidden))
		Expect(his.Create(ctx, given.Workspace(own.Name, "bobs", bob.Name, "open"))).To(Satisfy(apierrors.IsForbidden))
	})
})
