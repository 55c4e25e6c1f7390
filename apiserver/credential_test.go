// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// A credential that opens nothing, and what a route that needs a caller answers to it.
type credential struct {
	door door
	want int
}

var _ = Describe("A credential that is not good", Ordered, func() {
	var w *world
	// asked is one request for each route; none of them is let in, so nothing of it changes.
	type asked struct {
		route httpapi.Route
		path  string
		body  any
		media string
	}
	var requests []asked
	var canaries []string
	var bad map[string]credential

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		still := w.workspace(ctx)
		canaries = []string{ids.Of(w.template).String(), ids.Of(still).String(), ids.Of(w.organization).String(), ids.Of(w.member.User).String(),
			w.member.Name, w.member.Spec.Email, w.organization.Name, still.Name}
		for _, route := range apiserver.Routes(apiserver.Deps{}) {
			r := rowOf(route)
			Expect(r.path).NotTo(BeNil(), "%s has no row: say who may use it", route)
			one := asked{route: route, path: r.path(w, still), media: r.media}
			if r.body != nil {
				one.body = r.body(w)
			}
			requests = append(requests, one)
		}

		proofs := credentials.New(env.Client, namespace, time.Now)
		good := w.owner.session.header.Get("Coder-Session-Token")
		token := func(u *v1alpha1.User, by *credentials.Store, want credentials.Token) string {
			text, _, err := by.IssueToken(ctx, u, ids.Of(u), want)
			Expect(err).NotTo(HaveOccurred())
			return text
		}
		changed := good[:len(good)-1] + map[bool]string{true: "a", false: "b"}[good[len(good)-1] != 'a']
		expired := token(w.owner.User, credentials.New(env.Client, namespace, func() time.Time { return time.Now().Add(-2 * time.Hour) }),
			credentials.Token{Name: "expired", Scope: credentials.ScopeAll, Lifetime: time.Hour})
		scoped := token(w.owner.User, proofs, credentials.Token{Name: "scoped", Scope: credentials.ScopeApplicationConnect, Lifetime: time.Hour})
		odd := token(w.owner.User, proofs, credentials.Token{Name: "odd", Scope: "everything", Lifetime: time.Hour})
		revoked := token(w.owner.User, proofs, credentials.Token{Name: "revoked", Scope: credentials.ScopeAll, Lifetime: time.Hour})
		Eventually(func() int { return me(ctx, session(revoked)) }).WithTimeout(30 * time.Second).Should(Equal(http.StatusOK))
		id, _, _ := strings.Cut(revoked, "-")
		Expect(ask(ctx, w.owner.session, "DELETE", "/api/v2/users/me/keys/"+id, nil).Status).To(Equal(http.StatusNoContent))

		owner := func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} }
		suspended, gone, doubted := newPerson(ctx, w.organization.Name, owner), newPerson(ctx, w.organization.Name, owner), newPerson(ctx, w.organization.Name, owner)
		Expect(env.Client.Patch(ctx, suspended.User, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`)))).To(Succeed())
		Expect(env.Client.Delete(ctx, gone.User)).To(Succeed())
		twin := given.User(unique("twin"), func(u *v1alpha1.User) { u.Spec.Subjects = doubted.Spec.Subjects })
		Expect(env.Client.Create(ctx, twin)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, twin)).To(Succeed()) })
		unlisted, err := env.AddUser("oidc:" + unique("eve"))
		Expect(err).NotTo(HaveOccurred())

		proxy := direct(env.proxy.certificate)
		bad = map[string]credential{
			"none":                               {session(""), 401},
			"an empty token":                     {session("").with("Coder-Session-Token", ""), 401},
			"a made-up token":                    {session("0123456789-0123456789012345678901"), 401},
			"text":                               {session("let me in"), 401},
			"a good token's id, another's proof": {session(changed), 401},
			"an expired token":                   {session(expired), 401},
			"a revoked token":                    {session(revoked), 401},
			"a token for apps":                   {session(scoped), 403},
			"a token of an unknown scope":        {session(odd), 403},
			"a suspended owner's session":        {suspended.session, 401},
			"a session of who is deleted":        {gone.session, 401},
			"a bearer of nothing":                {session("").with("Authorization", "Bearer"), 401},
			"a name and a password":              {session("").with("Authorization", "Basic YTpi"), 401},
			"two tokens":                         {session(good).with("Authorization", "Bearer "+scoped), 401},
			"a cookie, from another site":        {session("").with("Cookie", plainCookie+"="+good).with("Sec-Fetch-Site", "cross-site"), 401},
			"an identity header":                 {session("").with("X-Remote-User", w.owner.Spec.Subjects[0].Name), 401},

			"no identity":                        {proxy, 401},
			"the identity without the proof":     {direct(nil).with("X-Remote-User", w.owner.Spec.Subjects[0].Name), 401},
			"a good token at the other door":     {direct(nil).with("Coder-Session-Token", good), 401},
			"an identity that no User lists":     {aggregated(unlisted), 403},
			"an identity that two Users list":    {doubted.aggregated, 403},
			"a suspended owner's identity":       {suspended.aggregated, 401},
			"an identity of who is deleted":      {gone.aggregated, 403},
			"the server's own account":           {proxy.with("X-Remote-User", "system:serviceaccount:"+namespace+":"+service), 403},
			"a cluster's administrator, no User": {proxy.with("X-Remote-User", "kubernetes-admin").with("X-Remote-Group", "system:masters"), 403},
		}
		for name, c := range bad {
			Eventually(func() int { return me(ctx, c.door) }).WithTimeout(30*time.Second).Should(Equal(c.want), name)
		}
	})

	It("opens no route, at neither door, and tells nothing", func(ctx SpecContext) {
		for name, c := range bad {
			for _, r := range requests {
				if c.door.aggregated && !r.route.Door.Aggregated() {
					continue
				}
				d := c.door
				if r.media != "" {
					d = d.with("Content-Type", r.media)
				}
				a := ask(ctx, d, r.route.Method, r.path, r.body)
				if name == "a cookie, from another site" && r.route.Method != http.MethodGet {
					Expect(a.Status).To(Equal(http.StatusForbidden), "%s: %s", r.route, a.Body)
					continue
				}
				if !r.route.Door.NeedsCaller() {
					// Who asks is not looked at; but behind the kube-apiserver somebody must be there.
					Expect(a.Status).To(BeElementOf(rowOf(r.route).nobody, c.want), "%s: %s: %s", name, r.route, a.Body)
					continue
				}
				want := c.want
				if r.route.Door == httpapi.Provider {
					want = http.StatusUnauthorized // whatever a person shows is no provider's key
				}
				Expect(a.Status).To(Equal(want), "%s: %s: %s", name, r.route, a.Body)
				for _, canary := range canaries {
					Expect(string(a.Body)).NotTo(ContainSubstring(canary), "%s: %s", name, r.route)
				}
				Expect(a.Header).NotTo(HaveKey("Location"), "%s: %s", name, r.route)
			}
		}
	})

	It("V 31: of another organization shows nothing of this one, at neither door", func(ctx SpecContext) {
		for _, r := range requests {
			if !r.route.Door.NeedsCaller() || r.route.Asks() == authz.Authenticate {
				continue
			}
			for _, d := range []door{w.stranger.session, w.stranger.aggregated} {
				if d.aggregated && !r.route.Door.Aggregated() {
					continue
				}
				if r.media != "" {
					d = d.with("Content-Type", r.media)
				}
				a := ask(ctx, d, r.route.Method, r.path, r.body)
				Expect(a.Status).To(Equal(rowOf(r.route).stranger), "%s: %s", r.route, a.Body)
				Expect(a.Header).NotTo(HaveKey("Location"), r.route.String())
				for _, canary := range canaries {
					Expect(string(a.Body)).NotTo(ContainSubstring(canary), r.route.String())
				}
			}
		}
	})
})
