// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// read reads a workspace anew.
func read(ctx context.Context, namespace, name string) *v1alpha1.Workspace {
	GinkgoHelper()
	var w v1alpha1.Workspace
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &w)).To(Succeed())
	return &w
}

var _ = Describe("a workspace", func() {
	It("is created, listed, stopped, started, restarted, explained and deleted", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "life")

		By("create")
		got := run(ctx, admin, "create", "api", "-n", org, "--template", "go", "--parameter", "cpu=4", "--owner", "life")
		Expect(got.Out).To(Equal("workspace.berth.dev/api created and started\n"), got.Err)
		Expect(got.Code).To(BeZero())
		Expect(read(ctx, org, "api").Spec.Parameters).To(HaveKeyWithValue("cpu", v1alpha1.ValueOf(4)))

		By("list")
		got = run(ctx, admin, "list", "-n", org)
		Expect(got.Out).To(MatchRegexp(`(?m)^OWNER +NAME +TEMPLATE +STATE +REASON +UPDATE +STOPS IN\nlife +api +go +Running +AgentReady +- +`))
		got = run(ctx, admin, "list", "-n", org, "-o", "json")
		var listed struct{ Items []row }
		Expect(json.Unmarshal([]byte(got.Out), &listed)).To(Succeed())
		Expect(listed.Items).To(ConsistOf(And(HaveField("Object", "api"), HaveField("State", "Running"))))

		By("why")
		got = run(ctx, admin, "why", "life/api", "-n", org)
		Expect(got.Out).To(And(HavePrefix("OK  workspace "+org+"/api (api of life): AgentReady\n"), MatchRegexp(`(?m)^  \d\d:\d\d:\d\d  Build 1 of workspace api: start`),
			MatchRegexp(`(?m)^  \d\d:\d\d:\d\d  Version go-\S+ is rendered`)), got.Err)

		By("stop")
		got = run(ctx, admin, "stop", "api", "-n", org)
		Expect(got.Out).To(Equal("workspace.berth.dev/api stopped\n"), got.Err)
		Expect(read(ctx, org, "api").Status.Phase).To(Equal(v1alpha1.PhaseStopped))
		Expect(run(ctx, admin, "logs", "api", "-n", org, "-c", "main")).To(HaveField("Err", ContainSubstring("next: kubectl berth start api -n "+org)))

		By("start, with another parameter")
		got = run(ctx, admin, "start", "api", "-n", org, "--parameter", "cpu=3")
		Expect(got.Out).To(Equal("workspace.berth.dev/api started\n"), got.Err)
		w := read(ctx, org, "api")
		Expect(w.Spec.Parameters).To(HaveKeyWithValue("cpu", v1alpha1.ValueOf(3)))
		Expect(w.Status.Build.Number).To(BeEquivalentTo(3))

		By("values that never change, or only grow, and the other ones")
		for value, why := range map[string]string{
			"region=bern": `error: --parameter region: is "zurich" since the first start and cannot be changed`,
			"disk=5":      "error: --parameter disk: 5 is below 10, the present value, and it may only grow",
			"disk":        `error: --parameter: "disk" is not of the form NAME=VALUE`,
		} {
			for _, verb := range []string{"start", "restart"} {
				got = run(ctx, admin, verb, "api", "-n", org, "--parameter", value)
				Expect(got.Code).NotTo(BeZero())
				Expect(got.Err).To(And(HavePrefix(why), HaveSuffix("\nnext: kubectl berth "+verb+" --help\n")))
			}
		}
		Expect(read(ctx, org, "api").Spec).To(Equal(w.Spec), "nothing was written")

		By("a start of what runs: no build is needed")
		Expect(run(ctx, admin, "start", "api", "-n", org)).To(HaveField("Code", 0))
		Expect(read(ctx, org, "api").Status.Build.Number).To(BeEquivalentTo(3))

		By("restart")
		Expect(run(ctx, admin, "restart", "api", "-n", org)).To(HaveField("Out", "workspace.berth.dev/api restarted\n"))
		Expect(read(ctx, org, "api").Status.Build.Number).To(BeEquivalentTo(4))

		By("delete")
		got = run(ctx, admin, "delete", "api", "-n", org)
		Expect(got.Out).To(Equal("workspace.berth.dev/api deleted\n"), got.Err)
		Expect(got.Err).To(ContainSubstring("its volumes are kept until "))
		By("trash and undelete")
		got = run(ctx, admin, "trash", "-n", org)
		Expect(got.Out).To(MatchRegexp(`(?m)^OWNER +NAME +.*\nlife +api +go +\S+Z +1 volume +\S+Z +`+org+` +api$`), got.Err)
		got = run(ctx, admin, "undelete", "life/api", "-n", org)
		Expect(got.Out).To(Equal("workspace.berth.dev/api brought back\n"), got.Err)
		again := read(ctx, org, "api")
		Expect(again.Spec.ID).To(Equal(w.Spec.ID))
		Expect(again.Status.Volumes).To(ConsistOf(HaveField("UID", w.Status.Volumes[0].UID)))
		Expect(run(ctx, admin, "start", "api", "-n", org)).To(HaveField("Out", "workspace.berth.dev/api started\n"))
		Expect(run(ctx, admin, "trash", "-n", org)).To(Equal(result{0, "", "no deleted workspace can be brought back here\n"}))
		Expect(run(ctx, admin, "undelete", "api", "-n", org)).To(HaveField("Err", HaveSuffix("next: kubectl berth trash -n "+org+"\n")))
		Expect(run(ctx, admin, "delete", "api", "-n", org)).To(HaveField("Out", "workspace.berth.dev/api deleted\n"))
		Expect(run(ctx, admin, "trash", "-n", org).Out).To(MatchRegexp(`^OWNER .*\nlife .*\n$`), "once, though it was deleted twice")
		Expect(run(ctx, admin, "trash", "-A", "-o", "json")).To(HaveField("Out", ContainSubstring(`"namespace": "`+org+`"`)))

		Expect(run(ctx, admin, "why", "api", "-n", org)).To(Equal(result{1, "",
			"error: there is no workspace \"api\" in namespace " + org + "\nnext: kubectl berth list -n " + org + "\n"}))
	})

	It("is made of a template that another organization has opened", func(ctx SpecContext) {
		platform, org := organization(ctx), organization(ctx)
		member(ctx, org, "guest")
		got := run(ctx, admin, "create", "api", "-n", org, "--template", platform+"/go", "--parameter", "cpu=4", "--owner", "guest")
		Expect(got).To(And(HaveField("Code", 1), HaveField("Err", ContainSubstring("it was refused, TemplateNotOpen: "))))
		Expect(run(ctx, admin, "why", "api", "-n", org).Out).To(ContainSubstring(
			"try: ask who administers organization " + platform + " to open it: kubectl edit btpl go -n " + platform))

		t := &v1alpha1.Template{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: platform, Name: "go"}, t)).To(Succeed())
		t.Spec.Access = append(t.Spec.Access, v1alpha1.AccessEntry{
			Kind: v1alpha1.AccessKindOrganization, Name: v1alpha1.ObjectName(org), Role: v1alpha1.AccessRoleUse,
		})
		Expect(env.Client.Update(ctx, t)).To(Succeed())
		Eventually(func() v1alpha1.WorkspacePhase { return read(ctx, org, "api").Status.Phase }).WithContext(ctx).
			WithTimeout(30*time.Second).Should(Equal(v1alpha1.PhaseRunning), "what was refused starts by itself")
		Expect(run(ctx, admin, "list", "-n", org).Out).To(MatchRegexp(`(?m)^guest +api +` + platform + `/go +Running`))
		Expect(run(ctx, admin, "restart", "api", "-n", org, "--parameter", "cpu=3")).To(HaveField("Code", 0))
	})

	It("is created from a preset, which a parameter overrides", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "presets")
		make := func(name string, more ...string) result {
			return run(ctx, admin, append([]string{"create", name, "-n", org, "--template", "go", "--owner", "presets", "--wait=false"}, more...)...)
		}
		Expect(make("large", "--preset", "large")).To(HaveField("Code", 0))
		Expect(read(ctx, org, "large").Spec.Parameters).To(HaveKeyWithValue("cpu", v1alpha1.ValueOf(32)))
		Expect(make("own", "--preset", "large", "--parameter", "cpu=3")).To(HaveField("Code", 0))
		Expect(read(ctx, org, "own").Spec.Parameters).To(HaveKeyWithValue("cpu", v1alpha1.ValueOf(3)))
		Expect(make("none", "--preset", "huge")).To(HaveField("Err",
			"error: --preset: the template has no preset \"huge\"; it has large\nnext: kubectl berth create --help\n"))
	})

	It("is refused with the field and what would be right", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "refused")
		for _, c := range []struct{ template, parameter, want string }{
			{"go", "cpu=65", "error: --parameter cpu: 65 is above 64, the maximum\nnext: kubectl berth create --help\n"},
			{"go", "cpus=4", "error: --parameter cpus: "},
			{"go", "cpu", "error: --parameter: \"cpu\" is not of the form NAME=VALUE\nnext: kubectl berth create --help\n"},
			{"goo", "cpu=4", "error: there is no template \"goo\" in " + org + "; did you mean \"go\"?\nnext: kubectl get btpl -n " + org + "\n"},
		} {
			got := run(ctx, admin, "create", "api", "-n", org, "--template", c.template, "--parameter", c.parameter, "--owner", "refused")
			Expect(got.Err).To(HavePrefix(c.want))
			Expect(got.Code).To(BeElementOf(1, 2))
		}
		Expect(run(ctx, admin, "create", "Api", "-n", org, "--template", "go", "--owner", "refused")).To(And(
			HaveField("Code", 1), HaveField("Err", ContainSubstring("metadata.name"))))

		By("an owner who is not there")
		got := run(ctx, admin, "create", "api", "-n", org, "--template", "go", "--owner", "nobody")
		Expect(got.Code).To(Equal(1))
		Expect(got.Err).To(And(ContainSubstring("error: it was refused, OwnerMissing: "), HaveSuffix("\nnext: kubectl berth why api -n "+org+"\n")))
		Expect(run(ctx, admin, "why", "api", "-n", org)).To(HaveField("Out", And(HavePrefix("REFUSED  "), HaveSuffix("try: see which users there are: kubectl get users.berth.dev\n"))))
	})

	It("says why it does not start, and what would put it right", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "stuck")
		node := nodeOf(8)
		Expect(env.Client.Create(ctx, node)).To(Succeed())
		node.Spec.Taints = nil // a new node is called not ready until its kubelet says otherwise
		Expect(env.Client.Update(ctx, node)).To(Succeed())

		By("more than any node has")
		got := run(ctx, admin, "create", "big", "-n", org, "--template", "go", "--owner", "stuck", "--parameter", "cpu=16", "--timeout", "3s")
		Expect(got.Code).To(Equal(exitWaiting), got.Err)
		Expect(got.Err).To(And(ContainSubstring("warn: 0 of 1 nodes fit: 1 lack cpu"),
			HaveSuffix("error: it is not done after 3s, and goes on\nnext: kubectl berth why big -n "+org+"\n")))
		got = run(ctx, admin, "why", "big", "-n", org)
		Expect(got.Out).To(And(HavePrefix("WAIT "), ContainSubstring("try: the smallest change that fits, cpu 8 (now 16): kubectl berth start big -n "+org+" --parameter cpu=8\n")), got.Err)

		By("an image that is missing")
		Expect(run(ctx, admin, "create", "good", "-n", org, "--template", "go", "--owner", "stuck")).To(HaveField("Code", 0))
		t := given.Template(org, "go")
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).To(Succeed())
		promotes(ctx, t, "registry.example/missing:1")
		Expect(run(ctx, admin, "restart", "good", "-n", org, "--timeout", "4s")).To(HaveField("Code", exitWaiting))
		got = run(ctx, admin, "why", "good", "-n", org)
		Expect(got.Out).To(And(HavePrefix("STUCK "), ContainSubstring("asks for it in spec.content.image"),
			MatchRegexp(`or: go back to the version that last ran: kubectl berth start good -n \S+ --version go-`)), got.Err)

		By("an expression that is wrong")
		Expect(env.Client.Patch(ctx, t, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"content":{"image":"${parameters.cpus}"}}}`)))).To(Succeed())
		Eventually(func() string { return run(ctx, admin, "why", "template/go", "-n", org).Out }).WithContext(ctx).WithTimeout(soon).Should(And(
			HavePrefix("KEPT BACK "), ContainSubstring(`did you mean "cpu"?`), ContainSubstring("is active: new starts take it")))
	})

	It("is told from others by who asks", func(ctx SpecContext) {
		org := organization(ctx)
		member(ctx, org, "ada", func(u *v1alpha1.User) { u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:ada"}} })
		Expect(run(ctx, admin, "create", "hers", "-n", org, "--template", "go", "--owner", "ada")).To(HaveField("Code", 0))
		Expect(run(ctx, admin, "create", "other", "-n", org, "--template", "go", "--owner", "ada", "--wait=false")).To(Equal(result{0, "workspace.berth.dev/other created\n", ""}))

		By("somebody with no right at all")
		got := run(ctx, ada, "list", "-n", org)
		Expect(got.Code).To(Equal(exitUnreachable))
		Expect(got.Err).To(HaveSuffix("next: kubectl auth can-i --list -n " + org + "\n"))
		Expect(run(ctx, ada, "stop", "hers", "-n", org).Code).To(Equal(exitUnreachable))

		By("somebody who may get and change one by its name")
		may(ctx, org, "oidc:ada", rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"workspaces"}, ResourceNames: []string{"hers"}, Verbs: []string{"get", "patch", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"workspacebuilds"}, Verbs: []string{"get"}})
		Eventually(func() result { return run(ctx, ada, "stop", "hers", "-n", org) }).WithContext(ctx).WithTimeout(10 * time.Second).Should(
			HaveField("Out", "workspace.berth.dev/hers stopped\n"))
		Expect(run(ctx, ada, "why", "hers", "-n", org)).To(HaveField("Out", HavePrefix("OK  ")))
	})

	It("is not what a broken kubeconfig leads to", func(ctx SpecContext) {
		Expect(run(ctx, "/none", "list")).To(And(HaveField("Code", 4), HaveField("Err", ContainSubstring("\nnext: "))))
	})
})
