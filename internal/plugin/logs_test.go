// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var _ = Describe("what others wrote", func() {
	It("TestAdvisory_V20: reaches the terminal escaped, in logs, lists, stories and errors", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "evil")
		Expect(run(ctx, admin, "create", "api", "-n", org, "--template", "go", "--owner", "evil")).To(HaveField("Code", 0))
		const evil = "red\x1b[31m\x1b]52;c;cm0=\x07\u202eturned"
		const shown = `red\u001b[31m\u001b]52;c;cm0=\u0007\u202eturned`
		w := read(ctx, org, "api")
		b := &v1alpha1.WorkspaceBuild{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: org, Name: string(w.Status.Build.Name)}, b)).To(Succeed())
		b.Status.Log = []v1alpha1.LogLine{{ID: 1, At: "2026-11-23T09:00:00.5Z", Stage: "Images", Level: v1alpha1.LogError, Source: v1alpha1.LogSourceCluster, Output: evil + "\nOK  forged", Cause: "x"}}
		Expect(env.Client.Status().Update(ctx, b)).To(Succeed())

		got := run(ctx, admin, "logs", "api", "-n", org)
		Expect(got).To(And(HaveField("Code", 0), HaveField("Out", MatchRegexp(`^\S+  Images +  error: .*\n$`)), HaveField("Out", ContainSubstring(shown+" OK forged\n"))))
		Expect(run(ctx, admin, "logs", "api", "-n", org, "-f", "--build", "1")).To(Equal(got))
		Expect(run(ctx, admin, "why", "api", "-n", org)).To(HaveField("Out", ContainSubstring("  "+shown+" OK forged\n")))
		for _, form := range []string{"json", "yaml"} {
			out := run(ctx, admin, "why", "api", "-n", org, "-o", form).Out
			Expect(strings.ContainsAny(out, "\x1b\x07\u202e")).To(BeFalse(), out)
			Expect(out).To(ContainSubstring(`\u202eturned`))
		}
		Expect(run(ctx, admin, "why", evil, "-n", org)).To(And(HaveField("Code", 1), HaveField("Err", Not(ContainSubstring("\x1b")))))
		Expect(run(ctx, admin, evil)).To(And(HaveField("Code", 2), HaveField("Err", Not(ContainSubstring("\x1b")))))
	})

	It("is asked for in a way that means something", func(ctx SpecContext) {
		Expect(run(ctx, admin, "logs", "api", "--tail", "3")).To(HaveField("Code", 2))
		Expect(run(ctx, admin, "logs", "api", "-c", "main", "--build", "3")).To(HaveField("Code", 2))
		Expect(run(ctx, admin, "list", "-o", "xml")).To(Equal(result{2, "", "error: --output: \"xml\" is none of json, yaml and wide\nnext: kubectl berth list --help\n"}))
		Expect(run(ctx, admin, "list", "-q", "owner:me", "-A")).To(And(HaveField("Code", 2), HaveField("Err", ContainSubstring("leave out -n and -A\nnext: "))))
		Expect(run(ctx, admin, "logs")).To(And(HaveField("Code", 2), HaveField("Err", HaveSuffix("next: kubectl berth logs --help\n"))))
		Expect(run(ctx, admin, "nothing")).To(And(HaveField("Code", 2), HaveField("Err", HaveSuffix("next: kubectl berth --help\n"))))
	})
})

var _ = Describe("doctor", func() {
	It("says what is well and what is not", func(ctx SpecContext) {
		got := run(ctx, admin, "doctor")
		Expect(got.Code).To(Equal(1)) // no Deployment stands here
		Expect(got.Out).To(And(MatchRegexp(`(?m)^kinds +ok +berth.dev/v1alpha1`), MatchRegexp(`(?m)^berth-manager +broken `),
			MatchRegexp(`(?m)^aggregated API +warn `), MatchRegexp(`(?m)^default StorageClass +warn `)))
		class := &storagev1.StorageClass{Provisioner: "x", ObjectMeta: metav1.ObjectMeta{Name: "fast", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}}}
		Expect(env.Client.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, class)).To(Succeed()) })
		Expect(run(ctx, admin, "doctor", "-o", "json")).To(HaveField("Out", ContainSubstring(`"detail": "fast"`)))
		Expect(run(ctx, ada, "doctor")).To(HaveField("Out", MatchRegexp(`(?m)^default StorageClass +unknown +you may not see it`)))
	})
})

var _ = Describe("completion", func() {
	It("offers what is there", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "complete")
		Expect(run(ctx, admin, "create", "api", "-n", org, "--template", "go", "--owner", "complete", "--wait=false")).To(HaveField("Code", 0))
		complete := func(line ...string) string {
			return run(ctx, "", append([]string{"__complete", "--kubeconfig", admin, "-n", org}, line...)...).Out
		}
		Expect(complete("stop", "")).To(HavePrefix("api\n"))
		Expect(complete("stop", "api", "")).To(HavePrefix(":4"))
		Expect(complete("rollout", "undo", "")).To(HavePrefix("go\n"))
		Expect(complete("create", "x", "--template", "")).To(HavePrefix("go\n"))
		Expect(complete("list", "-o", "")).To(HavePrefix("json\nyaml\nwide\n"))
		Expect(complete("roll")).To(HavePrefix("rollout\t"))
	})
})
