// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
	"github.com/berth-dev/berth/internal/testing/idp"
)

// toolbox is a running workspace with its pod, as manager and kubelet would have left them.
type toolbox struct {
	*v1alpha1.Workspace
	at    *running
	token string
}

// naming is a version that names providers.
func (w *world) naming(ctx context.Context, providers ...string) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	return w.checked(ctx, given.TemplateVersion(w.organization.Name, unique("go-dev-ext"), "go-dev", func(v *v1alpha1.TemplateVersion) {
		for _, p := range providers {
			v.Spec.Content.ExternalAuth = append(v.Spec.Content.ExternalAuth, v1alpha1.ExternalAuth{Name: p})
		}
	}))
}

// build adds a build that has ended well.
func build(ctx context.Context, ws *v1alpha1.Workspace, number int64, transition v1alpha1.Transition, v *v1alpha1.TemplateVersion) {
	GinkgoHelper()
	b := given.Build(ws, number, transition, func(b *v1alpha1.WorkspaceBuild) {
		b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
	})
	Expect(env.Client.Create(ctx, b)).To(Succeed())
	now, before := metav1.Now(), b.DeepCopy()
	b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: &now, CompletedAt: &now}
	Expect(env.Client.Status().Patch(ctx, b, client.MergeFrom(before))).To(Succeed())
}

// runsAt makes a running workspace of somebody's, and waits until the replica knows its pod and its build.
func (w *world) runsAt(ctx context.Context, at *running, owner *person, v *v1alpha1.TemplateVersion) *toolbox {
	GinkgoHelper()
	ws := given.Workspace(w.organization.Name, unique("ext"), owner.Name, w.template.Name)
	Expect(env.Client.Create(ctx, ws)).To(Succeed())
	build(ctx, ws, 1, v1alpha1.TransitionStart, v)
	pod, token := runs(ctx, ws.Namespace, ws.Name, "berth")
	t := &toolbox{Workspace: ws, at: at, token: token}
	t.has(ctx, &v1alpha1.PodStatus{Name: pod.Name, UID: pod.UID})
	t.eventually(ctx, "match=https://nobody.example", http.StatusNotFound)
	seen := sessionAt(at, w.owner.session.header.Get("Coder-Session-Token"))
	Eventually(func() string {
		return string(ask(ctx, seen, "GET", "/api/v2/workspacebuilds/"+ids.Build(ids.Of(ws), 1).String(), nil).Body)
	}).WithTimeout(20 * time.Second).Should(ContainSubstring(`"status":"succeeded"`))
	return t
}

// has writes down which pod it has.
func (t *toolbox) has(ctx context.Context, pod *v1alpha1.PodStatus) {
	GinkgoHelper()
	before := t.DeepCopy()
	t.Status.Pod = pod
	Expect(env.Client.Status().Patch(ctx, t.Workspace, client.MergeFrom(before))).To(Succeed())
}

// asks is what its pod gets for a query. Whatever is not 200 must hold no token.
func (t *toolbox) asks(ctx context.Context, query string) answer {
	GinkgoHelper()
	return asksAs(ctx, t.at, t.token, query)
}

func asksAs(ctx context.Context, at *running, token, query string) answer {
	GinkgoHelper()
	a := ask(ctx, sessionAt(at, token), "GET", "/api/v2/workspaceagents/me/external-auth?"+query, nil)
	twin := ask(ctx, sessionAt(at, token), "GET", "/api/v2/workspaceagents/me/gitauth?"+query, nil)
	Expect(twin.Status).To(Equal(a.Status))
	for _, one := range []answer{a, twin} {
		Expect(one.Status == http.StatusOK || !strings.Contains(string(one.Body), "canary")).To(BeTrue(), string(one.Body))
	}
	return a
}

// eventually waits until its pod is answered so.
func (t *toolbox) eventually(ctx context.Context, query string, status int) {
	GinkgoHelper()
	d, path := sessionAt(t.at, t.token), "/api/v2/workspaceagents/me/external-auth?"+query
	Eventually(func() int { return ask(ctx, d, "GET", path, nil).Status }).WithTimeout(20 * time.Second).Should(Equal(status))
}

// gets reads what an answer gives.
func gets(a answer) agentsdk.ExternalAuthResponse {
	GinkgoHelper()
	Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
	var out agentsdk.ExternalAuthResponse
	a.JSON(&out)
	return out
}

