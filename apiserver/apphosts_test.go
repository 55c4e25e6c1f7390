// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/credentials"
)

const (
	appHost   = "web--dev--ada.apps.berth.test"
	appCookie = "coder_subdomain_app_session_token"
	appCode   = "coder_application_connect_api_key"
)

// appsAt is a door of a replica as an app's host, which the contract knows nothing of.
func appsAt(r *running, host string) door {
	d := sessionAt(r, "").with("Host", host).with("X-Forwarded-For", address())
	d.client = &http.Client{CheckRedirect: noRedirect}
	return d
}

// leadPath asks to be led to a URL.
func leadPath(to string) string {
	return "/api/v2/applications/auth-redirect?" + url.Values{"redirect_uri": {to}}.Encode()
}

var _ = Describe("The hosts of apps", Ordered, ContinueOnFailure, func() {
	var w *world
	var r *running
	var clock later

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		r = start(func(o *apiserver.Options) { o.WildcardAccessURL, o.Now = "*.apps.berth.test", clock.now })
	})

	// led asks to be led to an app, and gives the path and query with the code.
	led := func(ctx context.Context, d door, to string) string {
		GinkgoHelper()
		a := ask(ctx, d, "GET", leadPath(to), nil)
		Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		u, err := url.Parse(a.Header.Get("Location"))
		Expect(err).NotTo(HaveOccurred())
		Expect(u.Scheme + "://" + u.Host).To(Equal("http://" + appHost))
		Expect(u.Query().Get(appCode)).NotTo(BeEmpty())
		return u.RequestURI()
	}
	enter := func(ctx context.Context, path string) answer { return ask(ctx, appsAt(r, appHost), "GET", path, nil) }
	cookieOf := func(a answer) *http.Cookie { return a.cookies()[appCookie] }

	It("are said to everybody who is signed in, and are none without a wildcard", func(ctx SpecContext) {
		Expect(got[codersdk.AppHostResponse](ctx, 200, w.stranger.at(r), "GET", "applications/host", nil).Host).To(Equal("apps.berth.test"))
		Expect(got[codersdk.AppHostResponse](ctx, 200, w.stranger.aggregated, "GET", "applications/host", nil).Host).To(BeEmpty())
		a := ask(ctx, w.member.session, "GET", leadPath("http://"+appHost+"/"), nil)
		Expect(a.Status).To(Equal(http.StatusBadRequest))
		Expect(a.Message()).To(ContainSubstring("no wildcard"))
	})

	It("get a session by a code that a person brings, once, and forget the code", func(ctx SpecContext) {
		path := led(ctx, w.member.at(r), "http://"+appHost+"/a%2fb?x=%20y&"+appCode+"=old#part")
		Expect(path).To(HavePrefix("/a%2fb?x=%20y&" + appCode + "="))
		Expect(path).NotTo(ContainSubstring("old"))
		a := enter(ctx, path)
		Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		Expect(a.Header.Get("Location")).To(Equal("http://" + appHost + "/a%2fb?x=%20y"))
		Expect(a.Header.Get("Cache-Control")).To(Equal("no-store"))
		Expect(a.Header.Get("Referrer-Policy")).To(Equal("no-referrer"))
		c := cookieOf(a)
		Expect(c).NotTo(BeNil())
		Expect([]any{c.Path, c.Domain, c.HttpOnly, c.Secure, c.SameSite, c.MaxAge}).To(Equal([]any{"/", "", true, false, http.SameSiteLaxMode, 0}))

		By("again")
		again := enter(ctx, path)
		Expect(again.Status).To(Equal(http.StatusForbidden))
		Expect(again.cookies()).To(BeEmpty())

		By("what the session opens: none of the API, at either host")
		for _, d := range []door{sessionAt(r, c.Value), sessionAt(r, "").with("Authorization", "Bearer "+c.Value),
			sessionAt(r, "").with("Cookie", plainCookie+"="+c.Value)} {
			Expect(ask(ctx, d, "GET", "/api/v2/users/me", nil).Status).To(Equal(http.StatusForbidden))
			Expect(ask(ctx, d, "GET", leadPath("http://"+appHost+"/"), nil).Status).To(Equal(http.StatusForbidden))
		}
		Expect(ask(ctx, sessionAt(r, "").with("Cookie", appCookie+"="+c.Value), "GET", "/api/v2/users/me", nil).Status).To(Equal(http.StatusUnauthorized))
		code := strings.SplitN(path, appCode+"=", 2)[1]
		Expect(ask(ctx, sessionAt(r, code), "GET", "/api/v2/users/me", nil).Status).To(Equal(http.StatusUnauthorized), "spent")

		By("no log, no audit entry and no metric has either")
		said := env.log.String() + env.stream.String()
		for _, secret := range []string{code, c.Value} {
			Expect(said).NotTo(ContainSubstring(secret))
		}
	})

	It("bind the cookie to themselves by its name, where people come by https", func(ctx SpecContext) {
		secure := start(func(o *apiserver.Options) {
			o.AccessURL, o.WildcardAccessURL = "https://berth.test", "*.apps.berth.test"
		})
		a := ask(ctx, w.member.at(secure), "GET", leadPath("https://"+appHost+"/"), nil)
		u, err := url.Parse(a.Header.Get("Location"))
		Expect(err).NotTo(HaveOccurred())
		Expect(u.Scheme).To(Equal("https"), string(a.Body))
		in := ask(ctx, appsAt(secure, appHost), "GET", u.RequestURI(), nil)
		c := in.cookies()["__Host-"+appCookie]
		Expect(c).NotTo(BeNil(), in.Header)
		Expect([]any{c.Path, c.Domain, c.HttpOnly, c.Secure, c.SameSite}).To(Equal([]any{"/", "", true, true, http.SameSiteLaxMode}))
		Expect(in.Header.Get("Location")).To(Equal("https://" + appHost + "/"))
	})

	It("are all that a browser is led to", func(ctx SpecContext) {
		for _, to := range []string{
			"", "/", "//" + appHost, "https://" + appHost + "/", "ftp://" + appHost + "/", "http://berth.test/", "http://apps.berth.test/",
			"http://evil.test/", "http://" + appHost + ".evil.test/", "http://evilapps.berth.test/", "http://x." + appHost + "/", "http://" + appHost + "./",
			"http://" + appHost + "@evil.test/", "http://evil.test@" + appHost + "/", "http://evil.test#" + appHost, "http://evil.test/?." + appHost,
			`http://evil.test\@` + appHost + "/", `http://evil.test\.apps.berth.test/`, "http://evil.test%2f.apps.berth.test/",
			"http://" + appHost + ":81/", "http://" + appHost + ":443/", "http://" + appHost + ":/", "http:" + appHost, "javascript://" + appHost + "/%0aalert(1)",
			"http://" + appHost + "/\r\nSet-Cookie: x=y", " http://" + appHost + "/", "http://" + appHost + "/" + strings.Repeat("x", 5000),
		} {
			a := ask(ctx, w.member.at(r), "GET", leadPath(to), nil)
			Expect(a.Status).To(Equal(http.StatusBadRequest), to)
			Expect(a.Header).NotTo(HaveKey("Location"), to)
			Expect(string(a.Body)).To(ContainSubstring(`"field":"redirect_uri"`), to)
		}
		for _, path := range []string{"/api/v2/applications/auth-redirect", leadPath("http://"+appHost+"/") + "&redirect_uri=http://" + appHost + "/"} {
			Expect(ask(ctx, w.member.at(r), "GET", path, nil).Status).To(Equal(http.StatusBadRequest), path)
		}
		Expect(ask(ctx, sessionAt(r, ""), "GET", leadPath("http://"+appHost+"/"), nil).Status).To(Equal(http.StatusUnauthorized))
		a := enter(ctx, "//evil.test"+led(ctx, w.member.at(r), "http://"+appHost+"/x"))
		Expect(a.Header.Get("Location")).To(Equal("http://"+appHost+"//evil.test/x"), "a path that a browser would take for a host")
	})

	It("V 27: are reached from pages of other sites by a person's own navigation, which no page can read", func(ctx SpecContext) {
		cookie := plainCookie + "=" + w.member.session.header.Get("Coder-Session-Token")
		page := func(site, mode, to string) door {
			return sessionAt(r, "").with("Cookie", cookie).with("Sec-Fetch-Site", site).with("Sec-Fetch-Mode", mode).with("Sec-Fetch-Dest", to)
		}
		for _, site := range []string{"same-site", "cross-site"} {
			led(ctx, page(site, "navigate", "document"), "http://"+appHost+"/")
			for _, d := range []door{page(site, "navigate", "iframe"), page(site, "no-cors", "image"), page(site, "cors", "empty"), page(site, "no-cors", "document")} {
				Expect(ask(ctx, d, "GET", leadPath("http://"+appHost+"/"), nil).Status).To(Equal(http.StatusUnauthorized))
			}
			Expect(me(ctx, page(site, "navigate", "document"))).To(Equal(http.StatusUnauthorized), "no other route takes it")
		}
	})

	It("take a code of theirs alone, of the last minute, and let in one of several who bring it", func(ctx SpecContext) {
		path := led(ctx, w.member.at(r), "http://"+appHost+"/")
		another := strings.Replace(appHost, "web", "evil", 1)
		for _, host := range []string{another, strings.ToUpper(another)} {
			Expect(ask(ctx, appsAt(r, host), "GET", path, nil).Status).To(Equal(http.StatusForbidden), host)
		}
		for name, code := range map[string]string{"made up": "0123456789-0123456789012345678901", "empty": "", "a session": w.member.session.header.Get("Coder-Session-Token"),
			"foreign": strings.Repeat("A", 200)} {
			a := enter(ctx, "/?"+appCode+"="+url.QueryEscape(code))
			Expect(a.Status).To(Equal(http.StatusForbidden), name)
			Expect(a.cookies()).To(BeEmpty(), name)
		}
		Expect(enter(ctx, path+"&"+appCode+"=x").Status).To(Equal(http.StatusBadRequest), "two")
		var in atomic.Int32
		var work sync.WaitGroup
		for range 6 {
			work.Go(func() {
				defer GinkgoRecover()
				if a := enter(ctx, path); a.Status == http.StatusTemporaryRedirect {
					in.Add(1)
				} else {
					Expect(a.Status).To(Equal(http.StatusForbidden), string(a.Body))
				}
			})
		}
		work.Wait()
		Expect(in.Load()).To(BeEquivalentTo(1))

		By("a minute later")
		path = led(ctx, w.member.at(r), "http://"+appHost+"/")
		clock.by.Store(int64(credentials.CodeLifetime))
		defer clock.by.Store(0)
		Expect(enter(ctx, path).Status).To(Equal(http.StatusForbidden))
	})

	It("V 17: let nobody in who is suspended, or has signed out", func(ctx SpecContext) {
		gone, out := newPerson(ctx, w.organization.Name), newPerson(ctx, w.organization.Name)
		path, other := led(ctx, gone.at(r), "http://"+appHost+"/"), led(ctx, out.at(r), "http://"+appHost+"/")
		held := cookieOf(enter(ctx, led(ctx, out.at(r), "http://"+appHost+"/"))).Value
		stored := live(ctx, gone.Name) // by a manifest, which ends no session itself
		stored.Spec.Suspended = true
		Expect(env.Client.Update(ctx, stored)).To(Succeed())
		Eventually(func() int { return me(ctx, gone.at(r)) }).WithTimeout(10 * time.Second).Should(Equal(http.StatusUnauthorized))
		Expect(enter(ctx, path).Status).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, sessionAt(r, held), "GET", "/api/v2/users/me", nil).Status).To(Equal(http.StatusForbidden), "it lives, and opens no API")
		Expect(ask(ctx, out.at(r), "POST", "/api/v2/users/logout", nil).Status).To(Equal(http.StatusOK))
		Expect(enter(ctx, other).Status).To(Equal(http.StatusForbidden))
		Expect(ask(ctx, sessionAt(r, held), "GET", "/api/v2/users/me", nil).Status).To(Equal(http.StatusUnauthorized), "it has ended")
	})

	It("have nothing of the API, by whatever spelling, port or way", func(ctx SpecContext) {
		token := w.owner.session.header.Get("Coder-Session-Token")
		for _, host := range []string{appHost, strings.ToUpper(appHost), appHost + ":80", appHost + ":8443", appHost + ".", "x." + appHost, "_.apps.berth.test"} {
			d := appsAt(r, host).with("Coder-Session-Token", token)
			for _, path := range []string{"/", "/healthz", "/api/v2/", "/api/v2/users/me", "/api/v2/buildinfo", "/apis", "/apis/codersdk.berth.dev/v2/users/me",
				"/scim/v2/Users", "/external-auth/x/callback", "/api/v2/workspaceagents/me/gitauth"} {
				a := ask(ctx, d, "GET", path, nil)
				Expect(a.Status).To(Equal(http.StatusNotFound), "%s%s", host, path)
				Expect(string(a.Body)).To(ContainSubstring("Route not found."))
			}
			Expect(ask(ctx, d, "POST", "/api/v2/users/logout", nil).Status).To(Equal(http.StatusNotFound))
		}
		Expect(me(ctx, sessionAt(r, token))).To(Equal(http.StatusOK))
		Expect(me(ctx, sessionAt(r, token).with("Host", "apps.berth.test"))).To(Equal(http.StatusOK), "the wildcard's own name is none below it")

		By("a code in anything but a page that is opened, which spends none")
		path := led(ctx, w.member.at(r), "http://"+appHost+"/")
		for _, method := range []string{"POST", "PUT", "HEAD", "OPTIONS"} {
			Expect(ask(ctx, appsAt(r, appHost), method, path, nil).Status).To(Equal(http.StatusNotFound), method)
		}
		Expect(ask(ctx, sessionAt(r, ""), "GET", path, nil).Status).To(Equal(http.StatusNotFound), "not at the server's own host")
		Expect(enter(ctx, path).Status).To(Equal(http.StatusTemporaryRedirect))
	})

	It("are refused at the start where they would be the server's own, or can't be", func(ctx SpecContext) {
		for _, wildcard := range []string{"*.test", "*." + namespace + ".svc", "apps.berth.test", "https://*.apps.berth.test"} {
			_, err := apiserver.New(ctx, apiserver.Options{AccessURL: "http://berth.test", Service: service, Namespace: namespace, WildcardAccessURL: wildcard})
			Expect(err).To(MatchError(ContainSubstring("wildcard access URL")), wildcard)
		}
		_, err := apiserver.New(ctx, apiserver.Options{WildcardAccessURL: "*.apps.berth.test"})
		Expect(err).To(MatchError(ContainSubstring("needs the access URL")))
	})

	It("leave an entry in the audit log of who was led there", func(ctx SpecContext) {
		a := ask(ctx, w.member.at(r), "GET", leadPath("http://"+appHost+"/"), nil)
		found := entriesOf(ctx, w.auditor.at(r), a)
		Expect(found).To(HaveLen(1))
		Expect([]any{found[0].Action, found[0].ResourceType, found[0].User.Username, found[0].StatusCode}).To(Equal(
			[]any{codersdk.AuditActionCreate, codersdk.ResourceTypeAPIKey, w.member.WireName(), 307}))
	})
})
