// SPDX-License-Identifier: Apache-2.0

package organization_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("an Organization in use", Serial, func() {
	It("is not deleted while a workspace stands in it, and goes when the last one has gone", func(ctx SpecContext) {
		d, org := sit(), given.Organization("used")
		create(ctx, org)
		d.settle(ctx, org)
		Expect(org.Status.InUse).To(BeFalse())
		policy(ctx, "organization-in-use.yaml")
		ws := given.Workspace("used", "a", "ada", "plain")
		create(ctx, ws)
		d.settle(ctx, org)
		Expect(org.Status.InUse).To(BeTrue())
		// The kube-apiserver takes a policy up a moment after it was written.
		Eventually(func() error { return env.Client.Delete(ctx, org, client.DryRunAll) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(
			MatchError(ContainSubstring("Organization used cannot be deleted: workspaces stand in its namespaces")))

		By("the finalizer, where the policy did not see it yet")
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		d.settle(ctx, org)
		create(ctx, given.Workspace("used", "b", "ada", "plain"))
		Expect(env.Client.Delete(ctx, org)).To(Succeed())
		d.settle(ctx, org)
		Expect(org).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonInUse))
		Expect(namespace(ctx, "used").Labels).To(HaveKeyWithValue(v1alpha1.LabelOrganization, "used"))
		Expect(env.Client.Delete(ctx, given.Workspace("used", "b", "ada", "plain"))).To(Succeed())
		d.settle(ctx, org)
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(org), &v1alpha1.Organization{}))).To(BeTrue())
	})
})

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
