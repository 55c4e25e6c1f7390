// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/authz"
)

// saying is a request's headers.
type saying map[string][]string

func TestAdvisory_V27_APageOfAnotherSiteChangesNothing(t *testing.T) {
	changed := 0
	route := Route{Path: "/api/v2/thing", Tag: "Test", Door: Session, Action: authz.Update, Status: 204,
		Do: Plain(func(context.Context, None) (None, error) { changed++; return None{}, nil })}
	routes := []Route{}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		route.Method = method
		routes = append(routes, route)
	}
	reading := route
	reading.Method, reading.Action = "GET", authz.Read
	routes = append(routes, reading)

	const program, ours, theirs = "a program", "https://berth.example", "https://evil.example"
	for name, c := range map[string]struct {
		says saying
		want bool
	}{
		program:                                {nil, true},
		"the site's page":                      {saying{"Sec-Fetch-Site": {"same-origin"}, "Origin": {ours}}, true},
		"no page":                              {saying{"Sec-Fetch-Site": {"none"}}, true},
		"without referrer":                     {saying{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}}, true},
		"behind a proxy that changes the host": {saying{"Sec-Fetch-Site": {"same-origin"}, "Origin": {ours}, "Host": {"10.0.0.1"}}, true},
		"a sibling":                            {saying{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.berth.example"}}, false},
		"another site":                         {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}}, false},
		"made up":                              {saying{"Sec-Fetch-Site": {"yes"}, "Origin": {ours}}, false},
		"in capitals":                          {saying{"Sec-Fetch-Site": {"Same-Origin"}}, false},
		"empty":                                {saying{"Sec-Fetch-Site": {""}}, false},
		"two words":                            {saying{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		"two in one":                           {saying{"Sec-Fetch-Site": {"same-origin, cross-site"}}, false},
		"no-cors":                              {saying{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}}, false},
		"a form":                               {saying{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-User": {"?1"}, "Origin": {theirs}}, false},
		"a sibling's no-cors":                  {saying{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}}, false},
		"our no-cors":                          {saying{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"no-cors"}}, true},
		"older, the site's":                    {saying{"Origin": {ours}}, true},
		"older, another's":                     {saying{"Origin": {theirs}}, false},
		"older, null":                          {saying{"Origin": {"null"}}, false},
		"older, empty":                         {saying{"Origin": {""}}, false},
		"older, http":                          {saying{"Origin": {"http://berth.example"}}, false},
		"older, another port":                  {saying{"Origin": {"https://berth.example:8443"}}, false},
		"older, a sibling":                     {saying{"Origin": {"https://app.berth.example"}}, false},
		"older, a look-alike":                  {saying{"Origin": {"https://berth.example.evil.example"}}, false},
		"older, a prefix":                      {saying{"Origin": {"https://evilberth.example"}}, false},
		"older, with a name":                   {saying{"Origin": {"https://berth.example@evil.example"}}, false},
		"older, two":                           {saying{"Origin": {ours, theirs}}, false},
		"a token in a header":                  {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "Coder-Session-Token": {"x"}}, true},
		"a bearer token":                       {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "Authorization": {"Bearer x"}}, true},
		"no bearer token":                      {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "Authorization": {"Bearer "}}, false},
		"a proxy's password":                   {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "Authorization": {"Basic YTpi"}}, false},
		"an empty header":                      {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "Coder-Session-Token": {""}}, false},
		"their CSRF token":                     {saying{"Sec-Fetch-Site": {"cross-site"}, "Origin": {theirs}, "X-Csrf-Token": {"x"}, "Cookie": {"csrf_token=x"}}, false},
		"the page's CSRF token":                {saying{"Sec-Fetch-Site": {"same-origin"}, "X-Csrf-Token": {"x"}, "Cookie": {"csrf_token=x"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveAt(t, "https://berth.example", routes...)
			for _, r := range routes {
				ask := func(h http.Handler, path string) int {
					request := httptest.NewRequest(r.Method, path, nil)
					request.Host = "berth.example"
					for header, values := range c.says {
						request.Header[header] = values
					}
					if host := request.Header.Get("Host"); host != "" {
						request.Host = host
					}
					request.Header.Set("Caller", "ada")
					w := httptest.NewRecorder()
					h.ServeHTTP(w, request)
					return w.Code
				}
				want, before := http.StatusForbidden, changed
				if c.want || r.Method == http.MethodGet {
					want = http.StatusNoContent
				}
				if have := ask(s.session, "/api/v2/thing"); have != want || (changed > before) != (want == http.StatusNoContent) {
					t.Errorf("%s: %d, want %d", r.Method, have, want)
				}
				if have := ask(s.aggregated, AggregatedPrefix+"thing"); have != http.StatusNoContent {
					t.Errorf("%s: %d at the aggregated door, which takes no cookie", r.Method, have)
				}
			}
		})
	}
}

// Where nobody said by which name people reach the server, it is the one that they ask for.
func TestTheSiteIsTheHostWhereNoOtherIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		origin string
		want   bool
	}{
		"http": {"http://10.0.0.1:8080", true}, "https, by a proxy": {"https://10.0.0.1:8080", true}, "another port": {"http://10.0.0.1", false},
		"another host": {"http://10.0.0.2:8080", false}, "a path": {"http://10.0.0.1:8080/", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api/v2/users/login", strings.NewReader("{}"))
			r.Host = "10.0.0.1:8080"
			r.Header.Set("Origin", c.origin)
			if err := checkWrite(r, ""); (err == nil) != c.want {
				t.Errorf("%s: %v", c.origin, err)
			}
		})
	}
}
