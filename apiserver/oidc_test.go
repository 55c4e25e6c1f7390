// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
	"github.com/berth-dev/berth/internal/testing/idp"
)

var _ = Describe("Signing in at an OpenID Connect provider", Ordered, ContinueOnFailure, func() {
	var p *idp.Provider
	var one, two *running
	var home *v1alpha1.Organization
	signups := []string{"--oidc-allow-signups", "--oidc-email-domain=example.org", "--oidc-group-field=groups", `--oidc-group-mapping={"/staff/dev":"signin-backend"}`,
		"--oidc-user-role-field=roles", `--oidc-user-role-mapping={"platform":["template-admin"]}`}

	fresh := func() (subject, email string) {
		subject = unique("sub")
		return subject, subject + "@example.org"
	}
	user := func(ctx context.Context, email string) *v1alpha1.User {
		GinkgoHelper()
		var all v1alpha1.UserList
		Expect(env.Client.List(ctx, &all)).To(Succeed())
		var found *v1alpha1.User
		for i := range all.Items {
			if strings.EqualFold(all.Items[i].Spec.Email, email) {
				Expect(found).To(BeNil(), "two Users have one address")
				found = &all.Items[i]
			}
		}
		return found
	}
	refused := func(a answer, status int) {
		GinkgoHelper()
		Expect(a.Status).To(Equal(status), string(a.Body))
		Expect(a.Message()).NotTo(BeEmpty())
		Expect(strings.Join(a.Header.Values("Set-Cookie"), "\n")).NotTo(ContainSubstring("coder_session_token="))
	}

	BeforeAll(func(ctx SpecContext) {
		p = idp.New(GinkgoTB())
		home = newOrganization(ctx)
		Expect(env.Client.Patch(ctx, home, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"default":true}}`)))).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(env.Client.Patch(ctx, home, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"default":false}}`)))).To(Succeed())
		})
		Expect(env.Client.Create(ctx, given.Group(home.Name, "signin-backend"))).To(Succeed())
		Expect(env.Client.Create(ctx, given.Group(home.Name, "signin-listed", func(g *v1alpha1.Group) {
			g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:/staff/ops"}}
		}))).To(Succeed())
		one, two = trusting(p, nil, signups...), trusting(p, nil, signups...)
	})

	It("begins an account and a session, and finds the account again", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		b := newBrowser(one)
		in := b.signIn(ctx)
		Expect(in.Status).To(Equal(http.StatusTemporaryRedirect), string(in.Body))
		Expect(in.Header.Get("Location")).To(Equal("/workspaces"))
		Expect(strings.Join(in.Header.Values("Set-Cookie"), "\n")).To(MatchRegexp(`coder_session_token=\w{10}-\w{22}; Path=/; HttpOnly; SameSite=Lax`))
		Expect(b.cookies).NotTo(HaveKey("oauth_state"))
		me, status := b.me(ctx)
		Expect(status).To(Equal(http.StatusOK))
		Expect(me).To(And(HaveField("Username", subject), HaveField("Email", email), HaveField("LoginType", codersdk.LoginTypeOIDC), HaveField("Roles", BeEmpty())))
		Expect(me.OrganizationIDs).To(Equal([]uuid.UUID{ids.Of(home)}))
		u := user(ctx, email)
		Expect(u.Spec.Identities).To(Equal([]v1alpha1.LinkedIdentity{{Issuer: p.URL, Subject: subject}}))

		again := newBrowser(two)
		Eventually(func() int { return again.signIn(ctx).Status }).Should(Equal(http.StatusTemporaryRedirect))
		second, _ := again.me(ctx)
		Expect(second.ID).To(Equal(me.ID))

		p.Say(idp.Answer{Claims: known(subject, "moved-"+email)})
		Expect(again.signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		moved, _ := again.me(ctx)
		Expect(moved).To(And(HaveField("ID", me.ID), HaveField("Email", "moved-"+email)), "the address follows, the account stays")
	})

	It("V 3: makes one account of two first sign-ins at once, on two API servers", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		const many = 8
		answers := make(chan answer, many)
		var asking sync.WaitGroup
		defer asking.Wait() // none goes on when this spec has failed
		for i := range many {
			at := []*running{one, two}[i%2]
			asking.Go(func() {
				defer GinkgoRecover()
				answers <- newBrowser(at).signIn(ctx)
			})
		}
		for range many {
			a := <-answers
			Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		}
		Expect(user(ctx, email)).To(And(HaveField("Spec.Identities", HaveLen(1)), HaveField("Name", subject)))
	})

	It("V 3: lets nobody in by the address of an account that is linked to another subject", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		Expect(newBrowser(one).signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		before := user(ctx, email)
		p.Say(idp.Answer{Claims: known("eve-"+subject, strings.ToUpper(email))})
		refused(newBrowser(one).signIn(ctx), http.StatusForbidden)
		Eventually(func() int { a := newBrowser(two).signIn(ctx); return a.Status }).Should(Equal(http.StatusForbidden))
		after := user(ctx, email)
		Expect(after.Spec).To(Equal(before.Spec))
		for _, how := range []v1alpha1.LoginType{v1alpha1.LoginTypePassword, v1alpha1.LoginTypeGitHub, v1alpha1.LoginTypeNone, ""} {
			other := newPerson(ctx, home.Name, func(u *v1alpha1.User) { u.Spec.LoginType = how })
			p.Say(idp.Answer{Claims: known("eve-"+other.Name, other.Spec.Email)})
			Eventually(func(g Gomega) {
				a := newBrowser(one).signIn(ctx)
				g.Expect(a.Status).To(Equal(http.StatusForbidden))
				g.Expect(a.Message()).To(ContainSubstring("another way"))
			}).Should(Succeed(), string(how))
			Expect(user(ctx, other.Spec.Email).Spec.Identities).To(BeEmpty())
		}
	})

	It("V 3: gives an account that was made for an address to the first who proves the address, and to no second", func(ctx SpecContext) {
		made := newPerson(ctx, home.Name, func(u *v1alpha1.User) { u.Spec.LoginType = v1alpha1.LoginTypeOIDC })
		second := sessionAt(two, made.session.header.Get("Coder-Session-Token"))
		Eventually(func() int { return me(ctx, second) }).Should(Equal(http.StatusOK), "the other replica knows the account")
		p.Say(idp.Answer{Claims: known("a-"+made.Name, made.Spec.Email)})
		first := newBrowser(one)
		toFirst := there(first.get(ctx, oidcCallback))
		p.Say(idp.Answer{Claims: known("b-"+made.Name, made.Spec.Email)})
		other := newBrowser(two)
		toOther := there(other.get(ctx, oidcCallback))
		statuses := make(chan int, 2)
		go func() { defer GinkgoRecover(); statuses <- other.get(ctx, toOther).Status }()
		statuses <- first.get(ctx, toFirst).Status
		// both say who "b" is: the provider answers what it was last told
		Expect([]int{<-statuses, <-statuses}).To(HaveEach(http.StatusTemporaryRedirect))
		Expect(user(ctx, made.Spec.Email).Spec.Identities).To(Equal([]v1alpha1.LinkedIdentity{{Issuer: p.URL, Subject: "b-" + made.Name}}))
		p.Say(idp.Answer{Claims: known("c-"+made.Name, made.Spec.Email)})
		refused(newBrowser(one).signIn(ctx), http.StatusForbidden)
	})

	It("V 1, V 2: makes no account where the address is not verified, or of another domain", func(ctx SpecContext) {
		for _, claims := range []idp.Claims{
			{"email": "x1@example.org", "email_verified": "true"}, {"email": "x1@example.org"}, {"email": "x1@example.org", "email_verified": 1}, {"email_verified": true},
			{"email": "x1@evil-example.org", "email_verified": true}, {"email": "x1@evil.test@example.org", "email_verified": true},
		} {
			claims["sub"] = unique("sub")
			p.Say(idp.Answer{Claims: claims})
			refused(newBrowser(one).signIn(ctx), http.StatusForbidden)
		}
		Expect(user(ctx, "x1@example.org")).To(BeNil())
	})

	It("V 32: makes no account where that was not allowed", func(ctx SpecContext) {
		closed := trusting(p, nil)
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		refused(newBrowser(closed).signIn(ctx), http.StatusForbidden)
		Expect(user(ctx, email)).To(BeNil())
	})

	It("lets in no suspended account, and makes a new one of who was deleted", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		b := newBrowser(one)
		Expect(b.signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		u := user(ctx, email)
		Expect(env.Client.Patch(ctx, u, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`)))).To(Succeed())
		Eventually(func() int { return newBrowser(one).signIn(ctx).Status }).Should(Equal(http.StatusForbidden))
		a := newBrowser(one).signIn(ctx)
		refused(a, http.StatusForbidden)
		Expect(a.Message()).To(ContainSubstring("Contact an admin"))
		_, status := b.me(ctx)
		Expect(status).To(Equal(http.StatusUnauthorized))

		Expect(env.Client.Delete(ctx, u)).To(Succeed())
		again := newBrowser(one)
		Eventually(func() int { return again.signIn(ctx).Status }).WithTimeout(10 * time.Second).Should(Equal(http.StatusTemporaryRedirect))
		Expect(user(ctx, email).UID).NotTo(Equal(u.UID))
	})

	It("believes only the browser that set out", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		b, other, none := newBrowser(one), newBrowser(one), newBrowser(one)
		back := there(b.get(ctx, oidcCallback))
		there(other.get(ctx, oidcCallback))
		refused(none.get(ctx, back), http.StatusForbidden)
		refused(other.get(ctx, back), http.StatusForbidden)
		asked, err := url.Parse(back)
		Expect(err).NotTo(HaveOccurred())
		for _, change := range []func(url.Values){
			func(q url.Values) { q.Del("state") }, func(q url.Values) { q.Set("state", "x") }, func(q url.Values) { q.Add("state", q.Get("state")) },
			func(q url.Values) { q.Set("iss", "https://evil.example") }, func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") },
			func(q url.Values) { q.Add("code", "x") },
		} {
			q, kept := asked.Query(), b.cookies["oauth_state"]
			change(q)
			refused(b.get(ctx, oidcCallback+"?"+q.Encode()), http.StatusForbidden)
			Expect(b.cookies).NotTo(HaveKey("oauth_state"), "it is spent")
			b.cookies["oauth_state"] = kept
		}
		Expect(user(ctx, email)).To(BeNil())
		Expect(b.get(ctx, back).Status).To(Equal(http.StatusTemporaryRedirect))
		refused(b.get(ctx, back), http.StatusForbidden)
		for _, to := range []string{"//evil.test", `/\evil.test`, "https:evil.test", "/%0d%0ax"} {
			a := b.get(ctx, oidcCallback+"?redirect="+url.QueryEscape(to))
			refused(a, http.StatusBadRequest)
			Expect(string(a.Body)).To(ContainSubstring(`"field":"redirect"`))
		}
	})

	It("shows a person who is refused a page, and a program JSON, which say the same", func(ctx SpecContext) {
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email)})
		back := there(newBrowser(one).get(ctx, oidcCallback))
		for accept, kind := range map[string]string{"text/html,application/xhtml+xml,*/*;q=0.8": "text/html", "application/json": "application/json", "*/*": "application/json"} {
			d := sessionAt(one, "").with("X-Forwarded-For", address()).with("Accept", accept)
			d.client = &http.Client{CheckRedirect: noRedirect} // the contract knows no pages
			a := ask(ctx, d, "GET", back, nil)
			Expect(a.Status).To(Equal(http.StatusForbidden), accept)
			Expect(a.Header.Get("Content-Type")).To(Equal(kind+"; charset=utf-8"), accept)
			Expect(a.Header.Get("Content-Security-Policy")).To(HavePrefix("default-src 'none'; frame-ancestors 'none'"))
			Expect(string(a.Body)).To(ContainSubstring("This sign-in was not begun in this browser, or too long ago. Begin again."))
			Expect(string(a.Body)).NotTo(ContainSubstring(strings.SplitN(back, "?", 2)[1]))
		}
		Expect(user(ctx, email)).To(BeNil())
	})

	It("V 4: ends with the ID token where the provider gave no refresh token, however long a session lives", func(ctx SpecContext) {
		clock := &later{}
		at := trusting(p, clock, signups...)
		subject, email := fresh()
		p.Say(idp.Answer{Claims: known(subject, email), Lifetime: 10 * time.Minute})
		b := newBrowser(at)
		Expect(b.signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		for _, minutes := range []int{1, 5, 9} {
			clock.by.Store(int64(time.Duration(minutes) * time.Minute))
			_, status := b.me(ctx)
			Expect(status).To(Equal(http.StatusOK), "%d minutes later", minutes)
		}
		clock.by.Store(int64(10*time.Minute + time.Second))
		a := b.get(ctx, "/api/v2/users/me")
		Expect(a.Status).To(Equal(http.StatusUnauthorized), string(a.Body))
	})

	It("goes on while the provider vouches for the person, who is what it says then", func(ctx SpecContext) {
		clock := &later{}
		at := trusting(p, clock, signups...)
		subject, email := fresh()
		claims := known(subject, email)
		say := func(a idp.Answer) {
			a.Claims, a.Lifetime, a.Refresh, a.Now = claims, 10*time.Minute, true, clock.now
			p.Say(a)
		}
		say(idp.Answer{})
		b := newBrowser(at)
		Expect(b.signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		before := p.Refreshed()
		Expect(user(ctx, email).Status.Groups).To(BeEmpty())

		claims["groups"], claims["roles"] = []string{"/staff/dev", "/staff/ops", "unknown"}, []string{"platform", "owner"}
		say(idp.Answer{})
		clock.by.Store(int64(11 * time.Minute))
		for range 5 {
			_, status := b.me(ctx)
			Expect(status).To(Equal(http.StatusOK))
		}
		Expect(p.Refreshed()).To(Equal(before+1), "asked once, not at each request")
		Eventually(func() []string { return user(ctx, email).Status.Groups }).Should(ConsistOf(home.Name+"/signin-backend", home.Name+"/signin-listed"))
		Expect(user(ctx, email).Spec.Roles).To(ConsistOf(v1alpha1.SiteRoleTemplateAdmin))

		owner := newPerson(ctx, home.Name, func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} })
		Eventually(func(g Gomega) {
			a := ask(ctx, sessionAt(at, owner.session.header.Get("Coder-Session-Token")), "PUT", "/api/v2/users/"+subject+"/roles", codersdk.UpdateRoles{Roles: []string{"owner"}})
			g.Expect(a.Status).To(Equal(http.StatusBadRequest), string(a.Body))
			g.Expect(a.Message()).To(ContainSubstring("identity provider"))
		}).Should(Succeed(), "nobody else decides the roles")

		say(idp.Answer{RefreshError: "unavailable"})
		clock.by.Store(int64(30 * time.Minute))
		_, status := b.me(ctx)
		Expect(status).To(Equal(http.StatusOK), "an hour's outage is borne")
		_, status = b.me(ctx)
		Expect(status).To(Equal(http.StatusOK))
		Expect(p.Refreshed()).To(Equal(before+2), "and the provider is not stormed")
		clock.by.Store(int64(82 * time.Minute))
		_, status = b.me(ctx)
		Expect(status).To(Equal(http.StatusUnauthorized))

		delete(claims, "groups")
		delete(claims, "roles")
		say(idp.Answer{})
		clock.by.Store(int64(84 * time.Minute))
		Eventually(func() int { _, status := b.me(ctx); return status }).WithTimeout(20*time.Second).Should(Equal(http.StatusOK), "it answers again")
		Expect(user(ctx, email)).To(And(HaveField("Status.Groups", BeEmpty()), HaveField("Spec.Roles", BeEmpty())))

		token, _, err := credentials.New(env.Client, namespace, clock.now).IssueToken(ctx, user(ctx, email), ids.Of(user(ctx, email)),
			credentials.Token{Name: "t", Scope: credentials.ScopeAll, Lifetime: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		say(idp.Answer{RefreshError: "invalid_grant"})
		clock.by.Store(int64(100 * time.Minute))
		Eventually(func() int { _, status := b.me(ctx); return status }).Should(Equal(http.StatusUnauthorized), "once the replica has seen the token")
		say(idp.Answer{})
		_, status = b.me(ctx)
		Expect(status).To(Equal(http.StatusUnauthorized), "for good")
		Eventually(func() int { return me(ctx, sessionAt(at, token)) }).Should(Equal(http.StatusOK), "tokens are for themselves")
	})
})
