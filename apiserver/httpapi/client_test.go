// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"nobody between":                 {remote: "192.0.2.1:1000", want: "192.0.2.1"},
		"a client that says it is other": {remote: "192.0.2.1:1000", forwarded: []string{"198.51.100.1"}, want: "192.0.2.1"},
		"one proxy":                      {remote: "10.0.0.1:1000", forwarded: []string{"192.0.2.1"}, want: "192.0.2.1"},
		"two proxies":                    {remote: "10.0.0.1:1000", forwarded: []string{"192.0.2.1, 10.0.0.2"}, want: "192.0.2.1"},
		"in two headers":                 {remote: "10.0.0.1:1000", forwarded: []string{"192.0.2.1", "10.0.0.2"}, want: "192.0.2.1"},
		"a lie before the proxy":         {remote: "10.0.0.1:1000", forwarded: []string{"198.51.100.1, 192.0.2.1"}, want: "192.0.2.1"},
		"no address":                     {remote: "10.0.0.1:1000", forwarded: []string{"unknown"}, want: "10.0.0.1"},
		"only proxies":                   {remote: "10.0.0.1:1000", forwarded: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3"},
		"version 6":                      {remote: "[fd00::1]:1000", forwarded: []string{"2001:db8::1"}, want: "2001:db8::1"},
		"version 4 in 6":                 {remote: "[::ffff:10.0.0.1]:1000", forwarded: []string{"::ffff:192.0.2.1"}, want: "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			if have := clientAddress(r, proxies); have.String() != c.want {
				t.Errorf("%s, want %s", have, c.want)
			}
		})
	}
	if have := clientAddress(&http.Request{RemoteAddr: "@"}, nil); have.IsValid() {
		t.Errorf("%s, want none", have)
	}
}
