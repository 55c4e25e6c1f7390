// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/idp"
)

// agentRow is what agents get from a route of theirs: that of a running workspace, of a prepared pod that is nobody's, and of a
// claimed one that shows its secret. The requests are plain ones, and name another's workspace wherever they can.
type agentRow struct {
	running, prepared, claimed int
	// own proves that each of two agents is answered about its own workspace.
	own func(ctx context.Context, w *world)
}

// agents has a row for each route at which agents are let in. At any other one an agent is a stranger.
var agents = map[string]agentRow{
	// without a provider none is found, and nobody waits
	"GET /api/v2/workspaceagents/me/external-auth": {running: 404, prepared: 401, claimed: 404, own: ownTokens("external-auth")},
	"GET /api/v2/workspaceagents/me/gitauth":       {running: 404, prepared: 401, claimed: 404, own: ownTokens("gitauth")},
	// there is nothing to wait for, or only by a websocket
	"GET " + agentsdk.HoldPath: {running: 409, prepared: 426, claimed: 426, own: ownClaims},
}

// foreignQuery names another's workspace in every word, which is of no use to an agent.
func foreignQuery(other *v1alpha1.Workspace) string {
	id := ids.Of(other).String()
	return url.Values{"workspace": {id}, "workspace_id": {id}, "id": {"host"}, "agent": {"main"}, "agent_id": {id}, "owner": {string(other.Spec.Owner.User)}}.Encode()
}

// ownTokens has two agents ask for their owners' tokens.
func ownTokens(route string) func(context.Context, *world) {
	return func(ctx context.Context, w *world) {
		GinkgoHelper()
		at := linking(idp.NewGitHost(GinkgoTB()), &later{})
		v := w.naming(ctx, "host")
		mine, peers := w.runsAt(ctx, at, w.member, v), w.runsAt(ctx, at, w.peer, v)
		linked(ctx, at, w.member)
		path := "/api/v2/workspaceagents/me/" + route + "?"
		Expect(gets(ask(ctx, sessionAt(at, peers.token), "GET", path+foreignQuery(mine.Workspace), nil)).AccessToken).To(BeEmpty())
		linked(ctx, at, w.peer)
		a := gets(ask(ctx, sessionAt(at, mine.token), "GET", path+foreignQuery(peers.Workspace), nil))
		b := gets(ask(ctx, sessionAt(at, peers.token), "GET", path+foreignQuery(mine.Workspace), nil))
		Expect(a.AccessToken).NotTo(Equal(b.AccessToken))
		Expect([]string{a.AccessToken, b.AccessToken}).To(Equal([]string{gets(mine.asks(ctx, "id=host")).AccessToken, gets(peers.asks(ctx, "id=host")).AccessToken}))
	}
}

// ownClaims has two prepared pods claimed.
func ownClaims(ctx context.Context, w *world) {
	GinkgoHelper()
	v := w.personal(ctx)
	a, b := w.prepare(ctx, v), w.prepare(ctx, v)
	ofA, ofB := a.upgraded(ctx, env.server), b.upgraded(ctx, env.server)
	first, second := b.claim(ctx), a.claim(ctx)
	Expect(told(ctx, ofB).Env).To(ContainElement(agentsdk.EnvVar{Name: "BERTH_WORKSPACE_NAME", Value: first.Name}))
	Expect(told(ctx, ofA).Env).To(ContainElement(agentsdk.EnvVar{Name: "BERTH_WORKSPACE_NAME", Value: second.Name}))
}

