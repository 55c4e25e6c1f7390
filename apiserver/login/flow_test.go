// SPDX-License-Identifier: Apache-2.0

package login

import (
	"net/http"
	"strings"
	"testing"
)

// A sign-in leads to this very site, whatever a browser makes of the text.
func TestSignInLeadsNowhereElse(t *testing.T) {
	for text, want := range map[string]bool{
		"/": true, "/workspaces": true, "/templates/go-dev?tab=files&x=https://example.org": true, "/a#b": true, "/%20": true, "/~ada": true,
		"": false, "workspaces": false, "//evil.test": false, "///evil.test": false, `/\evil.test`: false, `\\evil.test`: false, `\/evil.test`: false,
		"https://evil.test": false, "https:evil.test": false, "https:/evil.test": false, "javascript:alert(1)": false, "//evil.test/..": false,
		"/\t/evil.test": false, "/\n/evil.test": false, "/\r\nSet-Cookie: x=y": false, "\t//evil.test": false, " //evil.test": false, "/ /evil.test": false,
		"/\x00": false, "/%0d%0aX: y": false, "/%5cevil.test": false, "/%2f%2fevil.test": false, "/..//evil.test": false, "/a//b": false, "/%00": false,
		"/\u2028": false, "/é": false, "@evil.test": false, ".evil.test": false, "/" + strings.Repeat("x", 2000): false, "/%zz": false,
	} {
		if have := localPath(text); have != want {
			t.Errorf("%q leads to this site: %v, want %v", text, have, want)
		}
	}
}

func TestFlow(t *testing.T) {
	f := newFlow("/workspaces?q=a.b", true)
	read, ok := readFlow(f.String())
	if !ok || read != f {
		t.Fatalf("%+v comes back as %+v", f, read)
	}
	again, fresh := newFlow("/", false).at("x"), newFlow("/", false).at("x")
	one, other := f.at("https://berth.example/one"), f.at("https://berth.example/other")
	if one != read.at("https://berth.example/one") {
		t.Error("one flow is two")
	}
	for name, same := range map[string]bool{
		"two providers' states": one.State == other.State, "two providers' nonces": one.Nonce == other.Nonce,
		"two providers' verifiers": one.Verifier == other.Verifier, "state and nonce": one.State == one.Nonce, "state and verifier": one.State == one.Verifier,
		"two flows": again.State == fresh.State, "state and secret": strings.Contains(one.State, f.secret),
	} {
		if same {
			t.Error(name + " are the same")
		}
	}
	if len(one.Verifier) != 43 {
		t.Errorf("a verifier has 43 to 128 characters, not %d", len(one.Verifier))
	}
	whole := f.String()
	for _, bad := range []string{"", ".", "..", whole[1:], "x" + whole, whole + ".", strings.Replace(whole, ".c.", ".x.", 1), strings.Replace(whole, ".c.", ".", 1),
		strings.Repeat("A", 43) + ".s.!", strings.Repeat("A", 43) + ".s.Ly9ldmlsLnRlc3Q" /* //evil.test */} {
		if f, ok := readFlow(bad); ok {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
}

// What a browser holds for a few minutes it gives to nobody else.
func TestShortCookies(t *testing.T) {
	secure := (&Handlers{Secure: true}).short(flowCookie, "x", flowLifetime)
	if secure.Name != "__Host-oauth_state" || !secure.Secure || !secure.HttpOnly || secure.SameSite != http.SameSiteLaxMode || secure.Path != "/" ||
		secure.Domain != "" || secure.MaxAge != 600 {
		t.Errorf("%+v", secure)
	}
	if gone := (&Handlers{}).short(flowCookie, "", 0); gone.MaxAge != -1 || gone.Name != "oauth_state" {
		t.Errorf("%+v", gone)
	}
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "oauth_state=a; oauth_state=b")
	if sent := (&Handlers{}).sent(r, flowCookie); sent != "" {
		t.Errorf("of two cookies %q counts", sent)
	}
}
