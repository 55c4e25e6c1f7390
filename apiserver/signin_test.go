// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
	"github.com/berth-dev/berth/internal/testing/idp"
)

const oidcCallback = "/api/v2/users/oidc/callback"

// later moves a server's clock.
type later struct{ by atomic.Int64 }

func (l *later) now() time.Time { return time.Now().Add(time.Duration(l.by.Load())) }

// trusting is a replica at which people sign in with the provider, by further flags.
func trusting(p *idp.Provider, clock *later, flags ...string) *running {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "secret")
	Expect(os.WriteFile(file, []byte(idp.ClientSecret), 0o600)).To(Succeed())
	return start(func(o *apiserver.Options) {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.SignIn.AddFlags(f)
		Expect(f.Parse(append([]string{"--oidc-issuer-url=" + p.URL, "--oidc-client-id=" + idp.ClientID, "--oidc-client-secret-file=" + file}, flags...))).To(Succeed())
		if clock != nil {
			o.Now = clock.now
		}
	})
}

// address is one that nobody else has.
func address() string {
	n := number.Add(1)
	return fmt.Sprintf("198.18.%d.%d", n/256%256, n%256)
}

// browser is somebody's, at one replica.
type browser struct {
	at      *running
	cookies map[string]string
	address string
}

func newBrowser(at *running) *browser {
	return &browser{at: at, cookies: map[string]string{}, address: address()}
}

// get opens a path of the site, with the browser's cookies, and keeps those that come.
func (b *browser) get(ctx context.Context, path string) answer {
	GinkgoHelper()
	d := sessionAt(b.at, "").with("X-Forwarded-For", b.address)
	var sent []string
	for name, value := range b.cookies {
		sent = append(sent, name+"="+value)
	}
	if len(sent) > 0 {
		d = d.with("Cookie", strings.Join(sent, "; "))
	}
	a := ask(ctx, d, "GET", path, nil)
	b.keep(a)
	return a
}