var _ = Describe("Every route, as an agent", Ordered, ContinueOnFailure, func() {
	var w *world
	var still *v1alpha1.Workspace
	var running, prepared, claimed door
	var otherWays, aggregatedWays map[string]door

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		still = w.workspace(ctx)
		of := w.runsAt(ctx, env.server, w.member, w.version)
		p, c := w.prepare(ctx, w.version), w.prepare(ctx, w.personal(ctx))
		conn := c.upgraded(ctx, env.server)
		c.claim(ctx)
		secret := told(ctx, conn).Secret
		Expect(conn.Write(ctx, websocket.MessageText, []byte("{}"))).To(Succeed())
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusNormalClosure))
		running, prepared, claimed = session(of.token), session(p.token), session(c.token).with(agentsdk.SecretHeader, secret)
		otherWays = map[string]door{
			"as a bearer":        session("").with("Authorization", "Bearer "+of.token),
			"as a cookie":        session("").with("Cookie", plainCookie+"="+of.token),
			"as an app's cookie": session("").with("Cookie", appCookie+"="+of.token),
			"twice":              session("").with(agentsdk.TokenHeader, of.token, of.token+"x"),
		}
		byToken := func(token string) door {
			config := rest.AnonymousClientConfig(env.Config)
			config.BearerToken = token
			return aggregated(config)
		}
		// The kube-apiserver knows no token of our audience; one of its own is that of the namespace's account, and no User's.
		aggregatedWays = map[string]door{
			"the agent's token":       byToken(of.token),
			"a token for the cluster": byToken(mint(ctx, p.Namespace, p.pod)),
		}
		Eventually(func() int {
			return ask(ctx, aggregatedWays["a token for the cluster"], "GET", "/api/v2/users/me", nil).Status
		}).
			WithTimeout(10 * time.Second).Should(Equal(http.StatusForbidden))
	})

	// asks has an agent ask for the route as its row does, and wants the status, and not a word of anybody's.
	asks := func(ctx context.Context, name string, d door, route httpapi.Route, want int) {
		GinkgoHelper()
		r := rowOf(route)
		if route.Door.ForAgents() { // the agents of a pod say which of them they are
			asked := r.path
			r.path = func(w *world, ws *v1alpha1.Workspace) string { return asked(w, ws) + "&agent=main" }
		}
		a := send(ctx, w, d, route, r, still)
		Expect(a.Status).To(Equal(want), "%s: %s", name, a.Body)
		for _, canary := range []string{w.member.Name, w.member.Spec.Email, ids.Of(w.template).String(), still.Name} {
			Expect(string(a.Body)).NotTo(ContainSubstring(canary), name)
		}
		Expect(a.Header).NotTo(HaveKey("Location"), name)
		Expect(a.Header).NotTo(HaveKey("Set-Cookie"), name)
	}

	for _, route := range apiserver.Routes(apiserver.Deps{}) {
		It("lets in the agents for whom it is, and no other: "+route.String(), func(ctx SpecContext) {
			Expect(rowOf(route).path).NotTo(BeNil(), "the route has no row: say who may use it")
			want, there := agents[route.String()]
			Expect(there).To(Equal(route.Door.ForAgents()), "a route has a row among agents where agents are let in: say what each gets")
			stranger := rowOf(route).nobody
			if route.Door.NeedsCaller() {
				stranger = http.StatusUnauthorized
			}
			if !there {
				want = agentRow{running: stranger, prepared: stranger, claimed: stranger}
			}
			asks(ctx, "of a running workspace", running, route, want.running)
			asks(ctx, "of a prepared pod", prepared, route, want.prepared)
			asks(ctx, "of a claimed pod", claimed, route, want.claimed)
			for name, d := range otherWays {
				asks(ctx, name, d, route, stranger)
			}
			asks(ctx, "with a front proxy's word, which nobody believes here", running.with("X-Remote-User", w.owner.Spec.Subjects[0].Name), route, want.running)
			if there {
				Expect(want.own).NotTo(BeNil(), "say how an agent is answered about its own workspace alone")
				want.own(ctx, w)
			}
			if !route.Door.Aggregated() {
				return
			}
			asks(ctx, "the agent's token, aggregated", aggregatedWays["the agent's token"], route, http.StatusUnauthorized)
			known := rowOf(route).nobody
			if route.Door.NeedsCaller() {
				known = http.StatusForbidden
			}
			asks(ctx, "a token for the cluster, aggregated", aggregatedWays["a token for the cluster"], route, known)
		}, NodeTimeout(2*time.Minute))
	}
})
