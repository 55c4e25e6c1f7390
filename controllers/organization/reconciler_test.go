// SPDX-License-Identifier: Apache-2.0

package organization_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/organization"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

const enforce = "pod-security.kubernetes.io/enforce"

// desk is what a spec works at: a reconciler, its journal, and what it told people.
type desk struct {
	*Journal
	*organization.Reconciler
	said *Events
}

func sit() *desk {
	j, said := NewJournal(env.Client), &Events{}
	return &desk{Journal: j, said: said, Reconciler: &organization.Reconciler{
		Client: j, Live: env.Client, Own: "berth-system", Manager: "berth-manager", Events: said, Clock: clock.RealClock{},
	}}
}

func (d *desk) settle(ctx context.Context, orgs ...*v1alpha1.Organization) {
	GinkgoHelper()
	for _, o := range orgs {
		Expect(d.Journal.Settle(ctx, d.Reconciler, o)).To(Succeed())
	}
}

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

func namespace(ctx context.Context, name string) *corev1.Namespace {
	GinkgoHelper()
	n := &corev1.Namespace{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Name: name}, n)).To(Succeed())
	return n
}

func account(ctx context.Context, namespace, name string) *corev1.ServiceAccount {
	GinkgoHelper()
	a := &corev1.ServiceAccount{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, a)).To(Succeed())
	return a
}

