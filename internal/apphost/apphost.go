// SPDX-License-Identifier: Apache-2.0

// Package apphost knows which hosts are those of workspaces' apps: all below the deployment's wildcard. It decides where a
// browser may be led with what opens an app, and which requests are for an app and never for the API.
package apphost

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURL is how many bytes the URL of an app may have.
const maxURL = 2048

// Wildcard are the hosts of apps. The zero value is of a deployment that has none.
type Wildcard struct {
	scheme string // the access URL's
	base   string // the name that all end with, without the dot before it
	port   string // never empty where base is not
}

// Parse reads *.HOST or *.HOST:PORT, at which people reach apps as they reach the server at the access URL: by the same
// scheme, and where no port is given by that scheme's own. None of the server's own names may be below it, as apps would take
// it away. An empty text is no wildcard.
func Parse(text, accessURL string, names ...string) (Wildcard, error) {
	if text == "" {
		return Wildcard{}, nil
	}
	refuse := func(format string, args ...any) (Wildcard, error) {
		return Wildcard{}, fmt.Errorf("wildcard access URL %q: "+format, append([]any{text}, args...)...)
	}
	access, err := url.Parse(accessURL)
	if err != nil || access.Host == "" {
		return refuse("it needs the access URL, which people are led back to")
	}
	rest, ok := strings.CutPrefix(strings.ToLower(text), "*.")
	if !ok {
		return refuse("want *.HOST or *.HOST:PORT, such as *.apps.example.org")
	}
	w := Wildcard{scheme: access.Scheme}
	w.base, w.port, ok = split(rest)
	if !ok || !isName(w.base) || isAddress(w.base) {
		return refuse("want *.HOST or *.HOST:PORT, such as *.apps.example.org")
	}
	if w.port == "" {
		w.port = ownPort(w.scheme)
	}
	for _, name := range append([]string{access.Hostname()}, names...) {
		if w.Covers(name) {
			return refuse("%s is the server's own name, and would be an app's", name)
		}
	}
	return w, nil
}

// Host is what all hosts of apps end with, and the port where it is not the scheme's own; "" where there are none.
func (w Wildcard) Host() string { return w.withPort(w.base) }

// Covers tells whether a request for the host is for an app, if for anything: whatever is below the wildcard, at any depth and
// port, in whatever spelling.
func (w Wildcard) Covers(host string) bool {
	if w.base == "" {
		return false
	}
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	return strings.HasSuffix(strings.TrimRight(name, "."), "."+w.base)
}

// App is the one spelling of an app's host, as it stands in a URL; false where the host is none. A host without a port has
// that of the wildcard, as a proxy may have taken it away.
func (w Wildcard) App(host string) (string, bool) {
	name, port, ok := split(strings.ToLower(host))
	if !ok || w.base == "" || port != "" && port != w.port {
		return "", false
	}
	label, ok := strings.CutSuffix(name, "."+w.base)
	if !ok || !isLabel(label) {
		return "", false
	}
	return w.withPort(name), true
}

// URL reads the URL of a page of an app, in its one spelling; false where it leads anywhere else, whatever program reads it.
func (w Wildcard) URL(text string) (*url.URL, bool) {
	if w.base == "" || len(text) > maxURL || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return nil, false
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != w.scheme || u.User != nil || u.Opaque != "" || u.Host == "" {
		return nil, false
	}
	host := u.Host
	if u.Port() == "" {
		host = u.Hostname() + ":" + ownPort(u.Scheme) // what a browser takes
	}
	app, ok := w.App(host)
	if !ok || strings.HasSuffix(u.Host, ":") {
		return nil, false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Host, u.Fragment, u.RawFragment = app, "", ""
	return u, true
}

// Page is the URL of what a request asks for at an app's host, which must be one.
func (w Wildcard) Page(app string, asked *url.URL) *url.URL {
	return &url.URL{Scheme: w.scheme, Host: app, Path: asked.Path, RawPath: asked.RawPath, RawQuery: asked.RawQuery}
}

// With is a query with one more parameter, in place of any that is called so; "" leaves it out. All others stay as they are
// written, for the app that reads them.
func With(query, name, value string) string {
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(part string) bool {
		key, _, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(key)
		return part == "" || err == nil && key == name
	})
	if value != "" {
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return strings.Join(parts, "&")
}

func (w Wildcard) withPort(name string) string {
	if w.base == "" || w.port == ownPort(w.scheme) {
		return name
	}
	return name + ":" + w.port
}

func ownPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// split takes a host and its port apart; the port is empty where there is none, and in its one spelling otherwise.
func split(host string) (name, port string, ok bool) {
	name, port, has := strings.Cut(host, ":")
	if !has {
		return name, "", true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return name, port, err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// isName tells whether a text is a DNS name of small letters.
func isName(text string) bool {
	if len(text) > 253-64 { // a label and a dot come before it
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(text string) bool {
	if text == "" || len(text) > 63 || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(text, func(c rune) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}

// isAddress tells whether a name would be read as an IP address: its last label is a number.
func isAddress(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return last != "" && !strings.ContainsFunc(last, func(c rune) bool { return c < '0' || c > '9' })
}
