// SPDX-License-Identifier: Apache-2.0

package login

import (
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := NewLimiter(func() time.Time { return now })
	ada, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range burst {
		if wait := l.Take(ada); wait != 0 {
			t.Fatalf("try %d waits %s", i, wait)
		}
	}
	if wait := l.Take(ada); wait <= 0 || wait > time.Second {
		t.Errorf("one more waits %s, want up to a second", wait)
	}
	if wait := l.Take(netip.MustParseAddr("::ffff:192.0.2.1")); wait == 0 {
		t.Error("the same address in the form of version 6 does not wait")
	}
	if wait := l.Take(other); wait != 0 {
		t.Errorf("another address waits %s", wait)
	}
	now = now.Add(time.Second)
	if wait := l.Take(ada); wait != 0 {
		t.Errorf("a second later it waits %s", wait)
	}
}

func TestOneLineOfVersion6IsOneParty(t *testing.T) {
	l := NewLimiter(func() time.Time { return time.Unix(0, 0) })
	address := netip.MustParseAddr("2001:db8::")
	for range burst {
		address = address.Next()
		if wait := l.Take(address); wait != 0 {
			t.Fatalf("%s waits %s", address, wait)
		}
	}
	if l.Take(address.Next()) == 0 {
		t.Error("an address of the same 64 bits does not wait")
	}
	if wait := l.Take(netip.MustParseAddr("2001:db8:0:1::1")); wait != 0 {
		t.Errorf("the neighbour waits %s", wait)
	}
	for range burst + 1 {
		l.Take(netip.Addr{})
	}
	if l.Take(netip.Addr{}) == 0 {
		t.Error("those without an address do not wait")
	}
}

// A flood of addresses costs a bounded table.
func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter(func() time.Time { return time.Unix(0, 0) })
	address := netip.MustParseAddr("10.0.0.0")
	for range 2 * addresses {
		address = address.Next()
		l.Take(address)
	}
	if l.seen.Len() != addresses {
		t.Errorf("%d addresses are remembered, want %d", l.seen.Len(), addresses)
	}
}
