// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// promotes changes a template's image and waits until the version of it is the active one; it gives its name.
func promotes(ctx context.Context, t *v1alpha1.Template, image string) string {
	GinkgoHelper()
	before := t.Status.ActiveVersion.UID
	Expect(env.Client.Patch(ctx, t, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"content":{"image":"`+image+`"}}}`)))).To(Succeed())
	return settled(ctx, t, func(t *v1alpha1.Template) bool {
		return t.Status.ActiveVersion.UID != before && *t.Status.LatestVersion == *t.Status.ActiveVersion
	})
}

// settled waits until the manager has seen the template as it is, and it is as wished; it gives the active version.
func settled(ctx context.Context, t *v1alpha1.Template, wished func(*v1alpha1.Template) bool) string {
	GinkgoHelper()
	Eventually(func() bool {
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).To(Succeed())
		return t.Status.ObservedGeneration == t.Generation && t.Status.ActiveVersion != nil && wished(t)
	}).WithContext(ctx).WithTimeout(soon).Should(BeTrue())
	return string(t.Status.ActiveVersion.Name)
}

var _ = Describe("a rollout", func() {
	It("is shown, undone, promoted, held, paused and resumed", func(ctx SpecContext) {
		org := organization(ctx)
		t := given.Template(org, "go")
		active := func(name string) func(*v1alpha1.Template) bool {
			return func(t *v1alpha1.Template) bool { return string(t.Status.ActiveVersion.Name) == name }
		}
		one := settled(ctx, t, func(*v1alpha1.Template) bool { return true })

		By("undo, where there is nothing before")
		got := run(ctx, admin, "rollout", "undo", "go", "-n", org)
		Expect(got.Err).To(HavePrefix("error: there is no good version of template go before " + one + "\nnext: kubectl get btv -n " + org))
		Expect(got.Code).To(Equal(1))

		// versions of one second can't be told by age
		Eventually(func() bool { return time.Now().Unix() > t.CreationTimestamp.Unix()+1 }).WithContext(ctx).WithTimeout(soon).Should(BeTrue())
		two := promotes(ctx, t, "registry.example/two:2")
		Expect(two).NotTo(Equal(one))

		By("undo")
		Expect(run(ctx, admin, "rollout", "undo", "go", "-n", org)).To(Equal(result{0, "template.berth.dev/go went back to " + one + "\n", ""}))
		settled(ctx, t, active(one))

		By("status")
		got = run(ctx, admin, "rollout", "status", "go", "-n", org)
		Expect(got.Out).To(And(HavePrefix("template "+org+"/go: "), ContainSubstring("\nactive: "+one+", 0 of 0 workspaces are on it\n"),
			ContainSubstring("\npinned: to "+one+", until kubectl berth rollout resume go -n "+org+"\n")), got.Err)
		Expect(run(ctx, admin, "rollout", "status", "go", "-n", org, "-o", "yaml")).To(HaveField("Out", ContainSubstring("pin: "+one)))

		By("promote")
		Expect(run(ctx, admin, "rollout", "promote", "go", "-n", org)).To(HaveField("Out", "template.berth.dev/go promoted to "+two+"\n"))
		settled(ctx, t, active(two))
		got = run(ctx, admin, "rollout", "promote", "go", "-n", org, "--version", "none")
		Expect(got.Err).To(HavePrefix("error: template go has no version \"none\"\n"))

		By("pause and resume")
		Expect(run(ctx, admin, "rollout", "pause", "go", "-n", org)).To(HaveField("Out", "template.berth.dev/go paused\n"))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).To(Succeed())
		Expect(t.Spec.Rollout.Paused).To(BeTrue())
		Expect(run(ctx, admin, "rollout", "resume", "go", "-n", org)).To(HaveField("Out", "template.berth.dev/go resumed\n"))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).To(Succeed())
		Expect(*t.Spec.Rollout).To(Equal(v1alpha1.Rollout{}))

		By("hold")
		Expect(run(ctx, admin, "rollout", "hold", "go", "-n", org)).To(HaveField("Code", 2))
		got = run(ctx, admin, "rollout", "hold", "go", "-n", org, "--version", one, "--for", "24h")
		Expect(got.Out).To(HavePrefix("template.berth.dev/go held at "+one+" until "), got.Err)
		settled(ctx, t, active(one))
		Expect(t.Spec.Hold.By).NotTo(BeEmpty())
		Expect(run(ctx, admin, "rollout", "status", "go", "-n", org)).To(HaveField("Out", ContainSubstring("\nheld: at "+one+" until "+t.Spec.Hold.Until)))
		Expect(run(ctx, admin, "rollout", "resume", "go", "-n", org)).To(HaveField("Code", 0))
		settled(ctx, t, active(two))

		By("promote, of a content that is wrong")
		Expect(env.Client.Patch(ctx, t, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"content":{"image":"${parameters.cpus}"}}}`)))).To(Succeed())
		got = run(ctx, admin, "rollout", "promote", "go", "-n", org)
		Expect(got.Err).To(And(HavePrefix("error: the present content is wrong: "), ContainSubstring("spec.content.image: "), HaveSuffix("\nnext: kubectl berth why template/go -n "+org+"\n")))
		Expect(got.Code).To(Equal(1))

		By("a template that git holds")
		Expect(env.Client.Patch(ctx, t, client.RawPatch("application/merge-patch+json",
			[]byte(`{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"berth:berth.dev/Template:x/go"}}}`)))).To(Succeed())
		Expect(run(ctx, admin, "rollout", "pause", "go", "-n", org)).To(HaveField("Err", HavePrefix("Argo CD holds this template: ")))
	})
})
