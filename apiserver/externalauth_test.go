// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

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

// linking is a replica whose one external provider is the host, with further settings.
func linking(g *idp.GitHost, clock *later, further ...map[string]any) *running {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "secret")
	Expect(os.WriteFile(file, []byte(idp.ClientSecret), 0o600)).To(Succeed())
	settings := map[string]any{"id": "host", "type": "github", "client_id": idp.ClientID, "client_secret_file": file, "auth_url": g.URL + "/login/oauth/authorize"}
	for _, f := range further {
		maps.Copy(settings, f)
	}
	text, err := json.Marshal([]map[string]any{settings})
	Expect(err).NotTo(HaveOccurred())
	return start(func(o *apiserver.Options) {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.External.AddFlags(f)
		Expect(f.Parse([]string{"--external-auth-providers=" + string(text)})).To(Succeed())
		o.Now = clock.now
	})
}

// linked is a browser of a person who has gone to the host and back.
func linked(ctx context.Context, at *running, p *person) *browser {
	GinkgoHelper()
	b := newBrowser(at)
	b.cookies["coder_session_token"] = p.session.header.Get("Coder-Session-Token")
	back := b.get(ctx, there(b.get(ctx, "/external-auth/host/callback?redirect=/workspaces")))
	Expect(back.Status).To(Equal(http.StatusTemporaryRedirect), string(back.Body))
	Expect(back.Header.Get("Location")).To(Equal("/workspaces"))
	return b
}

var _ = Describe("External auth", func() {
	It("links a person by the browser, shows it without the token, lets a start go on, and ends", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		v := w.checked(ctx, given.TemplateVersion(w.organization.Name, unique("go-dev-ext"), "go-dev", func(v *v1alpha1.TemplateVersion) {
			v.Spec.Content.ExternalAuth = []v1alpha1.ExternalAuth{{Name: "host"}}
		}))
		d := sessionAt(at, w.member.session.header.Get("Coder-Session-Token"))
		create := func() answer {
			return ask(ctx, d, "POST", "/api/v2/organizations/"+w.organization.Name+"/members/me/workspaces", codersdk.CreateWorkspaceRequest{Name: unique("ext"), TemplateVersionID: ids.Of(v)})
		}
		Eventually(create).WithTimeout(20 * time.Second).Should(HaveField("Status", http.StatusBadRequest))
		Expect(string(create().Body)).To(ContainSubstring(`"external_auth"`))

		for _, to := range []string{"//evil.test", "https://evil.test", `/\evil.test`} {
			Expect(ask(ctx, d, "GET", "/external-auth/host/callback?redirect="+url.QueryEscape(to), nil).Status).To(Equal(http.StatusBadRequest), to)
		}
		Expect(ask(ctx, d, "GET", "/external-auth/host/callback?code=x&state=y", nil).Status).To(Equal(http.StatusForbidden))

		b := linked(ctx, at, w.member)
		u := &v1alpha1.User{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(w.member.User), u)).To(Succeed())
		Expect(u.Status.ExternalAuth).To(Equal([]string{"host"}))
		var shown codersdk.ExternalAuth
		b.get(ctx, "/api/v2/external-auth/host").JSON(&shown)
		Expect(shown.Authenticated && shown.AppInstallable && shown.User.Login == "octo-cat").To(BeTrue())
		Expect(create().Status).To(Equal(http.StatusCreated))

		Expect(ask(ctx, d, "DELETE", "/api/v2/external-auth/host", nil).Status).To(Equal(http.StatusOK))
		Expect(g.Revoked()).To(HaveLen(1))
		Expect(create().Status).To(Equal(http.StatusBadRequest))
		for _, text := range []string{env.log.String(), env.stream.String(), storedRecords(ctx)} {
			Expect(text).NotTo(ContainSubstring("canary-access"))
		}
	}, NodeTimeout(2*time.Minute))

	It("refreshes a rotating token once where two servers are asked by many at once", func(ctx SpecContext) {
		g, w, clock := idp.NewGitHost(GinkgoTB()), newWorld(ctx), &later{}
		g.Say(idp.GitHostAnswer{Lifetime: 3600})
		one, other := linking(g, clock), linking(g, clock)
		linked(ctx, one, w.member)
		token := w.member.session.header.Get("Coder-Session-Token")
		for round := 1; round <= 3; round++ {
			clock.by.Add(int64(time.Hour))
			var asking sync.WaitGroup
			for i := range 16 {
				asking.Go(func() {
					defer GinkgoRecover()
					a := ask(ctx, sessionAt([]*running{one, other}[i%2], token), "GET", "/api/v2/external-auth/host", nil)
					Expect(strings.Contains(string(a.Body), `"authenticated":true`)).To(BeTrue(), string(a.Body))
				})
			}
			asking.Wait()
			refreshed, reused := g.Refreshed()
			Expect(refreshed).To(Equal(round))
			Expect(reused).To(BeZero())
		}
		g.Forget()
		Expect(string(ask(ctx, sessionAt(one, token), "GET", "/api/v2/external-auth", nil).Body)).To(ContainSubstring(`"authenticated":false`))
	}, NodeTimeout(2*time.Minute))

	It("is refreshed by another server once who began it has died, and not before, whatever their clocks say", func(ctx SpecContext) {
		g, w, ahead := idp.NewGitHost(GinkgoTB()), newWorld(ctx), &later{}
		g.Say(idp.GitHostAnswer{Lifetime: 3600})
		at := linking(g, ahead)
		linked(ctx, at, w.member)
		store := credentials.New(env.Client, namespace, time.Now)
		link, ok, err := store.External(ctx, ids.Of(w.member.User), "host")
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeTrue())
		_, began, err := store.BeginExternalRefresh(ctx, ids.Of(w.member.User), "host", link)
		Expect(err).NotTo(HaveOccurred())
		Expect(began).To(BeTrue())

		ahead.by.Add(int64(2 * time.Hour))
		heard := make(chan answer, 1)
		go func() {
			defer GinkgoRecover()
			heard <- ask(ctx, sessionAt(at, w.member.session.header.Get("Coder-Session-Token")), "GET", "/api/v2/external-auth/host", nil)
		}()
		Consistently(func() int { n, _ := g.Refreshed(); return n }, "1s").Should(BeZero())
		ahead.by.Add(int64(3 * time.Minute))
		var a answer
		Eventually(heard).WithTimeout(20 * time.Second).Should(Receive(&a))
		Expect(string(a.Body)).To(ContainSubstring(`"authenticated":true`))
		refreshed, reused := g.Refreshed()
		Expect([]int{refreshed, reused}).To(Equal([]int{1, 0}))
	}, NodeTimeout(2*time.Minute))
})
