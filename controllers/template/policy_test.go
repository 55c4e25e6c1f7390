// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// policy applies a file of config/policies until the spec ends.
func policy(ctx context.Context, file string) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(Root(), "config", "policies", file))
	Expect(err).NotTo(HaveOccurred())
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		u := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal(document, &u.Object)).To(Succeed())
		Expect(env.Client.Create(ctx, u)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
	}
}

var _ = Describe("the policy over Templates in use", Serial, func() {
	It("refuses the deletion, and says what to do instead", func(ctx SpecContext) {
		d := sit(ctx)
		policy(ctx, "template-in-use.yaml")
		t, free := d.promoted(ctx, "plain"), d.promoted(ctx, "free")
		ws := given.Workspace(d.org, "a", "ada", "plain")
		create(ctx, ws)
		d.settle(ctx, t)
		// The kube-apiserver takes a policy up a moment after it was written.
		Eventually(func() error { return env.Client.Delete(ctx, t, client.DryRunAll) }).WithContext(ctx).WithTimeout(soon).Should(
			MatchError(ContainSubstring("Template plain cannot be deleted: 1 workspace uses it (ada/a). Set spec.deprecated: true to stop new ones")))
		Expect(env.Client.Delete(ctx, free)).To(Succeed())

		By("but not Kubernetes' own controllers, which empty a namespace")
		config := *env.Config
		config.Impersonate.UserName = "system:serviceaccount:kube-system:namespace-controller"
		config.Impersonate.Groups = []string{"system:masters"}
		collector, err := client.New(&config, client.Options{Scheme: env.Scheme})
		Expect(err).NotTo(HaveOccurred())
		Expect(collector.Delete(ctx, t, client.DryRunAll)).To(Succeed())

		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		d.settle(ctx, t)
		Expect(t.Status.Workspaces).To(BeZero())
		Expect(env.Client.Delete(ctx, t)).To(Succeed())
	})

	It("does not fail for a Template without status", func(ctx SpecContext) {
		d := sit(ctx)
		policy(ctx, "template-in-use.yaml")
		t := given.Template(d.org, "new")
		create(ctx, t)
		Expect(env.Client.Delete(ctx, t)).To(Succeed())
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(t), &v1alpha1.Template{}))).To(Succeed())
	})
})
