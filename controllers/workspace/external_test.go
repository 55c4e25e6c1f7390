// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A workspace whose version names external providers", func() {
	// needing is a world whose template's version names providers.
	needing := func(ctx context.Context, c client.WithWatch, needs ...v1alpha1.ExternalAuth) *world {
		w := found(ctx, c)
		w.template = w.newTemplate(ctx, "go-ext", func(t *v1alpha1.Template) {
			t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) { c.ExternalAuth = needs })
		})
		return w
	}
	// signedIn writes down where the owner is signed in, as the API server does.
	signedIn := func(ctx context.Context, w *world, providers ...string) {
		GinkgoHelper()
		u := given.User(w.user)
		Expect(read(ctx, u)).To(BeTrue())
		u.Status.ExternalAuth = providers
		Expect(env.Client.Status().Update(ctx, u)).To(Succeed())
	}

	It("says which it lacks and where to sign in, makes no build, and starts by itself when its owner has", func(ctx SpecContext) {
		w := needing(ctx, env.Client, v1alpha1.ExternalAuth{Name: "host"}, v1alpha1.ExternalAuth{Name: "forge"})
		signedIn(ctx, w, "forge", "elsewhere")
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonExternalAuthRequired))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(And(
			ContainSubstring("spec.content.externalAuth"), ContainSubstring(w.user+" is not signed in to host"),
			ContainSubstring("sign in at /external-auth/host/callback"), Not(ContainSubstring("forge"))))
		Expect(w.ledger(ctx, ws)).To(BeEmpty())
		Expect(w.pods(ctx, ws)).To(BeEmpty())

		signedIn(ctx, w, "forge", "host")
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
	})

	It("starts without an optional one", func(ctx SpecContext) {
		w := needing(ctx, env.Client, v1alpha1.ExternalAuth{Name: "host", Optional: true})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
	})

	It("goes on running when its owner's link goes, and starts no second time without it", func(ctx SpecContext) {
		w := needing(ctx, env.Client, v1alpha1.ExternalAuth{Name: "host"})
		signedIn(ctx, w, "host")
		ws := w.workspace(ctx, "api")
		pod := w.run(ctx, ws)
		signedIn(ctx, w)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))

		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded"}))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		Expect(ws).To(BeStalled(v1alpha1.ReasonExternalAuthRequired))

		signedIn(ctx, w, "host")
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
	})
})
