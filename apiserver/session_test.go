// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("A session", Ordered, func() {
	const password = "a long enough one"
	var organization string
	var ada *person

	login := func(ctx SpecContext, email, password string) answer {
		return ask(ctx, session(""), "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: email, Password: password})
	}
	tokenOf := func(a answer) string {
		GinkgoHelper()
		Expect(a.Status).To(Equal(http.StatusCreated), string(a.Body))
		var response codersdk.LoginWithPasswordResponse
		a.JSON(&response)
		return response.SessionToken
	}

	BeforeAll(func(ctx SpecContext) {
		organization = newOrganization(ctx).Name
		ada = newPerson(ctx, organization)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, ada.User, ids.Of(ada.User), password)).To(Succeed())
		Eventually(func() int { return login(ctx, ada.Spec.Email, password).Status }).Should(Equal(http.StatusCreated))
	})

	It("is begun with a password, carried in four ways and ended by a logout", func(ctx SpecContext) {
		in := login(ctx, strings.ToUpper(ada.Spec.Email), password)
		token := tokenOf(in)
		Expect(in.Header.Get("Set-Cookie")).To(And(HavePrefix("coder_session_token="+token), ContainSubstring("HttpOnly"), ContainSubstring("SameSite=Lax")))
		none := session("")
		bearer, cookie := none.with("Authorization", "Bearer "+token), none.with("Cookie", "coder_session_token="+token)
		for name, d := range map[string]door{"header": session(token), "bearer": bearer, "lower case": none.with("Authorization", "bearer "+token), "cookie": cookie} {
			Expect(me(ctx, d)).To(Equal(http.StatusOK), name)
		}
		Expect(ask(ctx, none, "GET", "/api/v2/users/me?coder_session_token="+token, nil).Status).To(Equal(http.StatusOK))
		out := ask(ctx, session(token), "POST", "/api/v2/users/logout", nil)
		Expect(out.Status).To(Equal(http.StatusOK))
		Expect(out.Header.Get("Set-Cookie")).To(ContainSubstring("Max-Age=0"))
		Expect(me(ctx, session(token))).To(Equal(http.StatusUnauthorized), "at once, as the cache waits for what was written")
	})

	It("V 27: ends with the password that began it", func(ctx SpecContext) {
		bob := newPerson(ctx, organization)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, bob.User, ids.Of(bob.User), password)).To(Succeed())
		Eventually(func() int { return me(ctx, bob.session) }).Should(Equal(http.StatusUnauthorized))
		Expect(me(ctx, bob.aggregated)).To(Equal(http.StatusOK))
	})

	It("is not begun by whom it should not be, and says the same to unknown and wrong", func(ctx SpecContext) {
		unknown, wrong := login(ctx, "nobody@example.org", password), login(ctx, ada.Spec.Email, "not the right one")
		Expect(unknown.Status).To(Equal(http.StatusUnauthorized))
		Expect(wrong.Body).To(MatchJSON(unknown.Body))
		Expect(wrong.Message()).To(Equal("Incorrect email or password."))
		Expect(login(ctx, ada.Spec.Email, "").Status).To(Equal(http.StatusUnauthorized))
		Expect(login(ctx, ada.Spec.Email, strings.Repeat("x", 100_000)).Status).To(Equal(http.StatusUnauthorized))
	})

	It("is not a token that was cut, changed or made up", func(ctx SpecContext) {
		token := tokenOf(login(ctx, ada.Spec.Email, password))
		changed := token[:len(token)-1] + string(token[len(token)-1]^1)
		for _, bad := range []string{token[:len(token)-1], token[:10], token[:11], token[11:], token + "x", token + " x", strings.ToUpper(token) + "-",
			changed, strings.Repeat("A", 33), "-", "a-b", strings.Repeat("x", 30_000), "Bearer", "..%2f..%2f", token[:10] + "-" + strings.Repeat("0", 22)} {
			a := ask(ctx, session(bad), "GET", "/api/v2/users/me", nil)
			Expect(a.Status).To(Equal(http.StatusUnauthorized), bad)
			Expect(a.Message()).NotTo(BeEmpty())
		}
		Expect(me(ctx, session(token))).To(Equal(http.StatusOK))
	})

	It("says that it has expired", func(ctx SpecContext) {
		old := credentials.New(env.Client, namespace, func() time.Time { return time.Now().Add(-25 * time.Hour) })
		token, _, err := old.Issue(ctx, ada.User, ids.Of(ada.User), v1alpha1.LoginTypePassword, time.Hour)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() string { return ask(ctx, session(token), "GET", "/api/v2/users/me", nil).Message() }).Should(ContainSubstring("session has expired"))
	})

	It("V 17: is dead at both doors when its account is suspended or deleted, and none begins", func(ctx SpecContext) {
		bob := newPerson(ctx, organization)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, bob.User, ids.Of(bob.User), password)).To(Succeed())
		var token string
		Eventually(func(g Gomega) {
			in := login(ctx, bob.Spec.Email, password)
			g.Expect(in.Status).To(Equal(http.StatusCreated))
			token = tokenOf(in)
		}).Should(Succeed())
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`))
		Expect(env.Client.Patch(ctx, bob.User, patch)).To(Succeed())
		for _, d := range []door{session(token), bob.aggregated} {
			Eventually(func() int { return me(ctx, d) }).WithTimeout(5 * time.Second).Should(Equal(http.StatusUnauthorized))
			Expect(ask(ctx, d, "GET", "/api/v2/users/me", nil).Message()).To(ContainSubstring("Contact an admin"))
		}
		Expect(login(ctx, bob.Spec.Email, password).Message()).To(ContainSubstring("Contact an admin"))
		Expect(login(ctx, bob.Spec.Email, "wrong password").Message()).To(Equal("Incorrect email or password."), "a stranger learns nothing")

		gone := newPerson(ctx, organization)
		Expect(env.Client.Delete(ctx, gone.User)).To(Succeed())
		Eventually(func() int { return me(ctx, gone.session) }).WithTimeout(5 * time.Second).Should(Equal(http.StatusUnauthorized))
		Eventually(func() int { return me(ctx, gone.aggregated) }).WithTimeout(5 * time.Second).Should(Equal(http.StatusForbidden))
	})
})
