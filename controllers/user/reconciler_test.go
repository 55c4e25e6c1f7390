// SPDX-License-Identifier: Apache-2.0

package user_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/user"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/index"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// desk is what a spec works at. Each has a namespace of claims of its own, so that specs share no names.
type desk struct {
	*Journal
	*user.Reconciler
	said  *Events
	clock *testing.FakePassiveClock
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "berth-"}}
	Expect(env.Client.Create(ctx, own)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.User{})).To(Succeed()) })
	j, said, now := NewJournal(env.Client), &Events{}, testing.NewFakePassiveClock(time.Now())
	return &desk{Journal: j, said: said, clock: now, Reconciler: &user.Reconciler{
		Client: j, Events: said, Clock: now,
		Claims: &claims.Claims{Client: j, Live: env.Client, Namespace: own.Name, Clock: now},
	}}
}

func (d *desk) settle(ctx context.Context, users ...*v1alpha1.User) {
	GinkgoHelper()
	for _, u := range users {
		Expect(d.Journal.Settle(ctx, d.Reconciler, u)).To(Succeed())
	}
}

func (d *desk) claimed(ctx context.Context) map[claims.Claim]string {
	GinkgoHelper()
	var leases coordinationv1.LeaseList
	Expect(env.Client.List(ctx, &leases, client.InNamespace(d.Claims.Namespace))).To(Succeed())
	held := map[claims.Claim]string{}
	for _, l := range leases.Items {
		held[claims.Of(&l)] = l.Annotations[claims.AnnotationHolderUID]
	}
	return held
}

func create(ctx context.Context, users ...*v1alpha1.User) {
	GinkgoHelper()
	for _, u := range users {
		Expect(env.Client.Create(ctx, u)).To(Succeed())
	}
}

func username(name string) claims.Claim { return claims.Claim{Kind: claims.Username, Value: name} }
func email(address string) claims.Claim { return claims.Claim{Kind: claims.Email, Value: address} }

