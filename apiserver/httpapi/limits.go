// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/limit"
)

const (
	// DefaultPerMinute is how often one party may ask one route in a minute, where nobody says otherwise.
	DefaultPerMinute = 512
	// LoginsPerMinute is how often one address may try to sign in, with whatever account.
	LoginsPerMinute = 60
	// wrongPerMinute is how often one address may give a wrong password for one account.
	wrongPerMinute = 10

	window = time.Minute
	// parties and guesses are how many are remembered; those who were not there for longest begin anew.
	parties, guesses = 65_536, 16_384
)

// Limits say how often one party may ask.
type Limits struct {
	// PerMinute is how often each person, and each address from which somebody unknown asks, may ask one route in a
	// minute; 0 means DefaultPerMinute, and a negative number as often as they like. Routes that say less are bound to that
	// in any case.
	PerMinute int
	// Off lifts every limit, also those of routes and of wrong passwords.
	Off bool
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// party is who asks which route: a person, or where nobody is known an address.
type party struct {
	route, user string
	address     netip.Prefix
}

// limiter bounds how often each party asks. Nil bounds nothing.
type limiter struct {
	perMinute int
	seen      *limit.Limiter[party]
}

func newLimiter(l Limits) *limiter {
	if l.Off {
		return nil
	}
	return &limiter{perMinute: orDefault(l.PerMinute), seen: limit.New[party](window, parties, orClock(l.Now))}
}

func orDefault(perMinute int) int {
	if perMinute == 0 {
		return DefaultPerMinute
	}
	return perMinute
}

func orClock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// take counts a request of the caller, who may be nil, and refuses one too many. The answer's headers say how many remain.
// Where a person is known it is the person who is counted, by whichever door and from wherever.
func (l *limiter) take(h http.Header, r *http.Request, route Route, caller *authz.Caller) error {
	api := strings.HasPrefix(route.Path, SessionPrefix) || strings.HasPrefix(route.Path, AggregatedPrefix)
	if l == nil || !api && route.PerMinute == 0 || bypasses(r, caller) {
		return nil
	}
	most := l.perMinute
	if route.PerMinute > 0 {
		most = route.PerMinute
	}
	if most < 0 {
		return nil
	}
	who := party{route: route.Method + " " + strings.TrimPrefix(strings.TrimPrefix(route.Path, AggregatedPrefix), SessionPrefix)}
	if caller != nil && caller.Known() {
		who.user = caller.User
	} else {
		who.address = network(traceOf(r).client)
	}
	v := l.seen.Take(who, most)
	h.Set("X-RateLimit-Limit", strconv.Itoa(v.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(v.Remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(v.Reset.Unix(), 10))
	if v.Wait == 0 {
		return nil
	}
	return tooOften(v.Wait, "You've been rate limited for sending more than %d requests in %s.", most, window)
}

// bypasses tells whether an owner asks not to be bound, as tests of the load do. Of anybody else the header is ignored.
func bypasses(r *http.Request, caller *authz.Caller) bool {
	wished, err := strconv.ParseBool(r.Header.Get(codersdk.BypassRatelimitHeader))
	return err == nil && wished && caller != nil && slices.Contains(caller.Roles, v1alpha1.SiteRoleOwner)
}

func tooOften(wait time.Duration, format string, args ...any) error {
	return &Refusal{Status: http.StatusTooManyRequests, RetryAfter: wait, Fault: fault.New(fault.Unavailable, format, args...)}
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
		return netip.Prefix{} // no address at all: all of those are one party
	}
	return p
}

// Attempts bounds how often a wrong password is given: by each address for each account apart, so that nobody locks out
// a person who is elsewhere. Nil bounds nothing.
type Attempts struct{ wrong *limit.Limiter[guess] }

// guess is who guesses, at whose password.
type guess struct {
	address netip.Prefix
	account string
}

// maxAccount bounds what is remembered of an account's name that somebody made up.
const maxAccount = 320

// NewAttempts begins with nothing remembered.
func NewAttempts(l Limits) *Attempts {
	if l.Off {
		return nil
	}
	return &Attempts{wrong: limit.New[guess](window, guesses, orClock(l.Now))}
}

// Try counts one attempt at the account's password by the client of the request whose context this is, or refuses it. The
// attempt counts as wrong until right is called.
func (a *Attempts) Try(ctx context.Context, account string) (right func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	who := guess{address: network(ClientAddress(ctx)), account: account[:min(len(account), maxAccount)]}
	if v := a.wrong.Take(who, wrongPerMinute); v.Wait > 0 {
		return nil, tooOften(v.Wait, "You are trying passwords too often. Wait a moment and try again.")
	}
	return func() { a.wrong.Forgive(who) }, nil
}
