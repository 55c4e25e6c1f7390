// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("whose a Workspace is, and of which template", func() {
	// may gives the writer verbs on single objects in a namespace.
	may := func(ctx context.Context, namespace, resource, verb string, names ...string) {
		GinkgoHelper()
		meta := metav1.ObjectMeta{Namespace: namespace, Name: resource}
		Expect(env.Client.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"berth.dev"}, Resources: []string{resource}, ResourceNames: names, Verbs: []string{verb}},
		}})).To(Succeed())
		Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: resource},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: writer}}})).To(Succeed())
	}
	state := spec(`{"state":"Stopped"}`)

	It("V16 is for who has the verbs own and use to write, and for nobody else who may write Workspaces", func(ctx SpecContext) {
		namespace := home(ctx)
		may(ctx, namespace, "owners", "own", "ada")
		may(ctx, namespace, "templates", "use", "go-dev")
		Eventually(func() error { return clients[writer].Create(ctx, given.Workspace(namespace, "api", "ada", "go-dev")) }).Should(Succeed())
		Expect(clients[writer].Create(ctx, given.Workspace(namespace, "bobs", "bob", "go-dev"))).To(refused("spec.owner.user", "verb own", "berth-admin"))
		Expect(clients[writer].Create(ctx, given.Workspace(namespace, "gpu", "ada", "gpu"))).To(refused("spec.templateRef", "verb use", "berth-admin"))

		bobs := given.Workspace(namespace, "bobs", "bob", "go-dev")
		Expect(env.Client.Create(ctx, bobs)).To(Succeed())
		Expect(clients[writer].Patch(ctx, bobs, state)).To(refused("verb own"))
		Expect(clients[writer].Delete(ctx, bobs)).To(refused("verb own"))

		By("a workspace whose template is not open any more")
		api := given.Workspace(namespace, "api", "ada", "go-dev")
		Expect(env.Client.Delete(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "templates"}})).To(Succeed())
		Eventually(func() error {
			return clients[writer].Create(ctx, given.Workspace(namespace, "more", "ada", "go-dev"), client.DryRunAll)
		}).Should(refused("verb use"))
		Expect(clients[writer].Patch(ctx, api, state)).To(allowed())
		Expect(clients[writer].Delete(ctx, api)).To(allowed())
	})

	It("V16 is asked in the namespace of the template that another organization lends", func(ctx SpecContext) {
		namespace, lender := home(ctx), home(ctx)
		may(ctx, namespace, "owners", "own", "ada")
		may(ctx, namespace, "templates", "use", "go-dev")
		lent := func() *v1alpha1.Workspace {
			return given.Workspace(namespace, "api", "ada", "go-dev", func(w *v1alpha1.Workspace) {
				w.Spec.TemplateRef.Organization = v1alpha1.ObjectName(lender)
			})
		}
		Eventually(func() error {
			return clients[writer].Create(ctx, given.Workspace(namespace, "own", "ada", "go-dev"), client.DryRunAll)
		}).Should(Succeed())
		Expect(clients[writer].Create(ctx, lent(), client.DryRunAll)).To(refused("verb use"))
		may(ctx, lender, "templates", "use", "go-dev")
		Eventually(func() error { return clients[writer].Create(ctx, lent(), client.DryRunAll) }).Should(Succeed())
	})

	It("does not keep away who removes what nobody owns, nor our own processes and administrators", func(ctx SpecContext) {
		for _, who := range []string{collector, janitor, apiserver, admin, master} {
			namespace := home(ctx)
			ws := given.Workspace(namespace, "api", "ada", "go-dev")
			Expect(env.Client.Create(ctx, ws)).To(Succeed())
			Expect(clients[who].Delete(ctx, ws)).To(allowed(), who)
		}
		ws := given.Workspace(home(ctx), "api", "ada", "go-dev")
		Expect(env.Client.Create(ctx, ws)).To(Succeed())
		Expect(clients[manager].Patch(ctx, ws, mergeID(string(ws.UID)))).To(allowed())
		for _, who := range []string{apiserver, admin, master} {
			Expect(clients[who].Create(ctx, given.Workspace(ws.Namespace, "more", "ada", "go-dev"), client.DryRunAll)).To(allowed(), who)
		}
	})
})
