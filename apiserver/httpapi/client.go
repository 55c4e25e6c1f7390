// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddress is the address that the request whose context this is came from; the zero Addr when it is unknown.
func ClientAddress(ctx context.Context) netip.Addr {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t.client
	}
	return netip.Addr{}
}

// clientAddress is who is at the other end: of the connection, or, where a proxy of ours is there, the last address that
// the proxies in front saw and that is none of theirs. What stands before that in X-Forwarded-For anybody can write.
func clientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := port.Addr().Unmap()
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(chain) {
		ours := slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) })
		before, err := netip.ParseAddr(strings.TrimSpace(text))
		if !ours || err != nil {
			break
		}
		address = before.Unmap()
	}
	return address
}
