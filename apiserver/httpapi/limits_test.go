// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// byRole knows callers by a header of the test, and an owner by the name.
type byRole struct{}

func (byRole) Authenticate(r *http.Request, required bool) (*authz.Caller, error) {
	name := r.Header.Get("Caller")
	switch {
	case !required:
		return nil, nil
	case name == "":
		return nil, fault.New(fault.Unauthenticated, "who?")
	case name == "owner":
		return &authz.Caller{Subject: authz.Subject{User: name, Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}}}, nil
	}
	return &authz.Caller{Subject: authz.Subject{User: name, Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleUserAdmin}}}, nil
}

// limited is a pair of doors with limits, at a time that the test moves.
type limited struct {
	session, aggregated http.Handler
	now                 time.Time
}

func bounded(t *testing.T, l Limits) *limited {
	t.Helper()
	s := &limited{now: time.Unix(1_800_000_000, 0).Truncate(time.Minute).Add(20 * time.Second)}
	nothing := Plain(func(context.Context, None) (None, error) { return None{}, nil })
	l.Now = func() time.Time { return s.now }
	var err error
	s.session, s.aggregated, err = New(Config{
		Routes: []Route{
			{Method: "GET", Path: "/api/v2/known", Tag: "Test", Door: Session, Action: authz.Read, Status: 204, Do: nothing},
			{Method: "GET", Path: "/api/v2/known/{id}", Tag: "Test", Door: Session, Action: authz.Read, Status: 204, Do: nothing},
			{Method: "GET", Path: "/api/v2/anyone", Tag: "Test", Door: Anyone, Action: authz.Read, Status: 204, Do: nothing},
			{Method: "POST", Path: "/api/v2/strict", Tag: "Test", Door: Session, Action: authz.Create, Status: 204, PerMinute: 2, Do: nothing},
			{Method: "GET", Path: "/healthz", Tag: "Test", Door: AnyoneDirect, Action: authz.Read, Status: 204, Do: nothing},
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: prometheus.NewRegistry(), Session: byRole{}, Aggregated: byRole{}, Limits: l,
		Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // where httptest's requests come from
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *limited) ask(h http.Handler, method, path, caller, address string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Caller", caller)
	r.Header.Set("X-Forwarded-For", address)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// until tells how often it may be asked before it is refused; at most 20 times.
func (s *limited) until(h http.Handler, method, path, caller, address string, header ...string) int {
	for n := range 20 {
		if s.ask(h, method, path, caller, address, header...).Code == http.StatusTooManyRequests {
			return n
		}
	}
	return 20
}

func TestSoOftenAMinuteAndNoOftener(t *testing.T) {
	s := bounded(t, Limits{PerMinute: 3})
	for i := range 3 {
		h := s.ask(s.session, "GET", "/api/v2/known", "ada", "203.0.113.1").Header()
		if h.Get("X-RateLimit-Limit") != "3" || h.Get("X-RateLimit-Remaining") != strconv.Itoa(2-i) ||
			h.Get("X-RateLimit-Reset") != strconv.FormatInt(s.now.Add(40*time.Second).Unix(), 10) || h.Get("Retry-After") != "" {
			t.Errorf("time %d: %v", i, h)
		}
	}
	w := s.ask(s.session, "GET", "/api/v2/known", "ada", "203.0.113.1")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("X-RateLimit-Remaining") != "0" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if body := message(t, w); body.Message != "You've been rate limited for sending more than 3 requests in 1m0s." {
		t.Errorf("%q", body.Message)
	}
	wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil || wait < 1 || wait > 61 {
		t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	s.now = s.now.Add(time.Duration(wait) * time.Second)
	if w := s.ask(s.session, "GET", "/api/v2/known", "ada", "203.0.113.1"); w.Code != 204 {
		t.Errorf("after as long as was told: %d", w.Code)
	}
}

func TestWhoIsCounted(t *testing.T) {
	s := bounded(t, Limits{PerMinute: 3})
	if n := s.until(s.session, "GET", "/api/v2/known", "ada", "203.0.113.1"); n != 3 {
		t.Fatalf("refused after %d, want 3", n)
	}
	for name, c := range map[string]struct {
		door                  http.Handler
		method, path          string
		caller, address, more string
		want                  int
	}{
		"the person from elsewhere":          {door: s.session, path: "/api/v2/known", caller: "ada", address: "203.0.113.9", want: 0},
		"the person at the other door":       {door: s.aggregated, path: AggregatedPrefix + "known", caller: "ada", address: "203.0.113.9", want: 0},
		"the person with the owners' header": {door: s.session, path: "/api/v2/known", caller: "ada", address: "203.0.113.1", more: "true", want: 0},
		"another from the same address":      {door: s.session, path: "/api/v2/known", caller: "joan", address: "203.0.113.1", want: 3},
		"an owner":                           {door: s.session, path: "/api/v2/known", caller: "owner", address: "203.0.113.1", more: "false", want: 3},
		"an owner who asks for more":         {door: s.session, path: "/api/v2/known", caller: "owner", address: "203.0.113.1", more: "true", want: 20},
		"another route":                      {door: s.session, path: "/api/v2/anyone", caller: "ada", address: "203.0.113.1", want: 3},
		"the route's own bound":              {door: s.session, method: "POST", path: "/api/v2/strict", caller: "ada", address: "203.0.113.1", want: 2},
		"whom nobody knows":                  {door: s.session, path: "/api/v2/known", address: "203.0.113.2", want: 3},
		"anybody where anybody may ask":      {door: s.session, path: "/api/v2/anyone", address: "203.0.113.3", want: 3},
		"behind the kube-apiserver nobody":   {door: s.aggregated, path: AggregatedPrefix + "anyone", address: "203.0.113.4", want: 20},
		"the kube-apiserver's discovery":     {door: s.aggregated, path: "/apis/" + Group + "/" + GroupVersion, address: "203.0.113.4", want: 20},
		"a probe":                            {door: s.session, path: "/healthz", address: "203.0.113.5", want: 20},
	} {
		if c.method == "" {
			c.method = "GET"
		}
		if n := s.until(c.door, c.method, c.path, c.caller, c.address, codersdk.BypassRatelimitHeader, c.more); n != c.want {
			t.Errorf("%s: refused after %d, want %d", name, n, c.want)
		}
	}
	if n := s.until(s.session, "GET", "/api/v2/known", "", "::ffff:203.0.113.2"); n != 0 {
		t.Errorf("the same address in the form of version 6: %d", n)
	}
	if n := s.until(s.session, "GET", "/api/v2/known", "", "2001:db8::1"); n != 3 {
		t.Errorf("an address of version 6: %d", n)
	}
	if n := s.until(s.session, "GET", "/api/v2/known", "", "2001:db8::ffff"); n != 0 {
		t.Errorf("another one of the same line: %d", n)
	}
	total := 0
	for i := range 20 {
		if s.ask(s.session, "GET", "/api/v2/known/"+strconv.Itoa(i), "joan", "203.0.113.1").Code == 204 {
			total++
		}
	}
	if total != 3 {
		t.Errorf("%d of one route were let through, whatever stands in its path: want 3", total)
	}
}

func TestLimitsAreLifted(t *testing.T) {
	none := bounded(t, Limits{PerMinute: -1})
	if n := none.until(none.session, "GET", "/api/v2/known", "ada", "203.0.113.1"); n != 20 {
		t.Errorf("without a limit it was refused after %d", n)
	}
	if n := none.until(none.session, "POST", "/api/v2/strict", "ada", "203.0.113.1"); n != 2 {
		t.Errorf("a route's own bound: %d, want 2", n)
	}
	off := bounded(t, Limits{PerMinute: 3, Off: true})
	if n := off.until(off.session, "POST", "/api/v2/strict", "ada", "203.0.113.1"); n != 20 {
		t.Errorf("turned off it was refused after %d", n)
	}
	if h := off.ask(off.session, "GET", "/api/v2/known", "ada", "203.0.113.1").Header(); h.Get("X-RateLimit-Limit") != "" {
		t.Errorf("turned off it speaks of a limit: %v", h)
	}
	standard := bounded(t, Limits{})
	if h := standard.ask(standard.session, "GET", "/api/v2/known", "ada", "203.0.113.1").Header(); h.Get("X-RateLimit-Limit") != "512" {
		t.Errorf("where nobody says anything: %v", h)
	}
}

// A stranger's guesses lock out nobody who is elsewhere.
func TestWrongPasswordsAreCountedByAccountAndAddress(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := NewAttempts(Limits{Now: func() time.Time { return now }})
	from := func(address string) context.Context {
		return context.WithValue(t.Context(), traceKey{}, &trace{client: netip.MustParseAddr(address)})
	}
	for i := range wrongPerMinute {
		if _, err := a.Try(from("203.0.113.1"), "ada"); err != nil {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	_, err := a.Try(from("203.0.113.1"), "ada")
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusTooManyRequests || refusal.RetryAfter <= 0 {
		t.Fatalf("one more: %v", err)
	}
	for name, c := range map[string]struct{ address, account string }{
		"ada from elsewhere": {"203.0.113.2", "ada"}, "another's account": {"203.0.113.1", "joan"},
	} {
		if _, err := a.Try(from(c.address), c.account); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 5 * wrongPerMinute {
		right, err := a.Try(from("203.0.113.3"), "ada")
		if err != nil {
			t.Fatalf("with the right password, time %d: %v", i, err)
		}
		right()
	}
	now = now.Add(refusal.RetryAfter)
	if _, err := a.Try(from("203.0.113.1"), "ada"); err != nil {
		t.Errorf("after as long as was told: %v", err)
	}
	var off *Attempts
	if right, err := off.Try(from("203.0.113.1"), "ada"); err != nil || right == nil {
		t.Errorf("turned off: %v", err)
	}
}
