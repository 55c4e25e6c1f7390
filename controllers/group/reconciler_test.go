// SPDX-License-Identifier: Apache-2.0

package group_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/group"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

func settle(ctx context.Context, groups ...*v1alpha1.Group) {
	GinkgoHelper()
	j := NewJournal(env.Client)
	r := &group.Reconciler{Client: j, Events: &Events{}, Clock: clock.RealClock{}}
	for _, g := range groups {
		Expect(j.Settle(ctx, r, g)).To(Succeed())
	}
}

var _ = Describe("a Group", func() {
	var org string
	BeforeEach(func(ctx SpecContext) {
		var err error
		org, err = env.Organization(ctx, "org-")
		Expect(err).NotTo(HaveOccurred())
	})
	member := func(name, organization string) *v1alpha1.User {
		return given.User(org+name, func(u *v1alpha1.User) {
			u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(organization)}}
		})
	}

	It("shows what its members use, of what they may use together", func(ctx SpecContext) {
		three, fifty := int64(3), int64(50)
		ada, bob := member("ada", org), member("bob", org)
		bob.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(org)}}
		g := given.Group(org, "backend", func(g *v1alpha1.Group) {
			g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(ada.Name)}
			g.Spec.Quota = &v1alpha1.Quota{DailyCost: &fifty, Running: &three}
		})
		others := given.Group(org, "friends", func(g *v1alpha1.Group) {
			g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(ada.Name)}
			g.Spec.Quota = &v1alpha1.Quota{DailyCost: &three}
		})
		create(ctx, ada, bob, g, others)
		bob.Status.Groups = []string{org + "/backend"} // by a login
		Expect(env.Client.Status().Update(ctx, bob)).To(Succeed())
		settle(ctx, g)
		Expect([]string{g.Status.Cost, g.Status.Running}).To(Equal([]string{"0/103", "0/3"}), "50 + 3 of ada's, 50 of bob's")
		for name, owner := range map[string]string{"a": ada.Name, "b": bob.Name, "c": "somebody"} {
			ws := given.Workspace(org, name, owner, "go")
			create(ctx, ws)
			cost := int64(12)
			ws.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: "x-1", UID: "x"}, Number: 1, Transition: v1alpha1.TransitionStart, DailyCost: &cost}
			Expect(env.Client.Status().Update(ctx, ws)).To(Succeed())
		}
		settle(ctx, g)
		Expect([]string{g.Status.Cost, g.Status.Running}).To(Equal([]string{"24/103", "2/3"}))
	})

	It("counts its members, and is Ready with the names of those who are none", func(ctx SpecContext) {
		g := given.Group(org, "backend", func(g *v1alpha1.Group) {
			g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(org + "ada"), v1alpha1.ObjectName(org + "eve"), "nobody", "nobody"}
			g.Spec.Quota = &v1alpha1.Quota{Running: ptr.To(int64(3))}
		})
		create(ctx, member("ada", org), member("eve", "elsewhere"), g)
		settle(ctx, g)
		Expect(g).To(And(BeReady(), HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonMemberMissing)))
		Expect(Message(g, v1alpha1.ConditionReady)).To(HaveSuffix(": nobody, " + org + "eve"))
		Expect(g.Status.Members).To(BeEquivalentTo(1))

		g.Spec.Members = g.Spec.Members[:1]
		Expect(env.Client.Update(ctx, g)).To(Succeed())
		settle(ctx, g)
		Expect(g).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady))
	})

	It("counts who names no organization where it is the default one", func(ctx SpecContext) {
		Expect(env.Client.Patch(ctx, given.Organization(org), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"default":true}}`)))).To(Succeed())
		g := given.Group(org, "all", func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(org + "guest")} })
		create(ctx, given.User(org+"guest"), g)
		settle(ctx, g)
		Expect(g.Status.Members).To(BeEquivalentTo(1))
	})

	It("V 43: is never acted on where there is no organization, and shows the manifest to apply", func(ctx SpecContext) {
		plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plain-"}}
		create(ctx, plain)
		g := given.Group(plain.Name, "backend")
		create(ctx, g)
		settle(ctx, g)
		Expect(g).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
		Expect(Message(g, v1alpha1.ConditionReady)).To(ContainSubstring(
			"apiVersion: berth.dev/v1alpha1\nkind: Organization\nmetadata: {name: " + plain.Name + "}"))

		By("becoming Ready once the organization is there and has taken the namespace")
		create(ctx, given.Organization(plain.Name))
		settle(ctx, g)
		Expect(g).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressing))
		Expect(Relabel(ctx, env.Client, plain.Name, v1alpha1.LabelOrganization, plain.Name)).To(Succeed())
		settle(ctx, g)
		Expect(g).To(BeReady())
	})

	It("V 43: stands in the home namespace, not in another one of the organization", func(ctx SpecContext) {
		further := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "further-", Labels: map[string]string{v1alpha1.LabelOrganization: org}}}
		create(ctx, further)
		g := given.Group(further.Name, "backend")
		create(ctx, g)
		settle(ctx, g)
		Expect(g).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
		Expect(Message(g, v1alpha1.ConditionReady)).To(ContainSubstring("home namespace " + org))
	})

	It("is Stalled NameTaken for a name that an older group of the organization has", func(ctx SpecContext) {
		a, b := given.Group(org, "backend"), given.Group(org, "second", func(g *v1alpha1.Group) { g.Spec.Name = "BACKEND" })
		create(ctx, a, b)
		settle(ctx, a, b)
		Expect([]*v1alpha1.Group{a, b}).To(ConsistOf(BeReady(), BeStalled(v1alpha1.ReasonNameTaken)))
	})
})
