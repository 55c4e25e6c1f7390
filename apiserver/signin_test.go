// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
)

// hashes is how many password hashes a server has computed.
func (r *running) hashes() float64 {
	GinkgoHelper()
	_, _, probes := r.Addresses()
	response, err := http.Get("http://" + probes.String() + "/metrics")
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	_, value, found := strings.Cut(string(text), "\nberth_api_password_hashes_total ")
	Expect(found).To(BeTrue())
	value, _, _ = strings.Cut(value, "\n")
	n, err := strconv.ParseFloat(value, 64)
	Expect(err).NotTo(HaveOccurred())
	return n
}

var _ = Describe("A sign-in", Ordered, func() {
	const password = "a long enough one"
	var organization string
	people := map[string]*person{}

	at := func(ctx context.Context, d door, email, password string) answer {
		GinkgoHelper()
		return ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: email, Password: password})
	}

	BeforeAll(func(ctx SpecContext) {
		organization = newOrganization(ctx).Name
		for name, change := range map[string]func(*v1alpha1.User){
			"ada":          func(*v1alpha1.User) {},
			"no password":  func(*v1alpha1.User) {},
			"OIDC":         func(u *v1alpha1.User) { u.Spec.LoginType = v1alpha1.LoginTypeOIDC },
			"former OIDC":  func(u *v1alpha1.User) { u.Spec.LoginType = v1alpha1.LoginTypeOIDC },
			"a machine":    func(u *v1alpha1.User) { u.Spec.LoginType = v1alpha1.LoginTypeNone },
			"an owner":     role(v1alpha1.SiteRoleOwner),
			"is suspended": func(*v1alpha1.User) {},
		} {
			people[name] = newPerson(ctx, organization, change)
		}
		for _, name := range []string{"ada", "former OIDC", "is suspended", "an owner"} {
			u := people[name].User
			Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, u, ids.Of(u), password)).To(Succeed())
			Eventually(func() int { return at(ctx, session(""), u.Spec.Email, password).Status }).WithTimeout(30 * time.Second).ShouldNot(Equal(http.StatusUnauthorized))
		}
		suspended := people["is suspended"]
		got[codersdk.User](ctx, 200, people["an owner"].aggregated, "PUT", "users/"+suspended.Name+"/status/suspend", nil)
	})

	It("costs one hash, whoever it is, and tells a stranger nothing", func(ctx SpecContext) {
		refusal := at(ctx, session(""), "nobody@example.org", password)
		Expect(refusal.Status).To(Equal(http.StatusUnauthorized))
		Expect(refusal.Message()).To(Equal("Incorrect email or password."))
		for _, c := range []struct {
			who, email, password string
			want                 int
			says                 string
		}{
			{"unknown", "nobody@example.org", password, 401, ""},
			{"without an address", "", password, 401, ""},
			{"wrong", people["ada"].Spec.Email, "not the right one", 401, ""},
			{"empty", people["ada"].Spec.Email, "", 401, ""},
			{"longer than any", people["ada"].Spec.Email, strings.Repeat("x", 100_000), 401, ""},
			{"right", people["ada"].Spec.Email, password, 201, ""},
			{"one who has none", people["no password"].Spec.Email, password, 401, ""},
			{"of OIDC", people["OIDC"].Spec.Email, password, 401, ""},
			{"of OIDC, with an old password", people["former OIDC"].Spec.Email, password, 403, "does not sign in with a password"},
			{"of OIDC, with a wrong one", people["former OIDC"].Spec.Email, "not the right one", 401, ""},
			{"a machine's", people["a machine"].Spec.Email, password, 401, ""},
			{"suspended", people["is suspended"].Spec.Email, password, 401, "Contact an admin"},
			{"suspended, wrong", people["is suspended"].Spec.Email, "not the right one", 401, ""},
		} {
			before := env.server.hashes()
			a := at(ctx, session(""), c.email, c.password)
			Expect(a.Status).To(Equal(c.want), c.who)
			Expect(env.server.hashes()-before).To(BeEquivalentTo(1), c.who)
			if c.says != "" {
				Expect(a.Message()).To(ContainSubstring(c.says), c.who)
			} else if c.want == 401 {
				Expect(a.Body).To(MatchJSON(refusal.Body), c.who)
			}
		}
	})

	It("with a password can be left to owners", func(ctx SpecContext) {
		var methods codersdk.AuthMethods
		ask(ctx, session(""), "GET", "/api/v2/users/authmethods", nil).JSON(&methods)
		Expect(methods.Password.Enabled).To(BeTrue())
		Expect(methods.Github.Enabled || methods.OIDC.Enabled).To(BeFalse())

		without := start(func(o *apiserver.Options) { o.NoPasswords = true })
		ask(ctx, sessionAt(without, ""), "GET", "/api/v2/users/authmethods", nil).JSON(&methods)
		Expect(methods.Password.Enabled).To(BeFalse())
		Expect(at(ctx, sessionAt(without, ""), people["ada"].Spec.Email, password).Message()).To(Equal("Password authentication is disabled. Sign in another way."))
		Expect(at(ctx, sessionAt(without, ""), people["ada"].Spec.Email, "not the right one").Message()).To(Equal("Incorrect email or password."))
		Expect(at(ctx, sessionAt(without, ""), people["an owner"].Spec.Email, password).Status).To(Equal(http.StatusCreated))
	})

	It("lives as long as the deployment says", func(ctx SpecContext) {
		short := start(func(o *apiserver.Options) { o.SessionLifetime = 2 * time.Hour })
		var in codersdk.LoginWithPasswordResponse
		at(ctx, sessionAt(short, ""), people["ada"].Spec.Email, password).JSON(&in)
		id, _, _ := strings.Cut(in.SessionToken, "-")
		key := got[codersdk.APIKey](ctx, 200, sessionAt(short, in.SessionToken), "GET", "users/me/keys/"+id, nil)
		Expect(key.LifetimeSeconds).To(BeEquivalentTo(2 * 60 * 60))
		Expect(key.ExpiresAt.Sub(key.CreatedAt)).To(Equal(2 * time.Hour))
	})

	It("can be tried so often from one address, and no oftener, which locks out nobody elsewhere", func(ctx SpecContext) {
		limited := start(func(o *apiserver.Options) { o.Limits = httpapi.Limits{} })
		from := func(address string) door { return sessionAt(limited, "").with("X-Forwarded-For", address) }
		ada, wrong := people["ada"].Spec.Email, "not the right one"
		guesses := 0
		for at(ctx, from("192.0.2.7"), ada, wrong).Status == http.StatusUnauthorized {
			guesses++
		}
		Expect(guesses).To(BeNumerically("<=", 20), "ten a minute")
		for _, email := range []string{ada, strings.ToUpper(ada)} {
			a := at(ctx, from("192.0.2.7"), email, password)
			Expect(a.Status).To(Equal(http.StatusTooManyRequests), "not even the right one")
			Expect(a.Header.Get("Retry-After")).To(MatchRegexp(`^[1-9]\d?$`), "whole seconds, a minute at most")
		}
		Expect(at(ctx, from("192.0.2.8"), ada, password).Status).To(Equal(http.StatusCreated), "the person is elsewhere")
		Expect(at(ctx, from("192.0.2.7"), people["an owner"].Spec.Email, password).Status).To(Equal(http.StatusCreated), "another behind the same address")

		By("all accounts from one address together")
		const many = 130 // two windows' worth may be let through where the second begins meanwhile
		answers := make(chan int, many)
		var asking sync.WaitGroup
		defer asking.Wait()
		for range many {
			asking.Go(func() {
				defer GinkgoRecover()
				answers <- at(ctx, from("192.0.2.9"), unique("x")+"@example.org", "x").Status
			})
		}
		refused := 0
		for range many {
			status := <-answers
			Expect(status).To(BeElementOf(http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusServiceUnavailable))
			if status == http.StatusTooManyRequests {
				refused++
			}
		}
		Expect(refused).To(BeNumerically(">=", many-2*httpapi.LoginsPerMinute))
		Expect(refused).To(BeNumerically(">", 0))

		By("the own old password, by whoever has found an open session")
		var in codersdk.LoginWithPasswordResponse
		at(ctx, from("192.0.2.78"), ada, password).JSON(&in)
		mine := sessionAt(limited, in.SessionToken).with("X-Forwarded-For", "192.0.2.77")
		change := func(old string) int {
			return ask(ctx, mine, "PUT", "/api/v2/users/me/password", codersdk.UpdateUserPasswordRequest{OldPassword: old, Password: "another long one"}).Status
		}
		status := change(wrong)
		for status == http.StatusBadRequest {
			status = change(wrong)
		}
		Expect(status).To(Equal(http.StatusTooManyRequests))
	})
})
