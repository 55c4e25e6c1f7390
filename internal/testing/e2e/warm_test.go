// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func warmSpecs() {

	It("goes on in the pod that was prepared, and nothing that was issued before the claim opens anything", func(ctx SpecContext) {
		DeferCleanup(remove, "prepared")
		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: prepared, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, warmPool: {size: 1},
  content: {podTemplate: {spec: {containers: [{name: dev, image: "registry.example/base:24.04", command: [bash, -c, "exec sleep infinity"], env: [{name: WHOSE, value: "${owner.name} of ${workspace.name}"}]}]}}}}}`)
		pool := func() string { return field(ctx, platform, "templates.berth.dev/prepared", ".status.warmPool.ready") }
		Eventually(pool).Should(Equal("1"), func() string {
			out, _ := try(ctx, "kubectl", "get", "-n", platform, "warmworkspaces.berth.dev,pods", "-o", "wide")
			return out
		})
		slot := kubectl(ctx, "get", "warmworkspaces.berth.dev", "-n", platform, "--field-selector", "spec.templateRef.name=prepared", "-o", "jsonpath={.items[0].metadata.name}")
		pod := field(ctx, platform, "warmworkspaces.berth.dev/"+slot, ".status.pod.name")
		const container = `.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount`
		before := field(ctx, platform, "pod/"+pod, container)
		Expect(before).To(HaveSuffix(" 0"))
		Expect(kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", "cat /proc/[0-9]*/comm")).NotTo(ContainSubstring("sleep"), "nothing runs before the claim")

		account := field(ctx, platform, "pod/"+pod, ".spec.serviceAccountName")
		token := kubectl(ctx, "create", "token", account, "-n", platform, "--audience", "berth", "--bound-object-kind", "Pod", "--bound-object-name", pod)
		const hold = "/api/v2/workspaceagents/me/hold?agent=main"
		Expect(call(ctx, token, http.MethodGet, hold, nil, nil)).To(Equal(http.StatusUpgradeRequired), "the token is good before the claim")

		apply(ctx, `{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: prepared, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: prepared}}}`)
		ready(ctx, platform, "prepared", "Running")
		Expect(field(ctx, platform, "workspaces.berth.dev/prepared", ".status.pod.name")).To(Equal(pod))
		Expect(field(ctx, platform, "pod/"+pod, container)).To(Equal(before), "the pod and its container are those that waited")
		environment := func(of string) string {
			return kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", "cat "+of+" | tr '\\0' '\\n'")
		}
		Eventually(func() string { return environment("/proc/[0-9]*/environ") }).Should(And(
			ContainSubstring("WHOSE=ada of prepared"), ContainSubstring("BERTH_OWNER_NAME=ada"), ContainSubstring("BERTH_WORKSPACE_NAME=prepared")))
		Expect(environment("/proc/1/environ")).NotTo(ContainSubstring("WHOSE="), "the agent itself was started for nobody")
		for _, t := range []string{token, kubectl(ctx, "create", "token", account, "-n", platform, "--audience", "berth", "--bound-object-kind", "Pod", "--bound-object-name", pod)} {
			Expect(call(ctx, t, http.MethodGet, hold, nil, nil)).To(Equal(http.StatusUnauthorized))
		}
		Eventually(pool).Should(Equal("1"), "the pool fills up again")
	})
}