var _ = Describe("What an agent gets of external auth", func() {
	It("is its owner's token, by the id of a provider that its version names and by a git URL of the provider's", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		host := strings.TrimPrefix(g.URL, "http://")
		names, namesNone := w.naming(ctx, "host", "gone"), w.naming(ctx)
		mine, peers, other := w.runsAt(ctx, at, w.member, names), w.runsAt(ctx, at, w.peer, names), w.runsAt(ctx, at, w.member, namesNone)
		linked(ctx, at, w.member)

		got := gets(mine.asks(ctx, "id=host"))
		Expect(got).To(And(HaveField("AccessToken", HavePrefix("ghu_canary-access-")), HaveField("Password", got.AccessToken),
			HaveField("Username", "x-access-token"), HaveField("Type", "github"), HaveField("URL", "")))
		for _, match := range []string{"https://" + host, "https://" + host + "/acme/api.git", host + "/acme", "https://octo@" + host + "/acme"} {
			Expect(gets(mine.asks(ctx, "match="+url.QueryEscape(match)))).To(Equal(got), match)
		}

		By("not by an id that its version does not name, or that is nobody's")
		for query, status := range map[string]int{"id=gone": 404, "id=none": 404, "": 400, "id=": 400, "id=host&listen=perhaps": 400} {
			Expect(mine.asks(ctx, query).Status).To(Equal(status), query)
		}
		Expect(other.asks(ctx, "id=host").Status).To(Equal(http.StatusNotFound))

		By("not by a URL that only looks like one")
		for _, match := range []string{
			"https://" + host + ".evil.example", "https://" + host + ".evil.example/acme", "https://evil.example/https://" + host + "/acme",
			"https://evil.example/" + host + "/acme", "https://" + host + "@evil.example/acme", "https://" + host + ":x@evil.example/acme",
			host + "@evil.example/acme", "https://evil.example#" + host + "/acme", "https://evil.example?" + host + "/acme", "https://evil." + host + "/acme",
			"https://evil-" + host, `https://evil.example\@` + host + "/acme", "https://evil.example/\nhttps://" + host + "/acme", "http://" + host + "/acme",
			"https://" + strings.ReplaceAll(host, ".", "x") + "/acme", "https://" + host + "%2f@evil.example/acme", "https://" + host + "\t.evil.example/",
		} {
			Expect(mine.asks(ctx, "match="+url.QueryEscape(match)).Status).To(Equal(http.StatusNotFound), match)
		}

		By("another's pod gets none of it, but where its owner signs in, and then that one's own")
		for _, query := range []string{"id=host", "match=https://" + host + "/acme"} {
			Expect(gets(peers.asks(ctx, query))).To(Equal(agentsdk.ExternalAuthResponse{URL: "http://berth.test/external-auth/host/callback"}))
		}
		linked(ctx, at, w.peer)
		Expect(gets(peers.asks(ctx, "id=host")).AccessToken).To(And(HavePrefix("ghu_canary-access-"), Not(Equal(got.AccessToken))))
		Expect(gets(mine.asks(ctx, "id=host"))).To(Equal(got))
	}, NodeTimeout(2*time.Minute))

	It("is waited for by who listens, until the owner signs in or the pod is the workspace's no more", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		v := w.naming(ctx, "host")
		listens := func(t *toolbox) <-chan answer {
			heard := make(chan answer, 1)
			go func() {
				defer GinkgoRecover()
				heard <- ask(ctx, sessionAt(at, t.token), "GET", "/api/v2/workspaceagents/me/external-auth?id=host&listen", nil)
			}()
			return heard
		}
		mine, peers := w.runsAt(ctx, at, w.member, v), w.runsAt(ctx, at, w.peer, v)
		ofMine, ofPeers := listens(mine), listens(peers)
		Consistently(ofMine, "500ms").ShouldNot(Receive())
		linked(ctx, at, w.member)
		var a answer
		Eventually(ofMine).WithTimeout(20 * time.Second).Should(Receive(&a))
		Expect(gets(a).AccessToken).To(HavePrefix("ghu_canary-access-"))

		Consistently(ofPeers, "300ms").ShouldNot(Receive())
		peers.has(ctx, nil)
		peers.eventually(ctx, "id=host", http.StatusUnauthorized)
		linked(ctx, at, w.peer)
		Eventually(ofPeers).WithTimeout(20 * time.Second).Should(Receive(&a))
		Expect(string(a.Body)).NotTo(ContainSubstring("canary"))
		Expect(a.Status).To(Equal(http.StatusUnauthorized))
	}, NodeTimeout(2*time.Minute))

	It("is nothing for who is no agent of a running workspace of somebody who may sign in", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{})
		v := w.naming(ctx, "host")
		linked(ctx, at, w.member)
		stops, loses, suspended := w.runsAt(ctx, at, w.member, v), w.runsAt(ctx, at, w.member, v), w.runsAt(ctx, at, w.member, v)
		for _, t := range []*toolbox{stops, loses, suspended} {
			Expect(gets(t.asks(ctx, "id=host")).AccessToken).NotTo(BeEmpty())
		}

		By("a prepared pod that nobody has claimed, and a claimed one without its secret")
		p := w.prepare(ctx, v)
		p.upgraded(ctx, at)
		Expect(asksAs(ctx, at, p.token, "id=host").Status).To(Equal(http.StatusUnauthorized))
		p.claim(ctx)
		Expect(asksAs(ctx, at, p.token, "id=host").Status).To(Equal(http.StatusUnauthorized))

		By("a person, and nobody")
		for _, token := range []string{w.member.session.header.Get("Coder-Session-Token"), w.owner.session.header.Get("Coder-Session-Token"), ""} {
			Expect(asksAs(ctx, at, token, "id=host").Status).To(Equal(http.StatusUnauthorized))
		}

		By("a pod that is to go, as its workspace stops")
		build(ctx, stops.Workspace, 2, v1alpha1.TransitionStop, v)
		stops.eventually(ctx, "id=host", http.StatusForbidden)
		Expect(stops.asks(ctx, "match="+strings.Replace(g.URL, "http", "https", 1)).Status).To(Equal(http.StatusForbidden))

		By("a pod that is gone")
		loses.has(ctx, nil)
		loses.eventually(ctx, "id=host", http.StatusUnauthorized)

		By("a pod of somebody who is suspended")
		u := &v1alpha1.User{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(w.member.User), u)).To(Succeed())
		u.Spec.Suspended = true
		Expect(env.Client.Update(ctx, u)).To(Succeed())
		suspended.eventually(ctx, "id=host", http.StatusForbidden)
		Expect(suspended.asks(ctx, "match="+strings.Replace(g.URL, "http", "https", 1)).Status).To(Equal(http.StatusForbidden))
	}, NodeTimeout(3*time.Minute))
})
