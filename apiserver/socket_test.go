// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/apiserver"
)

var _ = Describe("A websocket", Ordered, func() {
	var w *world
	var logs string
	// paths are those of the routes that answer an upgrade.
	paths := map[string]string{}

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		_, logs = w.working(ctx)
		still := w.workspace(ctx)
		for _, r := range apiserver.Routes(apiserver.Deps{}) {
			if r.Upgrades() {
				paths[r.String()] = rowOf(r).path(w, still)
			}
		}
		Expect(paths).To(HaveLen(3), "of builds, versions and dry runs")
		paths["a build at work"] = logs
	})

	It("V 28, V 29: is refused before the switch to whoever has no right to it, and to other sites' pages", func(ctx SpecContext) {
		token := w.owner.session.header.Get("Coder-Session-Token")
		// a session in a cookie, as a browser sends it along from a page of the origin
		page := func(origin string) door {
			return session("").with("Cookie", plainCookie+"="+token).with("Origin", origin)
		}
		for name, c := range map[string]struct {
			door door
			want int
		}{
			"nobody":                          {session(""), http.StatusUnauthorized},
			"a made-up token":                 {session("0123456789-0123456789012345678901"), http.StatusUnauthorized},
			"a peer":                          {w.peer.session, http.StatusNotFound},
			"a stranger":                      {w.stranger.session, http.StatusNotFound},
			"an auditor":                      {w.auditor.session, http.StatusSwitchingProtocols},
			"the site's page":                 {page("http://berth.test"), http.StatusSwitchingProtocols},
			"a program's cookie":              {session("").with("Cookie", plainCookie+"="+token), http.StatusSwitchingProtocols},
			"null":                            {page("null"), http.StatusForbidden},
			"an empty origin":                 {page(""), http.StatusForbidden},
			"another port":                    {page("http://berth.test:8080"), http.StatusForbidden},
			"another scheme":                  {page("https://berth.test"), http.StatusForbidden},
			"a sibling":                       {page("http://app.berth.test"), http.StatusForbidden},
			"a look-alike":                    {page("http://evilberth.test"), http.StatusForbidden},
			"a suffix look-alike":             {page("http://berth.test.evil.example"), http.StatusForbidden},
			"another site":                    {page("http://evil.example"), http.StatusForbidden},
			"with a cached name and password": {page("http://evil.example").with("Authorization", "Basic YTpi"), http.StatusForbidden},
			"as the browser says":             {page("http://berth.test").with("Sec-Fetch-Site", "cross-site"), http.StatusUnauthorized},
			"two cookies":                     {page("http://berth.test").with("Cookie", plainCookie+"="+token+"; "+plainCookie+"=x"), http.StatusUnauthorized},
		} {
			for route, path := range paths {
				if strings.Contains(route, "templateversions/{templateversion}/logs") && name == "a peer" {
					continue // who may use the template sees its log
				}
				_, status := follow(ctx, c.door, path)
				Expect(status).To(Equal(c.want), "%s: %s", name, route)
			}
		}
	})
})
