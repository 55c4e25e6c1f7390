// SPDX-License-Identifier: Apache-2.0

package authn

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/fault"
)

func TestOneTokenOrNone(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		query  string
		secure bool
		want   string
		refuse bool
	}{
		"none":                           {},
		"a header":                       {header: http.Header{"Coder-Session-Token": {"a"}}, want: "a"},
		"a bearer":                       {header: http.Header{"Authorization": {"bEaReR  a "}}, want: "a"},
		"a query":                        {query: "a", want: "a"},
		"a cookie":                       {header: http.Header{"Cookie": {"coder_session_token=a"}}, want: "a"},
		"a cookie of this host":          {header: http.Header{"Cookie": {"__Host-coder_session_token=a"}}, want: "a"},
		"another cookie":                 {header: http.Header{"Cookie": {"coder_session_token_=a; xcoder_session_token=b"}}},
		"the same twice":                 {header: http.Header{"Coder-Session-Token": {"a"}, "Authorization": {"Bearer a"}}, query: "a", want: "a"},
		"two headers":                    {header: http.Header{"Coder-Session-Token": {"a", "b"}}, refuse: true},
		"a header and a query":           {header: http.Header{"Coder-Session-Token": {"a"}}, query: "b", refuse: true},
		"an empty header and a query":    {header: http.Header{"Coder-Session-Token": {""}}, query: "b", want: "b"},
		"a header and a cookie":          {header: http.Header{"Coder-Session-Token": {"a"}, "Cookie": {"coder_session_token=b"}}, want: "a"},
		"a header and two cookies":       {header: http.Header{"Coder-Session-Token": {"a"}, "Cookie": {"coder_session_token=b; coder_session_token=b"}}, refuse: true},
		"cookies of both names":          {header: http.Header{"Cookie": {"coder_session_token=a; __Host-coder_session_token=a"}}, refuse: true},
		"cookies in two lines":           {header: http.Header{"Cookie": {"coder_session_token=a", "coder_session_token=a"}}, refuse: true},
		"a browser's, of another site":   {header: http.Header{"Cookie": {"coder_session_token=a"}, "Sec-Fetch-Site": {"same-site"}}, refuse: true},
		"a program's, by the plain name": {header: http.Header{"Cookie": {"coder_session_token=a"}}, secure: true, want: "a"},
		"a browser's, by the plain name": {header: http.Header{"Cookie": {"coder_session_token=a"}, "Sec-Fetch-Site": {"same-origin"}}, secure: true, refuse: true},
		"a websocket's, by the plain name": {header: http.Header{"Cookie": {"coder_session_token=a"}, "Origin": {"https://berth.test"}},
			secure: true, refuse: true},
		"a browser's, by the host's name": {header: http.Header{"Cookie": {"__Host-coder_session_token=a"}, "Sec-Fetch-Site": {"same-origin"}},
			secure: true, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/api/v2/users/me", nil)
			r.Header = c.header
			if c.query != "" {
				r.URL.RawQuery = "coder_session_token=" + c.query
			}
			have, err := (&Session{Secure: c.secure}).token(r)
			if have != c.want || (err != nil) != c.refuse || err != nil && !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%q, %v; want %q, refused: %v", have, err, c.want, c.refuse)
			}
		})
	}
}

// FuzzCarried: whatever a request's headers and query are, the token is one that it carries or there is none, and what is
// refused is refused in words that repeat nothing.
func FuzzCarried(f *testing.F) {
	f.Add("a", "Bearer a", "coder_session_token=a", "coder_session_token=a", "same-origin", true)
	f.Add("", "bearer", "__Host-coder_session_token=\"a\"; coder_session_token", "%zz", "", false)
	f.Add("0123456789-0123456789012345678901", "Basic YTpi", "coder_session_token=a;coder_session_token=b", "coder_session_token=a&coder_session_token=b", "cross-site", true)
	f.Fuzz(func(t *testing.T, header, authorization, cookie, query, site string, secure bool) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/api/v2/users/me", RawQuery: query}, Header: http.Header{}}
		r.Header["Coder-Session-Token"], r.Header["Authorization"], r.Header["Cookie"] = []string{header}, []string{authorization}, []string{cookie}
		if site != "" {
			r.Header["Sec-Fetch-Site"] = []string{site}
		}
		token, err := (&Session{Secure: secure}).token(r)
		if err != nil {
			if token != "" || !fault.Is(err, fault.Unauthenticated) {
				t.Fatalf("%q, %v", token, err)
			}
			return
		}
		if token == "" || token == header || strings.HasSuffix(strings.TrimSpace(authorization), token) || r.URL.Query().Get("coder_session_token") == token {
			return
		}
		if !strings.Contains(cookie, token) || site != "" && site != "none" && site != "same-origin" {
			t.Errorf("%q is in none of %q, %q, %q, %q", token, header, authorization, cookie, query)
		}
	})
}
