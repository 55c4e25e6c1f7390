// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A User whose password a Secret declares", func() {
	const first, second = "the first of them", "the second of them"
	const soon = 20 * time.Second

	declare := func(ctx context.Context, name, password string) *corev1.Secret {
		GinkgoHelper()
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"password": password}}
		Expect(env.Client.Create(ctx, s)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, s))).To(Succeed()) })
		return s
	}
	person := func(ctx context.Context, secret string, change ...func(*v1alpha1.User)) *v1alpha1.User {
		GinkgoHelper()
		u := given.User(unique("declared"), func(u *v1alpha1.User) {
			u.Spec.LoginType, u.Spec.PasswordSecret = v1alpha1.LoginTypePassword, &v1alpha1.NameReference{Name: v1alpha1.ObjectName(secret)}
		})
		for _, f := range change {
			f(u)
		}
		Expect(env.Client.Create(ctx, u)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, u))).To(Succeed()) })
		return u
	}
	signsIn := func(ctx context.Context, u *v1alpha1.User, password string) func() int {
		return func() int {
			return ask(ctx, session(""), "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: u.Spec.Email, Password: password}).Status
		}
	}
	found := func(ctx context.Context, u *v1alpha1.User) func() *v1alpha1.PasswordState {
		return func() *v1alpha1.PasswordState { return live(ctx, u.Name).Status.Password }
	}

	It("signs in with it, whichever was there first; when it changes, the old one's sessions end", func(ctx SpecContext) {
		name := unique("password")
		u := person(ctx, name)
		Eventually(found(ctx, u)).WithTimeout(soon).Should(HaveField("Reason", v1alpha1.ReasonPasswordSecretMissing))
		Expect(found(ctx, u)().Message).To(ContainSubstring("no Secret " + name + " in namespace " + namespace))
		s := declare(ctx, name, first)
		Eventually(signsIn(ctx, u, first)).WithTimeout(soon).Should(Equal(http.StatusCreated))
		Eventually(found(ctx, u)).WithTimeout(soon).Should(Equal(&v1alpha1.PasswordState{Secret: name}))
		me := signIn(ctx, u.Spec.Email, first)
		Expect(statusOf(ctx, me)()).To(Equal(200))

		s.StringData = map[string]string{"password": second}
		Expect(env.Client.Update(ctx, s)).To(Succeed())
		Eventually(statusOf(ctx, me)).WithTimeout(soon).Should(Equal(401))
		Expect(signsIn(ctx, u, first)()).To(Equal(401))
		Expect(signsIn(ctx, u, second)()).To(Equal(201))

		s.StringData = map[string]string{"password": "short"}
		Expect(env.Client.Update(ctx, s)).To(Succeed())
		Eventually(found(ctx, u)).WithTimeout(soon).Should(And(
			HaveField("Reason", v1alpha1.ReasonPasswordSecretInvalid), HaveField("Message", ContainSubstring("at least 8 characters"))))
		Expect(signsIn(ctx, u, second)()).To(Equal(201), "what was right stays")
		Expect(env.Client.Delete(ctx, s)).To(Succeed())
		Eventually(found(ctx, u)).WithTimeout(soon).Should(HaveField("Reason", v1alpha1.ReasonPasswordSecretMissing))
		Expect(signsIn(ctx, u, second)()).To(Equal(201))

		now := live(ctx, u.Name)
		now.Spec.PasswordSecret = nil
		Expect(env.Client.Update(ctx, now)).To(Succeed())
		Eventually(found(ctx, u)).WithTimeout(soon).Should(BeNil())
		Expect(signsIn(ctx, u, second)()).To(Equal(201))
	})

	It("has an entry in the audit log for each password that was taken, and for none that was only touched", func(ctx SpecContext) {
		auditor := newPerson(ctx, newOrganization(ctx).Name, role(v1alpha1.SiteRoleAuditor)).session
		name := unique("password")
		s := declare(ctx, name, first)
		u := person(ctx, name)
		Eventually(signsIn(ctx, u, first)).WithTimeout(soon).Should(Equal(http.StatusCreated))
		changes := func() []codersdk.AuditLog {
			var of []codersdk.AuditLog
			for _, e := range audited(ctx, auditor, "resource_id:"+ids.Of(u).String()+" action:write").AuditLogs {
				if _, is := e.Diff["hashed_password"]; is {
					of = append(of, e)
				}
			}
			return of
		}
		Eventually(changes).WithTimeout(soon).Should(HaveLen(1))
		e := changes()[0]
		Expect(e.User).To(BeNil())
		Expect(e.ResourceTarget).To(Equal(u.WireName()))
		Expect(e.Diff).To(Equal(codersdk.AuditDiff{"hashed_password": {Old: "", New: "", Secret: true}}))
		Expect(additional(e)).To(HaveKeyWithValue("note", "declared by Secret "+name))

		s.Labels = map[string]string{"touched": "yes"}
		Expect(env.Client.Update(ctx, s)).To(Succeed())
		s.StringData = map[string]string{"password": second}
		Expect(env.Client.Update(ctx, s)).To(Succeed())
		Eventually(signsIn(ctx, u, second)).WithTimeout(soon).Should(Equal(http.StatusCreated))
		Eventually(changes).WithTimeout(soon).Should(HaveLen(2))
		Expect(env.stream.String()).NotTo(ContainSubstring(second))
	})

	It("changes it on the wire unless git holds it, which answers 409 with the tool's name", func(ctx SpecContext) {
		name := unique("password")
		declare(ctx, name, first)
		own := person(ctx, name)
		Eventually(signsIn(ctx, own, first)).WithTimeout(soon).Should(Equal(201))
		me := signIn(ctx, own.Spec.Email, first)
		got[struct{}](ctx, 204, me, "PUT", "users/me/password", codersdk.UpdateUserPasswordRequest{OldPassword: first, Password: second})
		Expect(signsIn(ctx, own, second)()).To(Equal(201))

		held := unique("git")
		applyAs(ctx, "argocd-controller", `{"apiVersion":"berth.dev/v1alpha1","kind":"User","metadata":{"name":"`+held+`","annotations":{
			"argocd.argoproj.io/tracking-id":"people:berth.dev/User:x/`+held+`"}},
			"spec":{"email":"`+held+`@example.org","loginType":"Password","passwordSecret":{"name":"`+name+`"}}}`)
		u := live(ctx, held)
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
		Eventually(signsIn(ctx, u, first)).WithTimeout(soon).Should(Equal(201))
		me = signIn(ctx, u.Spec.Email, first)
		r := refused(ctx, 409, me, "PUT", "users/me/password", codersdk.UpdateUserPasswordRequest{OldPassword: first, Password: second}, "password")
		Expect(r.Message).To(And(ContainSubstring("Argo CD application people"), ContainSubstring("spec.passwordSecret")))
		Expect(signsIn(ctx, u, first)()).To(Equal(201))
	})

	It("of another login type has none, nor has one with somebody else's id somebody else's", func(ctx SpecContext) {
		name := unique("password")
		declare(ctx, name, first)
		victim := person(ctx, name, func(u *v1alpha1.User) { u.Spec.PasswordSecret = nil })
		older := victim.CreationTimestamp.Add(time.Second) // of two of one second nobody is the older one
		Eventually(time.Now).WithTimeout(soon).Should(BeTemporally(">", older))
		proofs := credentials.New(env.Client, namespace, time.Now)
		Expect(proofs.SetPassword(ctx, victim, ids.Of(victim), second)).To(Succeed())
		elsewhere := person(ctx, name, func(u *v1alpha1.User) { u.Spec.LoginType = v1alpha1.LoginTypeOIDC })
		copied := person(ctx, name, func(u *v1alpha1.User) { u.Spec.ID = v1alpha1.ID(victim.UID) })
		last := person(ctx, name) // comes after them in the queue
		Eventually(signsIn(ctx, last, first)).WithTimeout(soon).Should(Equal(201))
		for _, u := range []*v1alpha1.User{victim, elsewhere, copied} {
			Expect(proofs.CheckPassword(ctx, ids.Of(u), first)).To(BeFalse(), u.Name)
		}
		Expect(proofs.CheckPassword(ctx, ids.Of(victim), second)).To(BeTrue())
		Expect(found(ctx, elsewhere)()).To(BeNil())
	})
})
