// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
)

func workspaceSpecs() {

	It("runs as a real pod whose first process is the agent", func(ctx SpecContext) {
		ready(ctx, platform, "ada-api", "Running")
		pod := field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.name")
		Expect(kubectl(ctx, "exec", "-n", platform, pod, "--", "cat", "/proc/1/cmdline")).To(ContainSubstring("berth-agent"))
		Expect(kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", "echo $HOME $BERTH_PARAM_CPU; id -u; git --version")).
			To(And(ContainSubstring("/home/dev 4"), ContainSubstring("1000"), ContainSubstring("git version")))
	})

	It("keeps its home over stop and start, and leaves no zombie behind", func(ctx SpecContext) {
		pod := field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.name")
		kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", "echo kept > ~/note")
		request(ctx, platform, "ada-api", "Stop")
		ready(ctx, platform, "ada-api", "Stopped")
		Expect(kubectl(ctx, "get", "pods", "-n", platform, "-l", "app.kubernetes.io/managed-by=berth", "-o", "name")).To(BeEmpty())
		request(ctx, platform, "ada-api", "Start")
		ready(ctx, platform, "ada-api", "Running")
		pod = field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.name")
		Expect(kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", "cat ~/note")).To(Equal("kept"))
	})

	It("runs its scripts: the workspace is ready when those that block have ended, and saves before it stops", func(ctx SpecContext) {
		DeferCleanup(remove, "scripts")
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: scripts, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, content: {
  image: "registry.example/base:24.04",
  parameters: [{name: repo, type: string, default: "a repo", mutable: true}],
  scripts: [{name: clone, runAt: Start, blocksLogin: true, run: 'sleep 3; echo "cloned $BERTH_PARAM_REPO" | tee ~/cloned'},
    {name: tick, runAt: Schedule, schedule: "* * * * * *", run: "#!/usr/bin/env bash\necho $BASH_VERSION > ~/ticked"},
    {name: save, runAt: Stop, run: 'date > ~/saved'}]}}}`)
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: scripts, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: scripts}}}`)
		inside := func(script string) string {
			GinkgoHelper()
			pod := field(ctx, platform, "workspaces.berth.dev/scripts", ".status.pod.name")
			return kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", script)
		}
		ready(ctx, platform, "scripts", "Running")
		Expect(inside("cat ~/cloned /.berth/log/clone.log; ls ~/saved 2>&1 || :")).To(And(HavePrefix("cloned a repo\ncloned a repo\n"), ContainSubstring("No such file")))
		Expect(kubectl(ctx, "logs", "-n", platform, field(ctx, platform, "workspaces.berth.dev/scripts", ".status.pod.name"))).
			To(ContainSubstring("[clone] cloned a repo\nberth-agent: start script clone is done after"))
		Eventually(func() string { return inside("cat ~/ticked 2>&1 || :") }).Should(HavePrefix("5."))
		request(ctx, platform, "scripts", "Stop")
		ready(ctx, platform, "scripts", "Stopped")
		request(ctx, platform, "scripts", "Start")
		ready(ctx, platform, "scripts", "Running")
		Expect(inside("cat ~/saved")).NotTo(BeEmpty())
	})

	It("comes back when its pod is deleted by hand, in the same build", func(ctx SpecContext) {
		build := field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.build.number")
		pod := field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.name")
		uid := field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.uid")
		kubectl(ctx, "delete", "pod", "-n", platform, pod, "--wait=false")
		Eventually(func() string { return field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.pod.uid") }).
			ShouldNot(Or(Equal(uid), BeEmpty()))
		ready(ctx, platform, "ada-api", "Running")
		Expect(field(ctx, platform, "workspaces.berth.dev/ada-api", ".status.build.number")).To(Equal(build))
	})

	It("names the person who asked for something by kubectl, whatever they write there", func(ctx SpecContext) {
		kubectl(ctx, "patch", "workspaces.berth.dev", "ada-api", "-n", platform, "--as", "oidc:ada", "--type", "merge", "-p",
			fmt.Sprintf(`{"metadata":{"annotations":{"berth.dev/requester":"oidc:grace"}},"spec":{"request":{"transition":"Restart","at":%q}}}`,
				time.Now().UTC().Format(time.RFC3339)))
		Expect(field(ctx, platform, "workspaces.berth.dev/ada-api", `.metadata.annotations.berth\.dev/requester`)).To(Equal("oidc:ada"))
		var shown codersdk.Workspace
		Eventually(func() string {
			Expect(call(ctx, owner, http.MethodGet, "/api/v2/users/ada/workspace/api", nil, &shown)).To(Equal(http.StatusOK))
			return shown.LatestBuild.InitiatorName
		}).Should(Equal("ada"))
		ready(ctx, platform, "ada-api", "Running")
		Eventually(func(g Gomega) {
			var found codersdk.AuditLogResponse
			g.Expect(call(ctx, owner, http.MethodGet, "/api/v2/audit?q=username:ada+action:write+resource_id:"+shown.ID.String(), nil, &found)).To(Equal(http.StatusOK))
			g.Expect(found.AuditLogs).NotTo(BeEmpty())
			g.Expect(found.AuditLogs[0].Diff).To(And(HaveLen(2), HaveKey("request.transition"), HaveKey("request.at")))
		}).Should(Succeed())
	})

	It("is the same by kubectl and through both doors of the API", func(ctx SpecContext) {
		names := strings.Fields(kubectl(ctx, "get", "workspaces.berth.dev", "-A", "-o", "jsonpath={.items[*].spec.id}"))
		var wire codersdk.WorkspacesResponse
		Expect(call(ctx, owner, http.MethodGet, "/api/v2/workspaces", nil, &wire)).To(Equal(http.StatusOK))
		var ids []string
		for _, w := range wire.Workspaces {
			ids = append(ids, w.ID.String())
		}
		Expect(ids).To(ConsistOf(names))
		Expect(wire.Count).To(Equal(len(names)))

		// ada sees hers through the aggregation layer, and the owner sees the very same workspace by its id
		raw := kubectl(ctx, "get", "--raw", "/apis/codersdk.berth.dev/v2/workspaces?q=name:api", "--as", "oidc:ada")
		var aggregated codersdk.WorkspacesResponse
		Expect(json.Unmarshal([]byte(raw), &aggregated)).To(Succeed(), raw)
		Expect(aggregated.Workspaces).To(HaveLen(1))
		var one codersdk.Workspace
		Expect(call(ctx, owner, http.MethodGet, "/api/v2/workspaces/"+aggregated.Workspaces[0].ID.String(), nil, &one)).To(Equal(http.StatusOK))
		Expect(still(one)).To(Equal(still(aggregated.Workspaces[0])))
		Expect(one.LatestBuild.Status).To(BeEquivalentTo("running"))
	})

	It("says within seconds what is wrong with an image, and heals when the template is put right", func(ctx SpecContext) {
		DeferCleanup(remove, "pull")
		template := `{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: pull, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, content: {image: "%s"}}}`
		apply(ctx, fmt.Sprintf(template, "127.0.0.1:1/none:1"))
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: pull, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: pull}, updates: Restart}}`)
		Eventually(func() string {
			return field(ctx, platform, "workspaces.berth.dev/pull", `.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message`)
		}).Should(And(HavePrefix("ImagePull "), ContainSubstring("127.0.0.1:1/none:1"), ContainSubstring("spec.content.image")))
		Expect(kubectl(ctx, "events", "-n", platform, "--for", "workspace/pull")).To(ContainSubstring("ImagePull"))
		apply(ctx, fmt.Sprintf(template, "registry.example/base:24.04"))
		ready(ctx, platform, "pull", "Running")
	})

	It("says that no node fits", func(ctx SpecContext) {
		DeferCleanup(remove, "large")
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: large, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, content: {image: "registry.example/base:24.04", resources: {requests: {cpu: 640}}}}}`)
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: large, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: large}}}`)
		Eventually(func() string {
			return field(ctx, platform, "workspaces.berth.dev/large", `.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message`)
		}).Should(And(HavePrefix("Unschedulable "), ContainSubstring("cpu")))
	})

	It("says what a crash loop exits with, and its last words", func(ctx SpecContext) {
		DeferCleanup(remove, "crash")
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: crash, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, content: {podTemplate: {spec: {containers: [{name: main, image: "registry.example/base:24.04"}, {name: db, image: "registry.example/base:24.04", command: [bash, -c, "echo the disk is full >&2; exit 7"]}]}}}}}`)
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: crash, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: crash}}}`)
		Eventually(func() string {
			return field(ctx, platform, "workspaces.berth.dev/crash", `.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message`)
		}).Should(And(HavePrefix("CrashLoop "), ContainSubstring("container db"), ContainSubstring("exit code 7"), ContainSubstring("the disk is full")))
	})
}

// still is a workspace without what moves with the clock: a connected agent was last connected now.
func still(w codersdk.Workspace) codersdk.Workspace {
	for _, resource := range w.LatestBuild.Resources {
		for i := range resource.Agents {
			resource.Agents[i].LastConnectedAt = nil
		}
	}
	return w
}

func deletionSpecs() {

	manifest := func(name, keep string) string {
		return fmt.Sprintf(`{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: %[1]s, namespace: platform}, spec: {%[2]s content: {image: "registry.example/base:24.04"}}}
