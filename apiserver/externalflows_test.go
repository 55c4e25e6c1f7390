// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/idp"
)

// at is a session of a person at a replica.
func (p *person) at(r *running) door {
	return sessionAt(r, p.session.header.Get("Coder-Session-Token"))
}

// signedIn are the providers that a person's account says it is signed in to.
func signedIn(ctx context.Context, p *person) []string {
	GinkgoHelper()
	u := &v1alpha1.User{}
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(p.User), u)).To(Succeed())
	return u.Status.ExternalAuth
}

// mixed is the way back of one sign-in with the code of another.
func mixed(back, other string) string {
	GinkgoHelper()
	b, err := url.Parse(back)
	Expect(err).NotTo(HaveOccurred())
	o, err := url.Parse(other)
	Expect(err).NotTo(HaveOccurred())
	q := b.Query()
	q.Set("code", o.Query().Get("code"))
	b.RawQuery = q.Encode()
	return b.String()
}

var _ = Describe("External auth", func() {
	It("signs a person in by a device's code, once the person has given it to the host", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{}, map[string]any{"device_flow": true, "device_code_url": g.URL + "/login/device/code"})
		d := w.member.at(at)
		var device codersdk.ExternalAuthDevice
		began := ask(ctx, d, "GET", "/api/v2/external-auth/host/device", nil)
		Expect(began.Status).To(Equal(http.StatusOK), string(began.Body))
		began.JSON(&device)
		Expect(device).To(And(HaveField("DeviceCode", Not(BeEmpty())), HaveField("ExpiresIn", 900), HaveField("Interval", 5),
			HaveField("VerificationURI", "https://git.example/login/device")))
		exchange := func(code string) answer {
			return ask(ctx, d, "POST", "/api/v2/external-auth/host/device", codersdk.ExternalAuthDeviceExchange{DeviceCode: code})
		}
		for range 2 {
			a := exchange(device.DeviceCode)
			Expect(a.Status).To(Equal(http.StatusBadRequest), string(a.Body))
			Expect(string(a.Body)).To(ContainSubstring(`"detail":"authorization_pending"`))
		}
		Expect(exchange("another").Status).To(BeNumerically(">=", 400))
		Expect(signedIn(ctx, w.member)).To(BeEmpty())

		g.Enter(device.UserCode)
		Expect(exchange(device.DeviceCode).Status).To(Equal(http.StatusNoContent))
		Expect(signedIn(ctx, w.member)).To(Equal([]string{"host"}))
		Expect(signedIn(ctx, w.peer)).To(BeEmpty())
		Expect(string(ask(ctx, d, "GET", "/api/v2/external-auth/host", nil).Body)).To(ContainSubstring(`"authenticated":true`))
		Expect(exchange(device.DeviceCode).Status).To(BeNumerically(">=", 400), "a code comes to something once")
	}, NodeTimeout(2*time.Minute))

	It("gives what a host says to the browser and the account that set out, once", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		sits := func(b *browser, p *person) {
			b.cookies["coder_session_token"] = p.session.header.Get("Coder-Session-Token")
		}
		setsOut := func() (*browser, string) {
			GinkgoHelper()
			b := newBrowser(at)
			sits(b, w.member)
			return b, there(b.get(ctx, "/external-auth/host/callback"))
		}
		By("another account in the browser")
		b, back := setsOut()
		sits(b, w.peer)
		Expect(b.get(ctx, back).Status).To(Equal(http.StatusForbidden))

		By("another browser of the same account")
		_, back = setsOut()
		other := newBrowser(at)
		sits(other, w.member)
		Expect(other.get(ctx, back).Status).To(Equal(http.StatusForbidden))

		By("the code of another's sign-in, with this one's state")
		b, back = setsOut()
		_, theirs := setsOut()
		Expect(b.get(ctx, mixed(back, theirs)).Status).NotTo(Equal(http.StatusTemporaryRedirect))
		for _, p := range []*person{w.member, w.peer} {
			Expect(signedIn(ctx, p)).To(BeEmpty())
		}

		By("its own, and not twice")
		b, back = setsOut()
		Expect(b.get(ctx, back).Status).To(Equal(http.StatusTemporaryRedirect))
		Expect(b.get(ctx, back).Status).To(Equal(http.StatusForbidden))
		Expect(signedIn(ctx, w.member)).To(Equal([]string{"host"}))
	}, NodeTimeout(2*time.Minute))

	It("V 27: takes the cookie of a browser that the host leads back, and of nothing else that another site asks for", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		session := "coder_session_token=" + w.member.session.header.Get("Coder-Session-Token")
		from := func(site, mode, to string, cookies ...string) door {
			return sessionAt(at, "").with("Cookie", strings.Join(append(cookies, session), "; ")).
				with("Sec-Fetch-Site", site).with("Sec-Fetch-Mode", mode).with("Sec-Fetch-Dest", to)
		}
		out := ask(ctx, from("same-origin", "navigate", "document"), "GET", "/external-auth/host/callback?redirect=/workspaces", nil)
		back, state := there(out), "external_auth_state="+out.cookies()["external_auth_state"].Value
		for _, d := range []door{from("cross-site", "no-cors", "image", state), from("cross-site", "navigate", "iframe", state), from("same-site", "cors", "empty", state)} {
			Expect(ask(ctx, d, "GET", back, nil).Status).To(Equal(http.StatusUnauthorized))
		}
		Expect(ask(ctx, from("cross-site", "navigate", "document"), "GET", "/api/v2/external-auth/host", nil).Status).To(Equal(http.StatusUnauthorized))
		a := ask(ctx, from("cross-site", "navigate", "document", state), "GET", back, nil)
		Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
		Expect(signedIn(ctx, w.member)).To(Equal([]string{"host"}))
	}, NodeTimeout(2*time.Minute))

	It("refuses a start of an existing workspace too, and says of a version where its reader is signed in", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		v := w.naming(ctx, "host")
		box := w.runsAt(ctx, at, w.member, v)
		build(ctx, box.Workspace, 2, v1alpha1.TransitionStop, v)
		d := w.member.at(at)
		start := func() answer {
			return ask(ctx, d, "POST", "/api/v2/workspaces/"+ids.Of(box.Workspace).String()+"/builds", codersdk.CreateWorkspaceBuildRequest{
				Transition: "start", TemplateVersionID: ids.Of(v),
			})
		}
		status := func(p *person) []codersdk.TemplateVersionExternalAuth {
			GinkgoHelper()
			var all []codersdk.TemplateVersionExternalAuth
			ask(ctx, p.at(at), "GET", "/api/v2/templateversions/"+ids.Of(v).String()+"/external-auth", nil).JSON(&all)
			return all
		}
		Eventually(start).WithTimeout(20 * time.Second).Should(HaveField("Status", http.StatusBadRequest))
		Expect(string(start().Body)).To(ContainSubstring(`"external_auth"`))
		Expect(status(w.member)).To(HaveExactElements(And(HaveField("ID", "host"), HaveField("Authenticated", false), HaveField("Type", "github"))))

		linked(ctx, at, w.member)
		Expect(status(w.member)).To(HaveExactElements(HaveField("Authenticated", true)))
		Expect(status(w.peer)).To(HaveExactElements(HaveField("Authenticated", false)))
		Expect(start().Status).To(Equal(http.StatusCreated))
	}, NodeTimeout(2*time.Minute))

	It("V7: shows no token in any answer, log, record or account", func(ctx SpecContext) {
		g, w, clock := idp.NewGitHost(GinkgoTB()), newWorld(ctx), &later{}
		g.Say(idp.GitHostAnswer{Lifetime: 3600})
		at := linking(g, clock)
		linked(ctx, at, w.member)
		clock.by.Add(int64(time.Hour))
		var said string
		for _, path := range []string{"/api/v2/external-auth", "/api/v2/external-auth/host", "/api/v2/users/me", "/api/v2/deployment/config"} {
			said += string(ask(ctx, w.member.at(at), "GET", path, nil).Body)
		}
		g.Say(idp.GitHostAnswer{Lifetime: 3600, Status: http.StatusBadGateway})
		clock.by.Add(int64(time.Hour))
		said += string(ask(ctx, w.member.at(at), "GET", "/api/v2/external-auth/host", nil).Body)
		g.Say(idp.GitHostAnswer{})
		g.Forget()
		said += string(ask(ctx, w.member.at(at), "GET", "/api/v2/external-auth/host", nil).Body)
		u := &v1alpha1.User{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(w.member.User), u)).To(Succeed())
		links, err := credentials.New(env.Client, namespace, time.Now).Externals(ctx, ids.Of(w.member.User))
		Expect(err).NotTo(HaveOccurred())
		Expect(links).To(HaveKeyWithValue("host", HaveField("Access", ContainSubstring("canary"))), "or there was nothing to be seen")
		for _, text := range []string{said, env.log.String(), env.stream.String(), storedRecords(ctx), fmt.Sprint(u)} {
			Expect(text).NotTo(ContainSubstring("canary-"))
		}
	}, NodeTimeout(2*time.Minute))
})
