// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	hostPrefix = "__Host-"
	// FlowLifetime is how long a person may take at a provider.
	FlowLifetime = 10 * time.Minute
	// maxFlowPath is how long the path may be to which a flow leads.
	maxFlowPath = 1024
)

// Flow is a way by a provider and back, as the browser's cookie holds it. What the provider sees and what proves that it is
// the same browser that comes back follow from the one secret, so that nothing is kept here.
type Flow struct {
	// Secret is random.
	Secret string
	// Kind is a letter that says what was begun.
	Kind string
	// To is the path to which it leads.
	To string
}

// NewFlow begins one.
func NewFlow(kind, to string) Flow {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	return Flow{Secret: base64.RawURLEncoding.EncodeToString(random), Kind: kind, To: to}
}

// String is the cookie's value.
func (f Flow) String() string {
	return f.Secret + "." + f.Kind + "." + base64.RawURLEncoding.EncodeToString([]byte(f.To))
}

// ReadFlow reads a cookie's value, which must be of one of the kinds.
func ReadFlow(text, kinds string) (Flow, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) != base64.RawURLEncoding.EncodedLen(32) || len(parts[1]) != 1 || !strings.Contains(kinds, parts[1]) {
		return Flow{}, false
	}
	to, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !LocalPath(string(to)) {
		return Flow{}, false
	}
	return Flow{Secret: parts[0], Kind: parts[1], To: string(to)}, true
}

// Part is a secret of the flow for one use: another name or another place has another, which does not tell this one.
func (f Flow) Part(name, place string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + place + "\x00" + f.Secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// LocalPath tells whether a text leads to this very site, whatever browser reads it: one slash and then no second one, and
// nothing that a browser takes for a slash or leaves out.
func LocalPath(text string) bool {
	if len(text) > maxFlowPath || !strings.HasPrefix(text, "/") {
		return false
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' || c > 0x7e }) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" && !strings.Contains(u.Path, "//") &&
		!strings.Contains(u.Path, "\\") && !strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// ShortCookies are cookies for a few minutes of one browser.
type ShortCookies struct {
	// Secure says that people reach the server by https; browsers then take them from this very host only.
	Secure bool
}

// Set is a cookie; a zero age takes it away. It must come along when another site, the provider, leads back, so it is Lax.
func (c ShortCookies) Set(name, value string, age time.Duration) *http.Cookie {
	seconds := int(age / time.Second)
	if seconds == 0 {
		seconds = -1
	}
	return &http.Cookie{Name: c.name(name), Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode}
}

// Sent is the value of a cookie; empty when the browser sent none, or several, of which nobody can tell which is meant.
func (c ShortCookies) Sent(r *http.Request, name string) string {
	cookies := r.CookiesNamed(c.name(name))
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

func (c ShortCookies) name(name string) string {
	if c.Secure {
		return hostPrefix + name
	}
	return name
}
