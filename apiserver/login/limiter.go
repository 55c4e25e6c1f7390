// SPDX-License-Identifier: Apache-2.0

package login

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

const (
	// burst is how often an address may try at once, and perSecond how often afterwards.
	burst     = 60
	perSecond = 1
	// addresses is how many addresses are remembered; the one not seen for longest is forgotten first.
	addresses = 10_000
)

// Limiter bounds how often one address may try to sign in. It remembers a bounded number of addresses.
type Limiter struct {
	seen *lru.Cache
	now  func() time.Time
}

// NewLimiter begins with nobody remembered.
func NewLimiter(now func() time.Time) *Limiter {
	return &Limiter{seen: lru.New(addresses), now: now}
}

// Take counts one try. It gives back how long the address must wait; zero when it may go on.
func (l *Limiter) Take(address netip.Addr) time.Duration {
	key := network(address)
	fresh := rate.NewLimiter(perSecond, burst)
	bucket := fresh
	if known, ok := l.seen.Get(key); ok {
		bucket, _ = known.(*rate.Limiter)
	} else {
		l.seen.Add(key, fresh)
	}
	now := l.now()
	r := bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// network is what one party holds: an address of version 4, or the 64 bits of version 6 that a single line gets.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all: all of those share one bucket
	}
	return p
}
