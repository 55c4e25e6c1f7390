// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("What an identity provider gave", func() {
	var now *clock
	var store *credentials.Store
	var ada *v1alpha1.User
	identity := v1alpha1.LinkedIdentity{Issuer: "https://login.example.org", Subject: "ada-1"}

	BeforeEach(func(ctx SpecContext) {
		now = &clock{now: time.Now().Truncate(time.Second)}
		store = credentials.New(cached, namespace, now.Now)
		ada = newUser(ctx)
	})

	issue := func(ctx SpecContext, link credentials.Link, until time.Time) string {
		GinkgoHelper()
		token, _, err := store.IssueLinked(ctx, ada, ids.Of(ada), v1alpha1.LoginTypeOIDC, link, credentials.SessionLifetime, until)
		Expect(err).NotTo(HaveOccurred())
		return token
	}
	is := func(ctx SpecContext, token string) error {
		_, err := store.Verify(ctx, token)
		return err
	}
	over := WithTransform(func(err error) bool { return fault.Is(err, fault.Unauthenticated) }, BeTrue())

	It("V 4: ends a session at the provider's word, however often it is used, where there is no refresh token", func(ctx SpecContext) {
		token := issue(ctx, credentials.Link{Identity: identity}, now.Now().Add(3*time.Hour))
		for range 5 { // each is a use that is noted
			now.pass(35 * time.Minute)
			Expect(is(ctx, token)).To(Succeed())
		}
		now.pass(5 * time.Minute)
		Expect(is(ctx, token)).To(over)
		Expect(issue(ctx, credentials.Link{Identity: identity}, time.Time{})).NotTo(BeEmpty())
		_, ok, err := store.Link(ctx, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeFalse())
	})

	It("is asked about by one of several at once, and does not outlive what replaced it", func(ctx SpecContext) {
		id := ids.Of(ada)
		token := issue(ctx, credentials.Link{Identity: identity, RefreshToken: "first", DueAt: now.Now()}, time.Time{})
		key, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(key.Linked).To(BeTrue())
		l, ok, err := store.Link(ctx, id)
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeTrue())
		Expect(l).To(And(HaveField("Identity", identity), HaveField("RefreshToken", "first")))

		turns := make(chan bool, 10)
		for range cap(turns) {
			go func() {
				defer GinkgoRecover()
				mine, err := store.BeginRefresh(ctx, id, l)
				Expect(err).NotTo(HaveOccurred())
				turns <- mine
			}()
		}
		mine := 0
		for range cap(turns) {
			if <-turns {
				mine++
			}
		}
		Expect(mine).To(Equal(1))
		next := l
		next.RefreshToken = "second"
		Expect(store.EndRefresh(ctx, ada, id, l, next)).To(Succeed())
		Expect(store.EndRefresh(ctx, ada, id, l, credentials.Link{RefreshToken: "late"})).To(Succeed())
		now2, _, err := store.Link(ctx, id)
		Expect(err).NotTo(HaveOccurred())
		Expect(now2.RefreshToken).To(Equal("second"), "an answer that comes late replaces nothing")

		password, _, err := store.Issue(ctx, ada, id, v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Expect(store.EndLinked(ctx, ada, id, l)).To(Succeed())
		Expect(is(ctx, token)).To(Succeed(), "the link that ended is another")
		Expect(store.EndLinked(ctx, ada, id, now2)).To(Succeed())
		Expect(is(ctx, token)).To(over)
		Expect(is(ctx, password)).To(Succeed())
	})

	It("lets an account change how it signs in once, in time, as begun, and not after its password has changed", func(ctx SpecContext) {
		id := ids.Of(ada)
		begin := func() string {
			GinkgoHelper()
			text, until, err := store.BeginConversion(ctx, ada, id, v1alpha1.LoginTypeOIDC)
			Expect(err).NotTo(HaveOccurred())
			Expect(until).To(BeTemporally("==", now.Now().Add(credentials.ConversionLifetime)))
			Expect(string(secretOf(ctx, ada).Data["conversion"])).NotTo(ContainSubstring(text[32:]))
			who, ok := credentials.ConversionOf(text)
			Expect(ok).To(BeTrue())
			Expect(who).To(Equal(id))
			return text
		}
		spend := func(text string, to v1alpha1.LoginType) bool {
			GinkgoHelper()
			err := store.SpendConversion(ctx, id, text, to)
			Expect(err == nil || fault.Is(err, fault.Forbidden)).To(BeTrue(), "%v", err)
			return err == nil
		}
		text := begin()
		Expect(spend(text, v1alpha1.LoginTypeGitHub)).To(BeFalse())
		Expect(spend(text[:32]+strings.Repeat("x", len(text)-32), v1alpha1.LoginTypeOIDC)).To(BeFalse())
		Expect(spend(text, v1alpha1.LoginTypeOIDC)).To(BeTrue())
		Expect(spend(text, v1alpha1.LoginTypeOIDC)).To(BeFalse())
		earlier, text := begin(), begin()
		Expect(spend(earlier, v1alpha1.LoginTypeOIDC)).To(BeFalse())
		now.pass(credentials.ConversionLifetime)
		Expect(spend(text, v1alpha1.LoginTypeOIDC)).To(BeFalse())
		text = begin()
		Expect(store.SetPassword(ctx, ada, id, "another long one")).To(Succeed())
		Expect(spend(text, v1alpha1.LoginTypeOIDC)).To(BeFalse())
		for _, bad := range []string{"", "x", text[1:], text + "x", strings.Repeat("z", len(text))} {
			_, ok := credentials.ConversionOf(bad)
			Expect(ok).To(BeFalse(), bad)
		}
		Expect(store.ForgetPassword(ctx, ada, id)).To(Succeed())
		Expect(store.CheckPassword(ctx, id, "another long one")).To(BeFalse())
	})
})
