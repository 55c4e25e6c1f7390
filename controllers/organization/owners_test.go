// SPDX-License-Identifier: Apache-2.0

package organization_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/organization"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("an organization whose members have a namespace each", func() {
	perOwner := func(name string) *v1alpha1.Organization {
		return given.Organization(name, func(o *v1alpha1.Organization) { o.Spec.WorkspaceNamespaces = v1alpha1.WorkspaceNamespacesPerOwner })
	}
	member := func(name, org string, change ...func(*v1alpha1.User)) *v1alpha1.User {
		return given.User(name, append(change, func(u *v1alpha1.User) {
			u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(org)}}
		})...)
	}
	owned := func(ctx context.Context, org string) map[string]string {
		GinkgoHelper()
		var list corev1.NamespaceList
		Expect(env.Client.List(ctx, &list, client.MatchingLabels{v1alpha1.LabelOrganization: org}, client.HasLabels{v1alpha1.LabelOwner})).To(Succeed())
		all := map[string]string{}
		for _, n := range list.Items {
			all[n.Labels[v1alpha1.LabelOwner]] = n.Name
		}
		return all
	}

	It("makes and furnishes one for who belongs to it, keeps it, and makes none for anybody else", func(ctx SpecContext) {
		d, org := sit(), perOwner("each")
		ada := member("each-ada", "each")
		create(ctx, org, ada, member("each-eve", "elsewhere"), member("each-sue", "each", func(u *v1alpha1.User) { u.Spec.Suspended = true }))
		d.settle(ctx, org)
		Expect(org).To(BeReady())
		Expect(owned(ctx, "each")).To(Equal(map[string]string{"each-ada": "each--each-ada"}))
		Expect(namespace(ctx, "each--each-ada").Labels).To(HaveKeyWithValue(enforce, "restricted"))
		account(ctx, "each--each-ada", "berth-workspace")
		Expect(allowed(ctx, "each--each-ada")).NotTo(BeNil())

		By("somebody who leaves: workspaces may stand there")
		Expect(env.Client.Delete(ctx, ada)).To(Succeed())
		create(ctx, member("each-bob", "each"))
		d.settle(ctx, org)
		Expect(owned(ctx, "each")).To(HaveKey("each-ada"))
		Expect(owned(ctx, "each")).To(HaveKeyWithValue("each-bob", "each--each-bob"))
	})

	It("takes one that an administrator has labelled in its stead", func(ctx SpecContext) {
		d, org := sit(), perOwner("labelled")
		create(ctx, org, member("labelled-ada", "labelled"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "adas-own",
			Labels: map[string]string{v1alpha1.LabelOrganization: "labelled", v1alpha1.LabelOwner: "labelled-ada"}}})
		d.settle(ctx, org)
		Expect(owned(ctx, "labelled")).To(Equal(map[string]string{"labelled-ada": "adas-own"}))
	})

	It("V16 takes nobody's namespace, names who has none for it, and serves the others", func(ctx SpecContext) {
		d, org := sit(), perOwner("met")
		squatted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "met--met-ada", Labels: map[string]string{"team": "other"}}}
		create(ctx, squatted, org, member("met-ada", "met"), member("met-bob", "met"))
		d.settle(ctx, org)
		Expect(org).To(BeStalled(v1alpha1.ReasonNamespaceTaken))
		Expect(Message(org, v1alpha1.ConditionReady)).To(And(ContainSubstring("met-ada"), ContainSubstring(squatted.Name)))
		Expect(namespace(ctx, squatted.Name).Labels).NotTo(HaveKey(v1alpha1.LabelOrganization))
		Expect(owned(ctx, "met")).To(Equal(map[string]string{"met-bob": "met--met-bob"}))
	})

	It("names them so that no two owners meet", func() {
		Expect(organization.OwnNamespace("team", "ada")).To(Equal("team--ada"))
		names := map[string]bool{}
		long := strings.Repeat("x", 60)
		for _, of := range [][2]string{{"a", "b-c"}, {"a-b", "c"}, {"a", "b.c"}, {"a", "b--c"}, {"a--b", "c"}, {"a", long}, {"a", long + "y"}, {long, "a"}} {
			name := organization.OwnNamespace(of[0], of[1])
			Expect(len(name)).To(BeNumerically("<=", 63))
			Expect(names).NotTo(HaveKey(name))
			names[name] = true
		}
	})
})