var _ = Describe("a User", func() {
	It("claims its username and address, whatever their capitals, and is Ready", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada", func(u *v1alpha1.User) { u.Spec.Username, u.Spec.Email = "Ada", "Ada@Example.org" })
		create(ctx, ada)
		d.settle(ctx, ada)
		Expect(ada).To(BeReady())
		Expect(ada.Status.State).To(Equal(v1alpha1.UserDormant), "nobody has signed in yet")
		Expect(ada.Spec.ID).To(BeEquivalentTo(ada.UID))
		Expect(d.claimed(ctx)).To(Equal(map[claims.Claim]string{username("ada"): string(ada.UID), email("ada@example.org"): string(ada.UID)}))
	})

	It("is Stalled UsernameTaken beside one who has the name, and gets it when that one is gone", func(ctx SpecContext) {
		d, ada, other := sit(ctx), given.User("ada"), given.User("lovelace", func(u *v1alpha1.User) { u.Spec.Username = "ADA" })
		create(ctx, ada, other)
		d.settle(ctx, ada, other)
		Expect(ada).To(BeReady())
		Expect(other).To(BeStalled(v1alpha1.ReasonUsernameTaken))
		Expect(Message(other, v1alpha1.ConditionStalled)).To(Equal(`spec.username: "ADA" belongs to User ada; choose another`))

		Expect(env.Client.Delete(ctx, ada)).To(Succeed())
		d.settle(ctx, ada, other)
		Expect(other).To(BeReady())
		Expect(d.claimed(ctx)).To(HaveKeyWithValue(username("ada"), string(other.UID)))
		Expect(d.claimed(ctx)).NotTo(HaveKey(email("ada@example.org")))
	})

	It("is Stalled EmailTaken for an address in use, and tells both when both are", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada")
		eve := given.User("eve", func(u *v1alpha1.User) { u.Spec.Email = "ADA@example.org" })
		twin := given.User("twin", func(u *v1alpha1.User) { u.Spec.Username, u.Spec.Email = "Ada", "ada@example.org" })
		create(ctx, ada, eve, twin)
		d.settle(ctx, ada, eve, twin)
		Expect(eve).To(BeStalled(v1alpha1.ReasonEmailTaken))
		Expect(twin).To(BeStalled(v1alpha1.ReasonUsernameTaken))
		Expect(Message(twin, v1alpha1.ConditionReady)).To(And(ContainSubstring("spec.username: "), ContainSubstring("spec.email: ")))
	})

	It("is Stalled IdentityTaken for an account that signs in as another, and gets it when that one lets go", func(ctx SpecContext) {
		account := v1alpha1.LinkedIdentity{Issuer: "https://login.example.org", Subject: "Ada-1"}
		d, ada := sit(ctx), given.User("ada", func(u *v1alpha1.User) { u.Spec.Identities = []v1alpha1.LinkedIdentity{account} })
		eve := given.User("eve", func(u *v1alpha1.User) { u.Spec.Identities = []v1alpha1.LinkedIdentity{account} })
		other := given.User("other", func(u *v1alpha1.User) {
			u.Spec.Identities = []v1alpha1.LinkedIdentity{{Issuer: account.Issuer, Subject: "ada-1"}} // other capitals are another account
		})
		create(ctx, ada, eve, other)
		d.settle(ctx, ada, eve, other)
		Expect(ada).To(BeReady())
		Expect(other).To(BeReady())
		Expect(eve).To(BeStalled(v1alpha1.ReasonIdentityTaken))
		Expect(Message(eve, v1alpha1.ConditionStalled)).To(Equal("spec.identities[0]: this account signs in as User ada; take it out of one of them"))
		held := claims.Claim{Kind: claims.Identity, Value: index.IdentityKey(account)}
		Expect(d.claimed(ctx)).To(HaveKeyWithValue(held, string(ada.UID)))

		ada.Spec.Identities = nil
		Expect(env.Client.Update(ctx, ada)).To(Succeed())
		d.settle(ctx, ada, eve)
		Expect(eve).To(BeReady())
		Expect(d.claimed(ctx)).To(HaveKeyWithValue(held, string(eve.UID)))
	})

	It("frees the name that it no longer has", func(ctx SpecContext) {
		d, ada, eve := sit(ctx), given.User("ada"), given.User("eve", func(u *v1alpha1.User) { u.Spec.Username = "ada" })
		create(ctx, ada, eve)
		d.settle(ctx, ada, eve)
		ada.Spec.Username = "countess"
		Expect(env.Client.Update(ctx, ada)).To(Succeed())
		d.settle(ctx, ada, eve)
		Expect(ada).To(BeReady())
		Expect(eve).To(BeReady())
		Expect(d.claimed(ctx)).To(And(HaveKeyWithValue(username("ada"), string(eve.UID)), HaveKeyWithValue(username("countess"), string(ada.UID))))
	})

	It("keeps its claims when it was restored with another uid", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada")
		create(ctx, ada)
		d.settle(ctx, ada)
		Expect(env.Client.Delete(ctx, ada)).To(Succeed())
		again := given.User("ada")
		create(ctx, again)
		d.settle(ctx, again)
		Expect(again).To(BeReady())
		Expect(d.claimed(ctx)).To(HaveKeyWithValue(username("ada"), string(again.UID)))
	})

	It("takes up the claims that were reserved for it, and frees those that were never used", func(ctx SpecContext) {
		d := sit(ctx)
		first := claims.Claim{Kind: claims.FirstUser}
		for _, c := range []claims.Claim{first, username("ada"), email("ada@example.org"), username("nobody")} {
			name := "ada"
			if c.Value == "nobody" {
				name = "nobody"
			}
			Expect(d.Claims.Hold(ctx, c, claims.Holder{Name: name})).To(Succeed())
		}
		ada := given.User("ada")
		create(ctx, ada)
		d.settle(ctx, ada)
		Expect(d.claimed(ctx)).To(And(HaveKeyWithValue(username("ada"), string(ada.UID)), HaveKey(first), HaveKey(username("nobody"))))

		By("waiting as long as a reservation counts")
		request := ctrl.Request{NamespacedName: client.ObjectKey{Name: "nobody"}}
		Expect(d.Reconcile(ctx, request)).To(HaveField("RequeueAfter", BeNumerically("~", claims.Pending, time.Second)))
		d.clock.SetTime(d.clock.Now().Add(2 * claims.Pending))
		Expect(d.Reconcile(ctx, request)).To(BeZero())
		Expect(d.claimed(ctx)).To(And(HaveKey(first), Not(HaveKey(username("nobody")))))

		By("and the right to be first is free again with the first user's end")
		Expect(env.Client.Delete(ctx, ada)).To(Succeed())
		d.settle(ctx, ada)
		Expect(d.claimed(ctx)).To(BeEmpty())
	})

	It("lists no identity that another lists: it would be nobody's, so both are Stalled until one gives it up", func(ctx SpecContext) {
		who := []v1alpha1.Subject{{Kind: "User", Name: "oidc:ada"}}
		d := sit(ctx)
		ada := given.User("ada", func(u *v1alpha1.User) { u.Spec.Subjects = who })
		eve := given.User("eve", func(u *v1alpha1.User) {
			u.Spec.Subjects = []v1alpha1.Subject{{Kind: "ServiceAccount", Namespace: "eve", Name: "oidc:ada"}, who[0]}
		})
		create(ctx, ada, eve)
		d.settle(ctx, ada, eve)
		Expect(ada).To(BeStalled(v1alpha1.ReasonSubjectTaken))
		Expect(eve).To(BeStalled(v1alpha1.ReasonSubjectTaken))
		Expect(Message(eve, v1alpha1.ConditionReady)).To(HavePrefix(`spec.subjects[1]: User "oidc:ada" is listed by User ada too`))
		Expect(d.said.Said()).To(ContainElement(HavePrefix("Warning SubjectTaken ada: ")))

		eve.Spec.Subjects = nil
		Expect(env.Client.Update(ctx, eve)).To(Succeed())
		d.settle(ctx, eve, ada)
		Expect(ada).To(BeReady())
	})

	It("is Stalled IDTaken with a copied id, and claims nothing", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada")
		create(ctx, ada)
		d.settle(ctx, ada)
		eve := given.User("eve", func(u *v1alpha1.User) { u.Spec.ID = v1alpha1.ID(ada.UID) })
		create(ctx, eve)
		d.settle(ctx, eve)
		if eve.CreationTimestamp.Equal(&ada.CreationTimestamp) && eve.UID < ada.UID {
			d.settle(ctx, ada)
			Expect(ada).To(BeStalled(v1alpha1.ReasonIDTaken))
			return
		}
		Expect(eve).To(BeStalled(v1alpha1.ReasonIDTaken))
		Expect(d.claimed(ctx)).NotTo(HaveKey(username("eve")))
	})

	It("says what is wrong with a declared password, by what the API servers found, and is Ready when nothing is", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada", func(u *v1alpha1.User) { u.Spec.PasswordSecret = &v1alpha1.NameReference{Name: "ada"} })
		found := func(state *v1alpha1.PasswordState) {
			GinkgoHelper()
			ada.Status.Password = state
			Expect(env.Client.Status().Update(ctx, ada, client.FieldOwner("berth-apiserver"))).To(Succeed())
			d.settle(ctx, ada)
			Expect(ada.Status.Password).To(Equal(state), "it is another's to write")
		}
		create(ctx, ada)
		d.settle(ctx, ada)
		Expect(ada).To(BeStalled(v1alpha1.ReasonPasswordSecretInvalid))
		Expect(Message(ada, v1alpha1.ConditionStalled)).To(Equal("spec.passwordSecret: is not used, since spec.loginType is None; make that Password, or take this out"))

		ada.Spec.LoginType = v1alpha1.LoginTypePassword
		Expect(env.Client.Update(ctx, ada)).To(Succeed())
		d.settle(ctx, ada)
		Expect(ada).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPasswordPending))
		found(&v1alpha1.PasswordState{Secret: "another"})
		Expect(ada).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonPasswordPending))
		found(&v1alpha1.PasswordState{Secret: "ada", Reason: v1alpha1.ReasonPasswordSecretMissing, Message: "there is no Secret ada"})
		Expect(ada).To(BeStalled(v1alpha1.ReasonPasswordSecretMissing))
		Expect(d.said.Said()).To(ContainElement("Warning PasswordSecretMissing ada: spec.passwordSecret: there is no Secret ada"))
		found(&v1alpha1.PasswordState{Secret: "ada"})
		Expect(ada).To(BeReady())
		Expect(ada).NotTo(HaveCondition(v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotEnforced))
	})

	It("never writes where somebody is signed in, which a late pass would take back", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada")
		create(ctx, ada)
		d.settle(ctx, ada)
		ada.Status.ExternalAuth = []string{"github"}
		Expect(env.Client.Status().Update(ctx, ada, client.FieldOwner("berth-apiserver"))).To(Succeed())
		ada.Spec.DisplayName = "Ada L."
		Expect(env.Client.Update(ctx, ada)).To(Succeed())
		d.settle(ctx, ada)
		Expect(ada.Status.ObservedGeneration).To(Equal(ada.Generation))
		Expect(ada.Status.ExternalAuth).To(Equal([]string{"github"}))
		live := &v1alpha1.User{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(ada), live)).To(Succeed())
		var holders []string
		for _, m := range live.ManagedFields {
			if strings.Contains(m.FieldsV1.GetRawString(), `"f:externalAuth"`) {
				holders = append(holders, m.Manager)
			}
		}
		Expect(holders).To(Equal([]string{"berth-apiserver"}))
	})

	It("shows whether it is in use, by what the API server saw, and leaves that alone", func(ctx SpecContext) {
		d, ada := sit(ctx), given.User("ada")
		create(ctx, ada)
		d.settle(ctx, ada)
		seen := metav1.NewTime(d.clock.Now().Truncate(time.Second))
		ada.Status.LastSeenAt, ada.Status.Groups = &seen, []string{"platform/backend"}
		Expect(env.Client.Status().Update(ctx, ada, client.FieldOwner("berth-apiserver"))).To(Succeed())
		d.settle(ctx, ada)
		Expect(ada.Status.State).To(Equal(v1alpha1.UserActive))
		Expect(ada.Status.LastSeenAt).NotTo(BeNil())
		Expect(ada.Status.Groups).To(ConsistOf("platform/backend"))
		Expect(d.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(ada)})).
			To(HaveField("RequeueAfter", BeNumerically("~", 90*24*time.Hour, time.Minute)))

		d.clock.SetTime(seen.Add(91 * 24 * time.Hour))
		d.settle(ctx, ada)
		Expect(ada.Status.State).To(Equal(v1alpha1.UserDormant))

		ada.Spec.Suspended = true
		Expect(env.Client.Update(ctx, ada)).To(Succeed())
		d.settle(ctx, ada)
		Expect(ada.Status.State).To(Equal(v1alpha1.UserSuspended))
		Expect(ada).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSuspended))
	})
})
