// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const apiService = "apiservices.apiregistration.k8s.io/v2.codersdk.berth.dev"

// installSpecs come last: they take Berth itself away.
func installSpecs() {
	pods := func(ctx SpecContext) string {
		return kubectl(ctx, "get", "pods", "-n", platform, "-l", "app.kubernetes.io/managed-by=berth", "--sort-by=.metadata.name",
			"-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}:{.status.containerStatuses[0].restartCount} {end}`)
	}

	It("keeps running workspaces over helm upgrade", func(ctx SpecContext) {
		ready(ctx, platform, "ada-api", "Running")
		before := pods(ctx)
		Expect(before).NotTo(BeEmpty())
		run(ctx, "helm", "upgrade", "berth", "charts/berth", "-n", system, "--reuse-values",
			"--set", "manager.podAnnotations.e2e=upgraded", "--wait", "--timeout", "3m")
		Expect(field(ctx, system, "deployments/berth-manager", ".spec.template.metadata.annotations.e2e")).To(Equal("upgraded"))
		Consistently(func() string { return pods(ctx) }, 5*time.Second, time.Second).Should(Equal(before))
		ready(ctx, platform, "ada-api", "Running")
	}, SpecTimeout(6*time.Minute))

	It("never lets a dead API server stand in the way of the cluster", func(ctx SpecContext) {
		Eventually(func() string { return field(ctx, "", apiService, `.status.conditions[?(@.type=="Available")].status`) }).Should(Equal("True"))
		began := time.Now()
		kubectl(ctx, "get", "namespaces")
		usual := time.Since(began)

		kubectl(ctx, "create", "namespace", "foreign")
		kubectl(ctx, "scale", "deployment/berth-apiserver", "-n", system, "--replicas=0")
		kubectl(ctx, "delete", "pods", "-n", system, "-l", "app.kubernetes.io/component=apiserver", "--grace-period=0", "--force", "--ignore-not-found")
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "scale", "deployment/berth-apiserver", "-n", system, "--replicas=1")
			kubectl(ctx, "rollout", "status", "deployment/berth-apiserver", "-n", system, "--timeout=90s")
		})
		kubectl(ctx, "delete", "namespace", "foreign", "--timeout=30s")
		Eventually(func() string { return field(ctx, "", apiService, ".metadata.name") }).Should(BeEmpty())

		began = time.Now()
		kubectl(ctx, "get", "namespaces")
		Expect(time.Since(began)).To(BeNumerically("<", 10*usual+2*time.Second), "kubectl keeps its usual speed")
	}, SpecTimeout(4*time.Minute))

	It("offers the aggregated API again when an API server is back", func(ctx SpecContext) {
		Eventually(func() string { return field(ctx, "", apiService, `.status.conditions[?(@.type=="Available")].status`) }).Should(Equal("True"))
	}, SpecTimeout(3*time.Minute))

	It("leaves workspaces alive and no APIService behind when it is uninstalled", func(ctx SpecContext) {
		before := pods(ctx)
		Expect(before).NotTo(BeEmpty())
		run(ctx, "helm", "uninstall", "berth", "-n", system, "--wait", "--timeout", "2m")
		Eventually(func() string { return field(ctx, "", apiService, ".metadata.name") }).Should(BeEmpty())
		Consistently(func() string { return pods(ctx) }, 5*time.Second, time.Second).Should(Equal(before))
		Expect(strings.Fields(kubectl(ctx, "get", "workspaces.berth.dev", "-A", "-o", "name"))).NotTo(BeEmpty(), "the CRDs stay, and what stands in them")
	}, SpecTimeout(4*time.Minute))
}
