// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
)

// What becomes of a workspace when its template, its image or its node changes under it.
func lifecycleSpecs() {

	const base = "registry.example/base:24.04"
	// refusing is an image whose registry refuses at once: nobody listens there, and no name has to be looked up.
	const refusing = "127.0.0.1:1/none:1"

	// declare applies a template of the name and a workspace of it, which follows the template by itself.
	declare := func(ctx SpecContext, name, image, greeting string) {
		GinkgoHelper()
		apply(ctx, fmt.Sprintf(`{apiVersion: berth.dev/v1alpha1, kind: Template, metadata: {name: %s, namespace: platform}, spec: {lifecycle: {keepDeletedFor: 0s}, content: {image: %q, env: [{name: GREETING, value: %q}]}}}`,
			name, image, greeting))
		apply(ctx, fmt.Sprintf(`{apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: %[1]s, namespace: platform}, spec: {owner: {user: ada}, templateRef: {name: %[1]s}, updates: Restart}}`, name))
	}
	exec := func(ctx SpecContext, name, script string) string {
		GinkgoHelper()
		pod := field(ctx, platform, "workspaces.berth.dev/"+name, ".status.pod.name")
		return kubectl(ctx, "exec", "-n", platform, pod, "--", "bash", "-c", script)
	}

	It("reaches the version that git brought, with its home, when it follows its template", func(ctx SpecContext) {
		DeferCleanup(remove, "follows")
		declare(ctx, "follows", base, "first")
		ready(ctx, platform, "follows", "Running")
		Expect(exec(ctx, "follows", "echo kept > ~/note; echo $GREETING")).To(Equal("first"))
		declare(ctx, "follows", base, "second")
		Eventually(func() string { return field(ctx, platform, "workspaces.berth.dev/follows", ".status.build.number") }).Should(Equal("2"))
		ready(ctx, platform, "follows", "Running")
		Expect(exec(ctx, "follows", "cat ~/note; echo $GREETING")).To(Equal("kept\nsecond"))
		Expect(field(ctx, platform, "workspacebuilds.berth.dev/follows-2", ".spec.restart")).To(Equal("true"))
	})

	It("shows by API what is wrong with an image, and runs when the template is put right", func(ctx SpecContext) {
		DeferCleanup(remove, "image")
		declare(ctx, "image", refusing, "hello")
		// how long the node tries before it says so is the node's own: volume, init containers, the registry's silence
		Eventually(func() string {
			return field(ctx, platform, "pods/image", ".status.initContainerStatuses[*].state.waiting.reason} {.status.containerStatuses[*].state.waiting.reason")
		}).WithTimeout(2 * time.Minute).Should(Or(ContainSubstring("ErrImagePull"), ContainSubstring("ImagePullBackOff")))
		asked := time.Now()
		Eventually(func() string { return lastLog(ctx, "image") }).WithTimeout(10*time.Second).
			Should(And(ContainSubstring(refusing), ContainSubstring("spec.content.image")), func() string { return strings.Join(outputs(ctx, "image"), "\n") })
		AddReportEntry("seconds from the node's word to the reason", time.Since(asked).Seconds())
		declare(ctx, "image", base, "hello")
		ready(ctx, platform, "image", "Running")
		Expect(exec(ctx, "image", "echo $GREETING")).To(Equal("hello"))
	})

	It("comes back in the same build, with its home, when its node was drained", func(ctx SpecContext) {
		DeferCleanup(remove, "drained")
		declare(ctx, "drained", base, "hello")
		ready(ctx, platform, "drained", "Running")
		exec(ctx, "drained", "echo kept > ~/note")
		uid := field(ctx, platform, "workspaces.berth.dev/drained", ".status.pod.uid")
		node := field(ctx, platform, "workspaces.berth.dev/drained", ".status.pod.node")
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "uncordon", node) })
		id := field(ctx, platform, "workspaces.berth.dev/drained", ".spec.id")
		kubectl(ctx, "drain", node, "--pod-selector", "berth.dev/id="+id, "--force", "--delete-emptydir-data", "--timeout=60s")
		Eventually(func() string {
			return field(ctx, platform, "workspaces.berth.dev/drained", `.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message`)
		}).Should(And(HavePrefix("Unschedulable "), ContainSubstring("cordoned")))
		kubectl(ctx, "uncordon", node)
		ready(ctx, platform, "drained", "Running")
		Expect(exec(ctx, "drained", "cat ~/note")).To(Equal("kept"))
		Expect(field(ctx, platform, "workspaces.berth.dev/drained", ".status.build.number")).To(Equal("1"))
		Expect(field(ctx, platform, "workspaces.berth.dev/drained", ".status.pod.uid")).NotTo(Equal(uid))
	})
}

// logs are what the API tells of the last build of ada's workspace.
func logs(ctx context.Context, name string) (lines []codersdk.ProvisionerJobLog) {
	var is codersdk.Workspace
	if call(ctx, owner, http.MethodGet, "/api/v2/users/ada/workspace/"+name, nil, &is) != http.StatusOK {
		return nil
	}
	call(ctx, owner, http.MethodGet, "/api/v2/workspacebuilds/"+is.LatestBuild.ID.String()+"/logs", nil, &lines)
	return lines
}

func lastLog(ctx context.Context, name string) string {
	lines := logs(ctx, name)
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1].Output
}

// outputs are the lines that the API tells of the last build of ada's workspace.
func outputs(ctx context.Context, name string) (lines []string) {
	for _, line := range logs(ctx, name) {
		lines = append(lines, line.CreatedAt.Format(time.TimeOnly)+" "+line.Output)
	}
	return lines
}
