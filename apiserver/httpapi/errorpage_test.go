// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

func TestWantsPage(t *testing.T) {
	for accept, want := range map[string]bool{
		browsers: true, "text/html": true, "TEXT/HTML; charset=utf-8": true, "application/json;q=0.5, text/html": true,
		"": false, "*/*": false, "application/json": false, "application/json, text/html": false, "text/html;q=0": false,
		"text/html;q=x": false, "text/htmlx": false, "application/xhtml+xml": false, "text/html;q=NaN": false, "text/*": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := wantsPage(r); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}

// Whatever a refusal says, a browser shows it as text and runs nothing of it.
func TestAdvisory_V20_AnErrorPageIsText(t *testing.T) {
	const hostile = `<script>alert(1)</script>"'&<img src=x onerror=y>`
	f := fault.New(fault.Forbidden, "%s", hostile)
	f.Detail, f.Fields = hostile, []fault.Field{{Path: hostile, Detail: hostile}}
	s := serve(t,
		Route{Method: "GET", Path: "/led", Door: AnyoneDirect, Action: authz.Authenticate, Status: 307, Do: Redirect(func(*http.Request) (Redirection, error) {
			return Redirection{Cookies: []*http.Cookie{{Name: "spent", MaxAge: -1}}}, f
		})},
		Route{Method: "GET", Path: "/api/v2/x", Door: AnyoneDirect, Action: authz.Read, Status: 200, Do: Raw(func(http.ResponseWriter, *http.Request) error { return f })})
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.session.ServeHTTP(w, r)
		return w
	}
	w := get("/led", browsers)
	if w.Code != http.StatusForbidden || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Vary") != "Accept" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if have := w.Header().Get("Content-Security-Policy"); have != pagePolicy {
		t.Errorf("policy %q", have)
	}
	if !strings.Contains(w.Header().Get("Set-Cookie"), "spent=") {
		t.Error("the cookie does not go")
	}
	body := w.Body.String()
	for _, live := range []string{"<script", "<img", "<style", "<link", "<form", "href", "src=\""} {
		if strings.Contains(body, live) {
			t.Errorf("the page has %q: %s", live, body)
		}
	}
	if strings.Count(body, "&lt;script&gt;alert(1)") != 4 {
		t.Errorf("the page does not say all: %s", body)
	}
	for path, accept := range map[string]string{"/led": "application/json", "/api/v2/x": browsers, "/nowhere": browsers} {
		if have := get(path, accept).Header().Get("Content-Type"); have != "application/json; charset=utf-8" {
			t.Errorf("%s as %s: %q", path, accept, have)
		}
	}
}
