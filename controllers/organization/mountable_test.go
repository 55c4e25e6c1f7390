// SPDX-License-Identifier: Apache-2.0

package organization_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/organization"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// allowed is what binds the manager to look at Secrets in a namespace; nil when nothing does.
func allowed(ctx context.Context, namespace string) *rbacv1.RoleBinding {
	GinkgoHelper()
	b := &rbacv1.RoleBinding{}
	err := env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: organization.MountableBinding}, b)
	if apierrors.IsNotFound(err) {
		return nil
	}
	Expect(err).NotTo(HaveOccurred())
	return b
}

var _ = Describe("what lets the manager see which Secrets are open to templates", func() {
	// furtherNamespace is a namespace that somebody made for one owner of an organization.
	furtherNamespace := func(name, org string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			v1alpha1.LabelOrganization: org, v1alpha1.LabelOwner: "ada"}}}
	}

	It("stands in every namespace of the organization, binds the manager alone to the chart's role, and is written once", func(ctx SpecContext) {
		d, org := sit(), given.Organization("opened")
		create(ctx, org, furtherNamespace("opened-ada", "opened"))
		d.settle(ctx, org)
		for _, namespace := range []string{"opened", "opened-ada"} {
			b := allowed(ctx, namespace)
			Expect(b).NotTo(BeNil(), namespace)
			Expect(b.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "berth-mountable"}))
			Expect(b.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-manager"}}))
			Expect(b.Labels).To(HaveKeyWithValue(v1alpha1.LabelManagedBy, v1alpha1.ManagedBy))
			Expect(b.OwnerReferences).To(ConsistOf(HaveField("UID", org.UID)))
		}
		before := len(d.Writes())
		d.settle(ctx, org)
		Expect(d.Writes()[before:]).To(BeEmpty())
	})

	It("is put back where somebody took it away, changed it or made one of that name before", func(ctx SpecContext) {
		d, org := sit(), given.Organization("restored")
		squatter := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "restored", Name: organization.MountableBinding},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "theirs"}}
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "restored"}}, squatter, org)
		d.settle(ctx, org)
		Expect(allowed(ctx, "restored").RoleRef.Name).To(Equal(organization.MountableRole))

		b := allowed(ctx, "restored")
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: "eve"})
		Expect(env.Client.Update(ctx, b)).To(Succeed())
		d.settle(ctx, org)
		Expect(allowed(ctx, "restored").Subjects).To(HaveLen(1), "nobody gets in beside the manager")

		Expect(env.Client.Delete(ctx, b)).To(Succeed())
		d.settle(ctx, org)
		Expect(allowed(ctx, "restored")).NotTo(BeNil())

		By("a manager that moved")
		d.Manager = "other"
		d.settle(ctx, org)
		Expect(allowed(ctx, "restored").Subjects).To(ConsistOf(HaveField("Name", "other")))
	})

	It("goes from a namespace that the organization lost, and stays where another took it over", func(ctx SpecContext) {
		d, org, heir := sit(), given.Organization("losing"), given.Organization("heir")
		create(ctx, org, heir, furtherNamespace("losing-a", "losing"), furtherNamespace("losing-b", "losing"))
		d.settle(ctx, org, heir)

		Expect(Relabel(ctx, env.Client, "losing-a", v1alpha1.LabelOrganization, "nobody")).To(Succeed())
		Expect(Relabel(ctx, env.Client, "losing-b", v1alpha1.LabelOrganization, "heir")).To(Succeed())
		d.settle(ctx, heir, org)
		Expect(allowed(ctx, "losing-a")).To(BeNil())
		Expect(allowed(ctx, "losing-b").OwnerReferences).To(ConsistOf(HaveField("UID", heir.UID)))
		Expect(allowed(ctx, "losing")).NotTo(BeNil())

		By("a home that is another's by its label")
		Expect(Relabel(ctx, env.Client, "losing", v1alpha1.LabelOrganization, "nobody")).To(Succeed())
		d.settle(ctx, org)
		Expect(org).To(BeStalled(v1alpha1.ReasonNamespaceTaken))
		Expect(allowed(ctx, "losing")).To(BeNil())
	})

	It("goes from all of its namespaces when the Organization is deleted", func(ctx SpecContext) {
		d, org := sit(), given.Organization("closing")
		create(ctx, org, furtherNamespace("closing-ada", "closing"))
		d.settle(ctx, org)
		Expect(allowed(ctx, "closing-ada")).NotTo(BeNil())
		Expect(env.Client.Delete(ctx, org)).To(Succeed())
		d.settle(ctx, org)
		Expect(allowed(ctx, "closing")).To(BeNil())
		Expect(allowed(ctx, "closing-ada")).To(BeNil())
	})

	It("V 40: is in no namespace of the cluster's own, whatever its labels say", func(ctx SpecContext) {
		d, org := sit(), given.Organization("grasping")
		Expect(Relabel(ctx, env.Client, "kube-node-lease", v1alpha1.LabelOrganization, "grasping")).To(Succeed())
		create(ctx, org)
		d.settle(ctx, org)
		Expect(allowed(ctx, "kube-node-lease")).To(BeNil())
	})
})
