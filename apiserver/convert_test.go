// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/idp"
)

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
		Expect(signInByPassword(ctx, at, u).Status).To(Equal(http.StatusUnauthorized))
		Expect(newBrowser(at).signIn(ctx).Status).To(Equal(http.StatusTemporaryRedirect))
		Expect(b.cookies).NotTo(HaveKey("oauth_convert"))
	})

	It("leaves a password behind that a Secret declares, which opens nothing afterwards, also when it changes", func(ctx SpecContext) {
		declares := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: unique("password")},
			StringData: map[string]string{"password": password}}
		Expect(env.Client.Create(ctx, declares)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, declares)).To(Succeed()) })
		u := newPerson(ctx, home, func(u *v1alpha1.User) {
			u.Spec.PasswordSecret = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(declares.Name)}
		})
		Eventually(func() int { return signInByPassword(ctx, at, u).Status }).WithTimeout(20 * time.Second).Should(Equal(http.StatusCreated))

		p.Say(idp.Answer{Claims: known("sub-"+u.Name, u.Spec.Email)})
		b := newBrowser(at)
		a := b.get(ctx, there(b.get(ctx, begun(ctx, b, token(ctx, u)))))
		Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		stored := live(ctx, u.Name)
		Expect(stored.Spec.PasswordSecret).To(BeNil())
		Expect(stored.Spec.LoginType).To(Equal(v1alpha1.LoginTypeOIDC))

		By("a manifest that still names the Secret, whose password is another one by now")
		declares.StringData = map[string]string{"password": password + " since"}
		Expect(env.Client.Update(ctx, declares)).To(Succeed())
		stored.Spec.PasswordSecret = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(declares.Name)}
		Expect(env.Client.Update(ctx, stored)).To(Succeed())
		opens := func(text string) int {
			d := sessionAt(at, "").with("X-Forwarded-For", address())
			return ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: u.Spec.Email, Password: text}).Status
		}
		Consistently(func(g Gomega) {
			_, status := b.me(ctx)
			g.Expect(status).To(Equal(http.StatusOK), "the session of the provider goes on")
			g.Expect(opens(password)).NotTo(Equal(http.StatusCreated))
			g.Expect(opens(password + " since")).NotTo(Equal(http.StatusCreated))
		}).WithTimeout(3 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())
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

var _ = Describe("Signing in at GitHub", func() {
	const callback = "/api/v2/users/oauth2/github/callback"

	It("begins an account and a session for a member of what may sign in, and for nobody else", func(ctx SpecContext) {
		home := newOrganization(ctx)
		hub := idp.NewGitHub(GinkgoTB())
		file := filepath.Join(GinkgoT().TempDir(), "secret")
		Expect(os.WriteFile(file, []byte(idp.ClientSecret), 0o600)).To(Succeed())
		serve := func(flags ...string) *running {
			return start(func(o *apiserver.Options) {
				f := pflag.NewFlagSet("", pflag.ContinueOnError)
				o.SignIn.AddFlags(f)
				Expect(f.Parse(append([]string{"--oauth2-github-client-id=" + idp.ClientID, "--oauth2-github-client-secret-file=" + file,
					"--oauth2-github-enterprise-base-url=" + hub.URL}, flags...))).To(Succeed())
			})
		}
		made := newPerson(ctx, home.Name, func(u *v1alpha1.User) { u.Spec.Email, u.Spec.LoginType = "octo@example.org", v1alpha1.LoginTypeGitHub })
		b := newBrowser(serve("--oauth2-github-allowed-teams=acme/backend"))
		Eventually(func() int { return b.get(ctx, there(b.get(ctx, callback+"?redirect=/templates"))).Status }).Should(Equal(http.StatusTemporaryRedirect))
		me, status := b.me(ctx)
		Expect(status).To(Equal(http.StatusOK))
		Expect(me).To(And(HaveField("ID", ids.Of(made.User)), HaveField("LoginType", codersdk.LoginTypeGithub)))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(made.User), made.User)).To(Succeed())
		Expect(made.Spec.Identities).To(Equal([]v1alpha1.LinkedIdentity{{Issuer: hub.URL, Subject: "583231"}}))
		Expect(b.get(ctx, oidcCallback).Status).To(Equal(http.StatusNotFound))

		outside := newBrowser(serve("--oauth2-github-allowed-orgs=elsewhere", "--oauth2-github-allow-signups"))
		a := outside.get(ctx, there(outside.get(ctx, callback)))
		Expect(a.Status).To(Equal(http.StatusForbidden), string(a.Body))
		Expect(outside.cookies).To(BeEmpty())
	})
})
