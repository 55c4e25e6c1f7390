// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// foreign is an id that is no object's uid.
const foreign v1alpha1.ID = "00000000-0000-4000-8000-000000000001"

// mergeID is a patch that sets spec.id, as the manager's first write does.
func mergeID(id string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(`{"spec":{"id":"`+id+`"}}`))
}

var _ = Describe("spec.id", func() {
	kinds := []struct {
		resource string
		make     func(namespace, name string, id v1alpha1.ID) client.Object
	}{
		{"organizations", func(_, name string, id v1alpha1.ID) client.Object {
			return given.Organization(name, func(o *v1alpha1.Organization) { o.Spec.ID = id })
		}},
		{"users", func(_, name string, id v1alpha1.ID) client.Object {
			return given.User(name, func(o *v1alpha1.User) { o.Spec.ID = id })
		}},
		{"groups", func(namespace, name string, id v1alpha1.ID) client.Object {
			return given.Group(namespace, name, func(o *v1alpha1.Group) { o.Spec.ID = id })
		}},
		{"templates", func(namespace, name string, id v1alpha1.ID) client.Object {
			return given.Template(namespace, name, func(o *v1alpha1.Template) { o.Spec.ID = id })
		}},
		{"templateversions", func(namespace, name string, id v1alpha1.ID) client.Object {
			return given.TemplateVersion(namespace, name, "plain", func(o *v1alpha1.TemplateVersion) { o.Spec.ID = id })
		}},
		{"workspaces", func(namespace, name string, id v1alpha1.ID) client.Object {
			return given.Workspace(namespace, name, "ada", "plain", func(o *v1alpha1.Workspace) { o.Spec.ID = id })
		}},
	}
	for _, kind := range kinds {
		It("of "+kind.resource+" is the object's own uid", func(ctx SpecContext) {
			namespace := home(ctx)
			name := strings.Replace(namespace, "org-", "id-", 1)
			object := kind.make(namespace, name, "")
			Expect(env.Client.Create(ctx, object)).To(Succeed())

			By("refusing any other id to everybody")
			for _, who := range []string{editor, admin, master, manager} {
				Expect(clients[who].Patch(ctx, object, mergeID(string(foreign)))).To(
					refused("spec.id", string(object.GetUID()), "leave the line out"), who)
			}
			By("letting the manager set it, and nobody change it afterwards")
			Expect(clients[manager].Patch(ctx, object, mergeID(string(object.GetUID())))).To(allowed())
			Expect(clients[master].Patch(ctx, object, mergeID(string(foreign)))).To(MatchError(ContainSubstring("spec.id")))
			Expect(clients[master].Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"id":null}}`)))).To(
				MatchError(ContainSubstring("spec.id")))

			By("leaving other writes alone")
			label := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"a"}}}`))
			Expect(clients[editor].Patch(ctx, object, label)).To(allowed())
			Expect(clients[editor].Delete(ctx, object)).To(allowed())
		})

		It("V40 of a new one of "+kind.resource+" can't be copied from another", func(ctx SpecContext) {
			namespace := home(ctx)
			name := strings.Replace(namespace, "org-", "copy-", 1)
			object := func() client.Object { return kind.make(namespace, name, foreign) }

			Expect(clients[manager].Create(ctx, object())).To(Satisfy(apierrors.IsForbidden))
			who := editor
			if kind.resource == "organizations" { // making one at all needs more than an editor has
				who = "dev:founder-" + namespace
				clients[who] = impersonate(who)
				grant(ctx, who, who, rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{kind.resource},
					Verbs: []string{"create", "escalate"}})
				Eventually(func() error { return clients[who].Create(ctx, object()) }).Should(refused("spec.id"))
			}
			Expect(clients[who].Create(ctx, object())).To(
				refused("spec.id", "needs the verb restore on "+kind.resource+".berth.dev", "leave the line out"))
			Expect(clients[admin].Create(ctx, object())).To(allowed())
			Expect(clients[admin].Delete(ctx, object())).To(allowed())
			Expect(clients[master].Create(ctx, object())).To(allowed())
		})
	}

	It("can be restored by who has the verb for that object only", func(ctx SpecContext) {
		namespace := home(ctx)
		restorer := "dev:restorer-" + namespace
		clients[restorer] = impersonate(restorer)
		grant(ctx, restorer, restorer,
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"workspaces"}, Verbs: []string{"create"}},
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"owners"}, Verbs: []string{"own"}},
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"templates"}, Verbs: []string{"use"}},
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"workspaces"}, Verbs: []string{"restore"},
				ResourceNames: []string{"mine"}})
		create := func(ctx context.Context, name string) error {
			return clients[restorer].Create(ctx, given.Workspace(namespace, name, "ada", "plain",
				func(w *v1alpha1.Workspace) { w.Spec.ID = foreign }))
		}
		Eventually(func() error { return create(ctx, "mine") }).Should(allowed())
		Expect(create(ctx, "other")).To(refused("spec.id"))
	})
})
