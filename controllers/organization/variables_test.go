// SPDX-License-Identifier: Apache-2.0

package organization_test

import (
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

var _ = Describe("what lets the API server store the values of variables", func() {
	binding := func(namespace string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: organization.VariablesBinding}}
	}

	It("stands in the home namespace alone, and is written once", func(ctx SpecContext) {
		d, org := sit(), given.Organization("keeps")
		d.Reconciler.APIServer = "berth-apiserver"
		create(ctx, org, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "keeps-ada", Labels: map[string]string{
			v1alpha1.LabelOrganization: "keeps", v1alpha1.LabelOwner: "ada"}}})
		d.settle(ctx, org)
		b := binding("keeps")
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(b), b)).To(Succeed())
		Expect(b.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "berth-variables"}))
		Expect(b.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-apiserver"}}))
		Expect(b.OwnerReferences).To(ConsistOf(HaveField("UID", org.UID)))
		further := binding("keeps-ada")
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(further), further))).To(BeTrue())
		before := len(d.Writes())
		d.settle(ctx, org)
		Expect(d.Writes()[before:]).To(BeEmpty())

		By("somebody who binds others by it")
		b.Subjects[0].Name = "eve"
		Expect(env.Client.Update(ctx, b)).To(Succeed())
		d.settle(ctx, org)
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(b), b)).To(Succeed())
		Expect(b.Subjects[0].Name).To(Equal("berth-apiserver"))

		By("a namespace that becomes another's")
		Expect(Relabel(ctx, env.Client, "keeps", v1alpha1.LabelOrganization, "other")).To(Succeed())
		d.settle(ctx, org)
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(b), b))).To(BeTrue())
	})
})