---
{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: %[1]s, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: %[1]s}}}`, name, keep)
	}
	left := func(ctx SpecContext, name, id string) []string {
		var lines []string
		for _, kind := range []string{"pods", "services", "secrets", "configmaps", "persistentvolumeclaims"} {
			lines = append(lines, strings.Fields(kubectl(ctx, "get", kind, "-n", platform, "-l", "berth.dev/id="+id, "-o", "name"))...)
		}
		for _, line := range strings.Fields(kubectl(ctx, "get", "workspacebuilds.berth.dev", "-n", platform, "-o", "name")) {
			if strings.HasPrefix(line, "workspacebuild.berth.dev/"+name+"-") {
				lines = append(lines, line)
			}
		}
		return lines
	}

	DescribeTable("leaves what its template keeps, and nothing else",
		func(ctx SpecContext, name, keep, cascade string, wantClaims int) {
			apply(ctx, manifest(name, keep))
			DeferCleanup(remove, name)
			ready(ctx, platform, name, "Running")
			id := field(ctx, platform, "workspaces.berth.dev/"+name, ".spec.id")
			kubectl(ctx, "delete", "workspaces.berth.dev", name, "-n", platform, "--cascade="+cascade, "--timeout=60s")
			Eventually(func() []string { return left(ctx, name, id) }).Should(HaveLen(wantClaims))
			Consistently(func() []string { return left(ctx, name, id) }, 2*time.Second).Should(HaveLen(wantClaims))
			for _, claim := range left(ctx, name, id) {
				Expect(claim).To(HavePrefix("persistentvolumeclaim/"))
				Expect(field(ctx, platform, claim, `.metadata.annotations.berth\.dev/delete-after`)).NotTo(BeEmpty())
			}
		},
		Entry("at once with keepDeletedFor: 0s", "gone", "lifecycle: {keepDeletedFor: 0s},", "background", 0),
		Entry("for a week by default", "kept", "", "background", 1),
		Entry("for a week by default, as Argo CD prunes", "kept-foreground", "", "foreground", 1),
	)
}
