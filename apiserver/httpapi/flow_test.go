// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

// A flow leads to this very site, whatever a browser makes of the text.
func TestFlowsLeadNowhereElse(t *testing.T) {
	for text, want := range map[string]bool{
		"/": true, "/workspaces": true, "/templates/go-dev?tab=files&x=https://example.org": true, "/a#b": true, "/%20": true, "/~ada": true,
		"": false, "workspaces": false, "//evil.test": false, "///evil.test": false, `/\evil.test`: false, `\\evil.test`: false, `\/evil.test`: false,
		"https://evil.test": false, "https:evil.test": false, "https:/evil.test": false, "javascript:alert(1)": false, "//evil.test/..": false,
		"/\t/evil.test": false, "/\n/evil.test": false, "/\r\nSet-Cookie: x=y": false, "\t//evil.test": false, " //evil.test": false, "/ /evil.test": false,
		"/\x00": false, "/%0d%0aX: y": false, "/%5cevil.test": false, "/%2f%2fevil.test": false, "/..//evil.test": false, "/a//b": false, "/%00": false,
		"/\u2028": false, "/é": false, "@evil.test": false, ".evil.test": false, "/" + strings.Repeat("x", 2000): false, "/%zz": false,
	} {
		if have := LocalPath(text); have != want {
			t.Errorf("%q leads to this site: %v, want %v", text, have, want)
		}
	}
}

// What a browser holds for a few minutes it gives to nobody else.
func TestShortCookies(t *testing.T) {
	secure := ShortCookies{Secure: true}.Set("oauth_state", "x", FlowLifetime)
	if secure.Name != "__Host-oauth_state" || !secure.Secure || !secure.HttpOnly || secure.SameSite != http.SameSiteLaxMode || secure.Path != "/" ||
		secure.Domain != "" || secure.MaxAge != 600 {
		t.Errorf("%+v", secure)
	}
	if gone := (ShortCookies{}).Set("oauth_state", "", 0); gone.MaxAge != -1 || gone.Name != "oauth_state" {
		t.Errorf("%+v", gone)
	}
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "oauth_state=a; oauth_state=b")
	if sent := (ShortCookies{}).Sent(r, "oauth_state"); sent != "" {
		t.Errorf("of two cookies %q counts", sent)
	}
}
