// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
)

const bearer = "bearer "

// HeaderTokens are the session tokens in the headers that a program sets itself. A browser sends none of them along by
// itself, unlike a cookie, or the name and password that a proxy in front once asked for.
func HeaderTokens(r *http.Request) []string {
	found := slices.Clone(r.Header.Values(codersdk.SessionTokenHeader))
	for _, value := range r.Header.Values("Authorization") {
		if len(value) > len(bearer) && strings.EqualFold(value[:len(bearer)], bearer) {
			found = append(found, strings.TrimSpace(value[len(bearer):]))
		}
	}
	return slices.DeleteFunc(found, func(token string) bool { return token == "" })
}

// checkWrite refuses a change that a page of another site makes a browser ask for, with a cookie or, as at a sign-in, in
// order to get one. The token that Coder's pages send against this (X-CSRF-TOKEN) proves no more than what the browser
// says by itself, so it is neither made nor asked for.
//
// http.CrossOriginProtection follows the same order. It takes a page of http://HOST for one of https://HOST, and knows no
// address but the one in the request, which a proxy may have changed.
func checkWrite(r *http.Request, site string) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil // none of them changes anything
	}
	if len(HeaderTokens(r)) > 0 {
		return nil
	}
	origins := r.Header.Values("Origin")
	if fetched := r.Header.Values("Sec-Fetch-Site"); len(fetched) > 0 {
		// No page can set this header. It tells more than Origin, which is null where a page sends no referrer.
		if len(fetched) == 1 && (fetched[0] == "same-origin" || fetched[0] == "none") {
			return nil
		}
	} else if len(origins) == 0 || len(origins) == 1 && originAllowed(origins[0], r, site) {
		return nil // a program, or a browser that says no more, as none does on plain http
	}
	return fault.New(fault.Forbidden, "A page of another site may not change anything here.")
}

// checkSocket refuses a websocket that a page of another site asks for: a browser sends cookies along with it, and lets
// any page read what comes back. A program that sends its token in a header has it from elsewhere than the browser.
func checkSocket(r *http.Request, site string) error {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || len(HeaderTokens(r)) > 0 || len(origins) == 1 && originAllowed(origins[0], r, site) {
		return nil
	}
	return fault.New(fault.Forbidden, "A page of another site may not open this connection.")
}

type ledKey struct{}

// Led tells whether a browser shows its person a page that another site led it to, at a route for that: whoever comes back
// from a provider, or from an app. No page of that site reads the answer, or learns whether there was one.
func Led(r *http.Request) bool {
	expected, _ := r.Context().Value(ledKey{}).(bool)
	return expected && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// originAllowed tells whether an origin is this very site: its scheme, host and port. Where the site is known to be
// reached by https, http is another site.
func originAllowed(origin string, r *http.Request, site string) bool {
	o, err := url.Parse(origin)
	if err != nil || o.Host == "" || o.Path != "" || o.User != nil || o.RawQuery != "" || o.Fragment != "" {
		return false
	}
	if s, err := url.Parse(site); err == nil && s.Host != "" && strings.EqualFold(o.Host, s.Host) {
		return strings.EqualFold(o.Scheme, s.Scheme)
	}
	if !strings.EqualFold(o.Host, r.Host) {
		return false
	}
	return o.Scheme == "https" || o.Scheme == "http" && r.TLS == nil
}