// keep keeps the cookies of an answer.
func (b *browser) keep(a answer) {
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

// there follows a redirection to the provider, and gives the path and query by which the provider leads back.
func there(a answer) string {
	GinkgoHelper()
	Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
	away := &http.Client{CheckRedirect: noRedirect}
	response, err := away.Get(a.Header.Get("Location"))
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	back, err := url.Parse(response.Header.Get("Location"))
	Expect(err).NotTo(HaveOccurred())
	Expect(back.Host).To(Equal("berth.test"), a.Header.Get("Location"))
	return back.RequestURI()
}

// signIn goes to the provider and back.
func (b *browser) signIn(ctx context.Context) answer {
	GinkgoHelper()
	return b.get(ctx, there(b.get(ctx, oidcCallback+"?redirect=/workspaces")))
}

func (b *browser) me(ctx context.Context) (codersdk.User, int) {
	GinkgoHelper()
	var u codersdk.User
	a := b.get(ctx, "/api/v2/users/me")
	if a.Status == http.StatusOK {
		a.JSON(&u)
	}
	return u, a.Status
}

// known are the claims of somebody whose address is verified.
func known(subject, email string) idp.Claims {
	return idp.Claims{"sub": subject, "email": email, "email_verified": true, "preferred_username": subject}
}

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
		_, status = b.me(ctx)
		Expect(status).To(Equal(http.StatusOK), "it answers again")
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

var _ = Describe("Changing an account to sign in at an OpenID Connect provider", Ordered, ContinueOnFailure, func() {
	const password = "a long enough one"
	var p *idp.Provider
	var at *running
	var home string

	// somebody has an account with a password.
	somebody := func(ctx context.Context) *person {
		GinkgoHelper()
		u := newPerson(ctx, home)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, u.User, ids.Of(u.User), password)).To(Succeed())
		Eventually(func() int { return signInByPassword(ctx, at, u).Status }).Should(Equal(http.StatusCreated))
		return u
	}
	token := func(ctx context.Context, u *person) string {
		GinkgoHelper()
		var in codersdk.LoginWithPasswordResponse
		signInByPassword(ctx, at, u).JSON(&in)
		return in.SessionToken
	}
	begin := func(ctx context.Context, b *browser, token, who string, in any) answer {
		GinkgoHelper()
		a := ask(ctx, sessionAt(at, token), "POST", "/api/v2/users/"+who+"/convert-login", in)
		b.keep(a)
		return a
	}
	begun := func(ctx context.Context, b *browser, token string) string {
		GinkgoHelper()
		var out codersdk.OAuthConversionResponse
		a := begin(ctx, b, token, "me", codersdk.ConvertLoginRequest{ToType: codersdk.LoginTypeOIDC, Password: password})
		Expect(a.Status).To(Equal(http.StatusCreated), string(a.Body))
		a.JSON(&out)
		Expect(out.ToType).To(Equal(codersdk.LoginTypeOIDC))
		Expect(time.Until(out.ExpiresAt)).To(BeNumerically("~", credentials.ConversionLifetime, time.Minute))
		return oidcCallback + "?oidc_merge_state=" + out.StateString
	}

	BeforeAll(func(ctx SpecContext) {
		p = idp.New(GinkgoTB())
		home = newOrganization(ctx).Name
		at = trusting(p, nil, "--oidc-email-domain=example.org", "--oidc-sign-in-text=Acme", "--oidc-icon-url=/icon.svg")
	})

	It("is offered", func(ctx SpecContext) {
		a := ask(ctx, sessionAt(at, ""), "GET", "/api/v2/users/authmethods", nil)
		Expect(a.Body).To(MatchJSON(`{"password":{"enabled":true},"github":{"enabled":false},"oidc":{"enabled":true,"signInText":"Acme","iconUrl":"/icon.svg"}}`))
	})

	It("takes the password once, and the provider from then on", func(ctx SpecContext) {
		u := somebody(ctx)
		old, b := token(ctx, u), newBrowser(at)
		p.Say(idp.Answer{Claims: known("sub-"+u.Name, u.Spec.Email)})
		Expect(newBrowser(at).signIn(ctx).Status).To(Equal(http.StatusForbidden), "not before")
		a := b.get(ctx, there(b.get(ctx, begun(ctx, b, old))))
		Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		me, _ := b.me(ctx)
		Expect(me).To(And(HaveField("ID", ids.Of(u.User)), HaveField("LoginType", codersdk.LoginTypeOIDC)))
		Expect(meAt(ctx, at, old)).To(Equal(http.StatusUnauthorized), "the sessions of the password are over")
		Expect(signInByPassword(ctx, at, u).Status).To(Equal(http.StatusForbidden))
		Expect(newBrowser(at).signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		Expect(b.cookies).NotTo(HaveKey("oauth_convert"))
	})

	It("is the person's own, with the password, for what is set up", func(ctx SpecContext) {
		u, owner := somebody(ctx), newPerson(ctx, home, func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} })
		b, mine := newBrowser(at), token(ctx, u)
		Eventually(func() int { return meAt(ctx, at, owner.session.header.Get("Coder-Session-Token")) }).Should(Equal(http.StatusOK))
		right := codersdk.ConvertLoginRequest{ToType: codersdk.LoginTypeOIDC, Password: password}
		Expect(begin(ctx, b, owner.session.header.Get("Coder-Session-Token"), u.Name, right).Status).To(Equal(http.StatusForbidden))
		for field, in := range map[string]codersdk.ConvertLoginRequest{
			"password": {ToType: codersdk.LoginTypeOIDC, Password: "another one entirely"}, "to_type": {ToType: codersdk.LoginTypeGithub, Password: password},
		} {
			a := begin(ctx, b, mine, "me", in)
			Expect(a.Status).To(Equal(http.StatusBadRequest), string(a.Body))
			Expect(string(a.Body)).To(ContainSubstring(`"field":"` + field + `"`))
		}
		for _, to := range []codersdk.LoginType{"", "none", "password", "token"} {
			Expect(begin(ctx, b, mine, "me", codersdk.ConvertLoginRequest{ToType: to, Password: password}).Status).To(Equal(http.StatusBadRequest))
		}
		Expect(b.cookies).To(BeEmpty())
	})

	It("is the browser's that began it, once, and for the account's address", func(ctx SpecContext) {
		u := somebody(ctx)
		mine, b, other := token(ctx, u), newBrowser(at), newBrowser(at)
		path := begun(ctx, b, mine)
		p.Say(idp.Answer{Claims: known("sub-"+u.Name, u.Spec.Email)})
		Expect(other.get(ctx, path).Status).To(Equal(http.StatusForbidden), "a link that somebody was sent changes nothing")
		Expect(b.get(ctx, path+"x").Status).To(Equal(http.StatusForbidden))

		p.Say(idp.Answer{Claims: known("sub-"+u.Name, "other-"+u.Spec.Email)})
		state := b.cookies["oauth_convert"]
		Expect(b.get(ctx, there(b.get(ctx, path))).Status).To(Equal(http.StatusForbidden), "another address")
		p.Say(idp.Answer{Claims: known("sub-"+u.Name, u.Spec.Email)})
		b.cookies["oauth_convert"] = state
		Expect(b.get(ctx, there(b.get(ctx, path))).Status).To(Equal(http.StatusForbidden), "it was spent")

		path = begun(ctx, b, mine)
		forged := strings.TrimPrefix(path, oidcCallback+"?oidc_merge_state=")
		forged = forged[:32] + strings.Repeat("x", len(forged)-32)
		b.cookies["oauth_convert"] = forged
		Expect(b.get(ctx, there(b.get(ctx, oidcCallback+"?oidc_merge_state="+forged))).Status).To(Equal(http.StatusForbidden), "made up")

		path = begun(ctx, b, mine)
		a := ask(ctx, sessionAt(at, mine), "PUT", "/api/v2/users/me/password", codersdk.UpdateUserPasswordRequest{OldPassword: password, Password: password + "!"})
		Expect(a.Status).To(Equal(http.StatusNoContent), string(a.Body))
		Expect(b.get(ctx, there(b.get(ctx, path))).Status).To(Equal(http.StatusForbidden), "the password has changed since")
		Expect(meAt(ctx, at, mine)).To(Equal(http.StatusOK))
		stored := &v1alpha1.User{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(u.User), stored)).To(Succeed())
		Expect(stored.Spec).To(And(HaveField("LoginType", v1alpha1.LoginTypePassword), HaveField("Identities", BeEmpty())))
	})
})

// signInByPassword signs in with the password that specs give.
func signInByPassword(ctx context.Context, at *running, u *person) answer {
	GinkgoHelper()
	d := sessionAt(at, "").with("X-Forwarded-For", address())
	return ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: u.Spec.Email, Password: "a long enough one"})
}

// meAt is the status of asking one replica for the own account.
func meAt(ctx context.Context, at *running, token string) int {
	GinkgoHelper()
	return me(ctx, sessionAt(at, token))
}
