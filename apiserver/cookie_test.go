// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
)

const plainCookie, hostCookie = "coder_session_token", "__Host-coder_session_token"

// cookies are those that an answer sets, by name.
func (a answer) cookies() map[string]*http.Cookie {
	set := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		set[c.Name] = c
	}
	return set
}

// page is the door of a page of the origin in a browser, with what the browser sends along by itself.
func (d door) page(origin, site string, cookies ...string) door {
	d.header = http.Header{}
	d = d.with("Origin", origin).with("Sec-Fetch-Site", site).with("Sec-Fetch-Mode", "cors").with("Sec-Fetch-Dest", "empty")
	return d.with("Cookie", strings.Join(cookies, "; "))
}

var _ = Describe("A session's cookie", Ordered, func() {
	const password = "a long enough one"
	var w *world
	var ada *person
	var secure *running

	signIn := func(ctx SpecContext, d door) answer {
		GinkgoHelper()
		a := ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: ada.Spec.Email, Password: password})
		Expect(a.Status).To(Equal(http.StatusCreated), string(a.Body))
		return a
	}

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		ada = newPerson(ctx, w.organization.Name)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, ada.User, ids.Of(ada.User), password)).To(Succeed())
		secure = start(func(o *apiserver.Options) { o.AccessURL = "https://berth.test" })
		for _, d := range []door{session(""), sessionAt(secure, "")} {
			Eventually(func() int {
				return ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: ada.Spec.Email, Password: password}).Status
			}).WithTimeout(30 * time.Second).Should(Equal(http.StatusCreated))
		}
	})

	It("V 27: is set by a sign-in and taken away by a sign-out, bound to this host where the site is https", func(ctx SpecContext) {
		for name, c := range map[string]struct {
			server *running
			cookie string
			secure bool
		}{
			"http":  {env.server, plainCookie, false},
			"https": {secure, hostCookie, true},
		} {
			in := signIn(ctx, sessionAt(c.server, ""))
			cookie := in.cookies()[c.cookie]
			Expect(cookie).NotTo(BeNil(), name)
			Expect(cookie.Secure).To(Equal(c.secure), name)
			Expect(cookie.HttpOnly).To(BeTrue(), name)
			Expect(cookie.SameSite).To(Equal(http.SameSiteLaxMode), name)
			Expect(cookie.Path).To(Equal("/"), name)
			Expect(cookie.Domain).To(BeEmpty(), name)
			browser := sessionAt(c.server, "").with("Cookie", c.cookie+"="+cookie.Value)
			Expect(me(ctx, browser)).To(Equal(http.StatusOK), name)
			out := ask(ctx, browser, "POST", "/api/v2/users/logout", nil)
			Expect(out.Status).To(Equal(http.StatusOK), name)
			Expect(out.cookies()[c.cookie].MaxAge).To(Equal(-1), name)
			Expect(me(ctx, browser)).To(Equal(http.StatusUnauthorized), name)
		}
		By("the one from before the site was https, which two would be refused with")
		Expect(signIn(ctx, sessionAt(secure, "")).cookies()[plainCookie].MaxAge).To(Equal(-1))
	})

	It("V 27: changes what a page of this site asks for, and nothing else", func(ctx SpecContext) {
		value := signIn(ctx, session("")).cookies()[plainCookie].Value
		cookie := plainCookie + "=" + value
		change := func(d door) int {
			return ask(ctx, d, "PUT", "/api/v2/users/me/appearance", codersdk.UpdateUserAppearanceSettingsRequest{ThemePreference: "dark"}).Status
		}
		Expect(change(session("").with("Cookie", cookie))).To(Equal(http.StatusOK), "a program")
		Expect(change(session("").page("http://berth.test", "same-origin", cookie))).To(Equal(http.StatusOK))
		Expect(change(session("").page("http://berth.test", "same-origin", cookie, "csrf_token=x").with("X-CSRF-TOKEN", "x"))).To(Equal(http.StatusOK), "Coder's page")
		for site, origin := range map[string]string{"same-site": "http://app.berth.test", "cross-site": "http://evil.example", "made-up": "http://berth.test"} {
			d := session("").page(origin, site, cookie)
			for _, mode := range []string{"cors", "no-cors", "navigate", "same-origin"} {
				d := d.with("Sec-Fetch-Mode", mode)
				Expect(change(d)).To(Equal(http.StatusForbidden), "%s %s", site, mode)
				Expect(me(ctx, d)).To(Equal(http.StatusUnauthorized), "%s %s", site, mode)
				Expect(change(d.with("X-CSRF-TOKEN", "x"))).To(Equal(http.StatusForbidden), "%s %s", site, mode)
			}
		}
		older := session("").with("Cookie", cookie).with("Origin", "http://evil.example")
		Expect(change(older)).To(Equal(http.StatusForbidden))
		By("a sign-in, by which a page would make somebody work in the account of another")
		in := codersdk.LoginWithPasswordRequest{Email: ada.Spec.Email, Password: password}
		for _, path := range []string{"/api/v2/users/login", "/api/v2/users/first"} {
			a := ask(ctx, session("").page("http://evil.example", "cross-site"), "POST", path, in)
			Expect(a.Status).To(Equal(http.StatusForbidden), path)
			Expect(a.cookies()).To(BeEmpty(), path)
		}
		Expect(me(ctx, session(value))).To(Equal(http.StatusOK), "none of this ended the session")
	})

	It("V 27: is alone, and not one that a neighbour planted", func(ctx SpecContext) {
		value := signIn(ctx, session("")).cookies()[plainCookie].Value
		for _, tossed := range []string{plainCookie + "=x", hostCookie + "=" + value, plainCookie + "=" + value, plainCookie + "="} {
			for _, r := range []*running{env.server, secure} {
				for _, both := range []string{plainCookie + "=" + value + "; " + tossed, tossed + "; " + plainCookie + "=" + value} {
					d := sessionAt(r, "").with("Cookie", both)
					Expect(me(ctx, d)).To(Equal(http.StatusUnauthorized), both)
					Expect(ask(ctx, d, "POST", "/api/v2/users/logout", nil).Status).To(Equal(http.StatusUnauthorized), both)
				}
			}
		}
		By("a browser on https, which was given the name that no neighbour can set")
		plain := sessionAt(secure, "").page("https://berth.test", "same-origin", plainCookie+"="+value)
		Expect(me(ctx, plain)).To(Equal(http.StatusUnauthorized))
		Expect(me(ctx, sessionAt(secure, "").page("https://berth.test", "same-origin", hostCookie+"="+value))).To(Equal(http.StatusOK))
		Expect(me(ctx, sessionAt(secure, "").with("Cookie", plainCookie+"="+value))).To(Equal(http.StatusOK), "Coder's programs, on websockets")
		By("two tokens that differ, of which nobody can tell which was meant")
		Expect(me(ctx, session(value).with("Authorization", "Bearer "+strings.Repeat("x", 33)))).To(Equal(http.StatusUnauthorized))
		Expect(me(ctx, session(value))).To(Equal(http.StatusOK), "none of this ended the session")
	})

	It("V 27: is new at each sign-in, whatever the browser had before", func(ctx SpecContext) {
		chosen := "0123456789-0123456789012345678901"
		attackers, _, err := credentials.New(env.Client, namespace, time.Now).Issue(ctx, w.peer.User, ids.Of(w.peer.User), v1alpha1.LoginTypePassword, time.Hour)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return me(ctx, session(attackers)) }).WithTimeout(30 * time.Second).Should(Equal(http.StatusOK))
		for _, before := range []string{chosen, attackers} {
			for _, d := range []door{session("").with("Cookie", plainCookie+"="+before), session(before)} {
				got := signIn(ctx, d).cookies()[plainCookie].Value
				Expect(got).NotTo(Equal(before))
				var is codersdk.User
				ask(ctx, session(got), "GET", "/api/v2/users/me", nil).JSON(&is)
				Expect(is.ID).To(Equal(ids.Of(ada.User)))
			}
		}
		Expect(me(ctx, session(chosen))).To(Equal(http.StatusUnauthorized), "a token that somebody chose is never one")
		var is codersdk.User
		ask(ctx, session(attackers), "GET", "/api/v2/users/me", nil).JSON(&is)
		Expect(is.ID).To(Equal(ids.Of(w.peer.User)), "another's session stays the other's")
	})
})
