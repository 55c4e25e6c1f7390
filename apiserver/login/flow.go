// SPDX-License-Identifier: Apache-2.0

package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth/internal/signin"
)

const (
	// flowCookie holds a sign-in on its way, and convertCookie that its person may change how the account signs in.
	flowCookie    = "oauth_state"
	convertCookie = "oauth_convert"
	hostPrefix    = "__Host-"
	// flowLifetime is how long a person may take at the provider.
	flowLifetime = 10 * time.Minute
	// maxRedirect is how long the path may be to which a sign-in leads.
	maxRedirect = 1024
)

// flow is a sign-in on its way, as the browser's cookie holds it. What the provider sees and what proves that it is the same
// browser that comes back follow from the one secret, so that nothing is kept here.
type flow struct {
	// secret is random.
	secret string
	// converts says that it was begun to change how an account signs in.
	converts bool
	// to is the path to which it leads.
	to string
}

func newFlow(to string, converts bool) flow {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	return flow{secret: base64.RawURLEncoding.EncodeToString(random), converts: converts, to: to}
}

// String is the cookie's value.
func (f flow) String() string {
	kind := "s"
	if f.converts {
		kind = "c"
	}
	return f.secret + "." + kind + "." + base64.RawURLEncoding.EncodeToString([]byte(f.to))
}

// readFlow reads a cookie's value.
func readFlow(text string) (flow, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) != base64.RawURLEncoding.EncodedLen(32) || parts[1] != "s" && parts[1] != "c" {
		return flow{}, false
	}
	to, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !localPath(string(to)) {
		return flow{}, false
	}
	return flow{secret: parts[0], converts: parts[1] == "c", to: string(to)}, true
}

// at is the flow for one provider; a code of another provider is of no use in it.
func (f flow) at(redirectURL string) signin.Flow {
	part := func(name string) string {
		sum := sha256.Sum256([]byte(name + "\x00" + redirectURL + "\x00" + f.secret))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return signin.Flow{State: part("state"), Nonce: part("nonce"), Verifier: part("verifier"), RedirectURL: redirectURL}
}

// localPath tells whether a text leads to this very site, whatever browser reads it: one slash and then no second one, and
// nothing that a browser takes for a slash or leaves out.
func localPath(text string) bool {
	if len(text) > maxRedirect || !strings.HasPrefix(text, "/") {
		return false
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' || c > 0x7e }) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" && !strings.Contains(u.Path, "//") &&
		!strings.Contains(u.Path, "\\") && !strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// short is a cookie for a few minutes of one browser. It must come along when another site, the provider, leads back, so
// it is Lax.
func (h *Handlers) short(name, value string, age time.Duration) *http.Cookie {
	seconds := int(age / time.Second)
	if seconds == 0 {
		seconds = -1
	}
	return &http.Cookie{Name: h.cookieName(name), Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode}
}

// cookieName is a cookie's name; on https browsers take it from this very host only.
func (h *Handlers) cookieName(name string) string {
	if h.Secure {
		return hostPrefix + name
	}
	return name
}

// sent is the value of a short cookie; empty when the browser sent none, or several, of which nobody can tell which is meant.
func (h *Handlers) sent(r *http.Request, name string) string {
	cookies := r.CookiesNamed(h.cookieName(name))
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}