var _ = Describe("an Organization", func() {
	It("makes its home: namespace, Pod Security level and the account without a token", func(ctx SpecContext) {
		d, org := sit(), given.Organization("made")
		create(ctx, org)
		d.settle(ctx, org)

		Expect(org).To(BeReady())
		Expect(org.Status.Namespace).To(Equal("made"))
		Expect(org.Spec.ID).To(BeEquivalentTo(org.UID), "the id on the wire is set with the first write")
		Expect(namespace(ctx, "made").Labels).To(And(
			HaveKeyWithValue(v1alpha1.LabelOrganization, "made"), HaveKeyWithValue(enforce, "restricted"),
			HaveKeyWithValue("pod-security.kubernetes.io/audit", "restricted"), HaveKeyWithValue("pod-security.kubernetes.io/warn", "restricted")))
		Expect(account(ctx, "made", "berth-workspace").AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		Expect(d.said.Said()).To(ConsistOf(HavePrefix("Normal Ready made: ")), "one event for one reason")
	})

	It("adopts a namespace that stands already, keeps what others wrote there, and follows the level", func(ctx SpecContext) {
		d, org := sit(), given.Organization("adopted", func(o *v1alpha1.Organization) { o.Spec.PodSecurity = "baseline" })
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "adopted", Labels: map[string]string{"team": "a"}}}, org)
		d.settle(ctx, org)
		Expect(namespace(ctx, "adopted").Labels).To(And(HaveKeyWithValue("team", "a"), HaveKeyWithValue(enforce, "baseline")))

		org.Spec.PodSecurity = "restricted"
		Expect(env.Client.Update(ctx, org)).To(Succeed())
		d.settle(ctx, org)
		Expect(namespace(ctx, "adopted").Labels).To(HaveKeyWithValue(enforce, "restricted"))

		By("putting back what somebody else changed")
		Expect(Relabel(ctx, env.Client, "adopted", enforce, "privileged")).To(Succeed())
		d.settle(ctx, org)
		Expect(namespace(ctx, "adopted").Labels).To(HaveKeyWithValue(enforce, "restricted"))
	})

	It("gives every further namespace of its own the level and the account", func(ctx SpecContext) {
		d, org := sit(), given.Organization("wide", func(o *v1alpha1.Organization) { o.Spec.PodSecurity = "baseline" })
		create(ctx, org, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "wide-ada", Labels: map[string]string{
			v1alpha1.LabelOrganization: "wide", v1alpha1.LabelOwner: "ada"}}})
		d.settle(ctx, org)
		Expect(namespace(ctx, "wide-ada").Labels).To(And(HaveKeyWithValue(enforce, "baseline"), HaveKeyWithValue(v1alpha1.LabelOwner, "ada")))
		account(ctx, "wide-ada", "berth-workspace")
	})

	It("leaves an account that it is told to use, and makes it where there is none", func(ctx SpecContext) {
		d, org := sit(), given.Organization("named", func(o *v1alpha1.Organization) { o.Spec.ServiceAccountName = "builder" })
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "named"}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "named", Name: "builder", Annotations: map[string]string{"cloud/role": "x"}}}, org)
		d.settle(ctx, org)
		Expect(account(ctx, "named", "builder").Labels).To(BeEmpty())

		org.Spec.ServiceAccountName = "runner"
		Expect(env.Client.Update(ctx, org)).To(Succeed())
		d.settle(ctx, org)
		Expect(account(ctx, "named", "runner").AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	})

	It("is Stalled NamespaceTaken where the namespace is another organization's, until that gives it back", func(ctx SpecContext) {
		d, org := sit(), given.Organization("taken")
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "taken", Labels: map[string]string{v1alpha1.LabelOrganization: "elsewhere"}}}, org)
		d.settle(ctx, org)
		Expect(org).To(BeStalled(v1alpha1.ReasonNamespaceTaken))
		Expect(org.Status.Namespace).To(BeEmpty())
		Expect(namespace(ctx, "taken").Labels).NotTo(HaveKey(enforce))

		Expect(Relabel(ctx, env.Client, "taken", v1alpha1.LabelOrganization, "taken")).To(Succeed())
		d.settle(ctx, org)
		Expect(org).To(BeReady())
	})

	DescribeTable("V 40: it never takes what is the cluster's or Berth's own", func(ctx SpecContext, name string) {
		d, org := sit(), given.Organization(name)
		if name == "berth-system" {
			create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		create(ctx, org)
		d.settle(ctx, org)
		Expect(org).To(BeStalled(v1alpha1.ReasonNamespaceTaken))
		Expect(namespace(ctx, name).Labels).NotTo(Or(HaveKey(enforce), HaveKey(v1alpha1.LabelOrganization)))
	}, Entry(nil, "kube-system"), Entry(nil, "kube-public"), Entry(nil, "berth-system"))

	It("V 40: a system namespace that somebody labelled is not touched either", func(ctx SpecContext) {
		d, org := sit(), given.Organization("greedy", func(o *v1alpha1.Organization) { o.Spec.PodSecurity = "privileged" })
		Expect(Relabel(ctx, env.Client, "kube-node-lease", v1alpha1.LabelOrganization, "greedy")).To(Succeed())
		create(ctx, org)
		d.settle(ctx, org)
		Expect(namespace(ctx, "kube-node-lease").Labels).NotTo(HaveKey(enforce))
	})

	It("waits for a namespace that is being deleted", func(ctx SpecContext) {
		d, org := sit(), given.Organization("ending")
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ending"}}, org)
		// No controller empties namespaces here, so it stays as it is while it ends.
		Expect(env.Client.Delete(ctx, namespace(ctx, "ending"))).To(Succeed())
		d.settle(ctx, org)
		Expect(org).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonNamespaceTerminating))
	})

	It("is the default one when it is the older of two; the younger has its home all the same", func(ctx SpecContext) {
		d := sit()
		first := given.Organization("first", func(o *v1alpha1.Organization) { o.Spec.Default = true })
		second := given.Organization("second", func(o *v1alpha1.Organization) { o.Spec.Default = true })
		create(ctx, first, second)
		d.settle(ctx, first, second)
		winner, loser := first, second
		if first.CreationTimestamp.Equal(&second.CreationTimestamp) && second.UID < first.UID {
			winner, loser = second, first
		}
		Expect(winner).To(BeReady())
		Expect(loser).To(BeStalled(v1alpha1.ReasonDefaultTaken))
		Expect(loser.Status.Namespace).To(Equal(loser.Name))

		winner.Spec.Default = false
		Expect(env.Client.Update(ctx, winner)).To(Succeed())
		d.settle(ctx, loser)
		Expect(loser).To(BeReady())
		loser.Spec.Default = false
		Expect(env.Client.Update(ctx, loser)).To(Succeed())
	})

	It("is Stalled IDTaken when a copied manifest brought another's id, and NameTaken for a name in use", func(ctx SpecContext) {
		d, org := sit(), given.Organization("original", func(o *v1alpha1.Organization) { o.Spec.ID = "00000000-0000-4000-8000-000000000001" })
		create(ctx, org)
		d.settle(ctx, org)
		copied := given.Organization("copied", func(o *v1alpha1.Organization) { o.Spec.ID = org.Spec.ID; o.UID = "" })
		named := given.Organization("namesake", func(o *v1alpha1.Organization) { o.Spec.Name = "Original" })
		create(ctx, copied, named)
		d.settle(ctx, org, copied, named)
		stalled := []*v1alpha1.Organization{copied, named}
		if !org.CreationTimestamp.Equal(&copied.CreationTimestamp) {
			Expect(copied).To(BeStalled(v1alpha1.ReasonIDTaken))
			Expect(named).To(BeStalled(v1alpha1.ReasonNameTaken))
			return
		}
		Expect(append(stalled, org)).To(ContainElement(BeStalled(v1alpha1.ReasonIDTaken)), "of one second the lesser uid stands")
	})

	It("gives its namespace back when it is deleted: the label goes, everything else stays", func(ctx SpecContext) {
		d, org := sit(), given.Organization("leaving")
		create(ctx, org)
		d.settle(ctx, org)
		Expect(env.Client.Delete(ctx, org)).To(Succeed())
		d.settle(ctx, org)
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(org), org))).To(Succeed())
		Expect(namespace(ctx, "leaving").Labels).To(And(Not(HaveKey(v1alpha1.LabelOrganization)), HaveKeyWithValue(enforce, "restricted")))
		Expect(namespace(ctx, "leaving").DeletionTimestamp).To(BeNil())
		account(ctx, "leaving", "berth-workspace")
	})
})
