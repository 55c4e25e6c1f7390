// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// auditing settles as it is told, and remembers with which statuses.
type auditing struct {
	settled  []int
	attempts []audit.Attempt
	err      error
	ready    error
}

func (a *auditing) Settle(_ context.Context, r *audit.Record, status int) error {
	attempt, _ := r.Attempt()
	a.settled, a.attempts = append(a.settled, status), append(a.attempts, attempt)
	return a.err
}

func (a *auditing) Ready() error { return a.ready }

// A deed whose entry can't be stored is not answered as if all were well: its answer, with the session that it might hold,
// is not handed out, at neither door.
func TestUnrecordedDeedIsNotAnswered(t *testing.T) {
	done := 0
	secret := func(context.Context, None) (Reply[note], error) {
		done++
		return Reply[note]{Body: note{Text: "session-canary"}, Header: http.Header{"Set-Cookie": {"session-canary"}, "Etag": {`"session-canary"`}}}, nil
	}
	a := &auditing{err: errors.New("etcd is full of session-canaries")}
	var log strings.Builder
	session, aggregated, err := New(Config{Version: "v", Log: slog.New(slog.NewTextHandler(&log, nil)), Session: byHeader{}, Aggregated: byHeader{}, Audit: a,
		Routes: []Route{
			{Method: "POST", Path: "/api/v2/things", Tag: "T", Door: Session, Action: authz.Create, Status: 201, Do: Plain(secret)},
			{Method: "GET", Path: "/api/v2/things", Tag: "T", Door: Session, Action: authz.Read, Status: 200, Do: Plain(secret)},
		}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		handler http.Handler
		path    string
	}{"session": {session, "/api/v2/things"}, "aggregated": {aggregated, AggregatedPrefix + "things"}} {
		t.Run(name, func(t *testing.T) {
			a.settled, done = nil, 0
			w := ask(c.handler, "POST", c.path, "")
			said := message(t, w)
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(said.Message, "may have been done") || done != 1 {
				t.Errorf("%d, done %d times: %s", w.Code, done, w.Body)
			}
			if all := w.Body.String() + strings.Join(w.Header().Values("Set-Cookie"), "") + w.Header().Get("Etag"); strings.Contains(all, "canary") {
				t.Errorf("it is handed out: %v %s", w.Header(), w.Body)
			}
			if len(a.settled) != 1 || a.settled[0] != http.StatusCreated {
				t.Errorf("settled with %v", a.settled)
			}
		})
	}
	// What is known beforehand keeps the deed from being done; reading goes on.
	a.ready, a.err, done = fault.New(fault.Unavailable, "The audit log can't be written."), nil, 0
	if w := ask(session, "POST", "/api/v2/things", ""); w.Code != http.StatusServiceUnavailable || done != 0 {
		t.Errorf("%d, done %d times", w.Code, done)
	}
	if w := ask(session, "GET", "/api/v2/things", ""); w.Code != http.StatusOK {
		t.Errorf("reading: %d", w.Code)
	}
}

// Whatever becomes of a request, its record is settled once: also of one that panics, that fails, or whose client has left.
func TestEveryRequestIsSettledOnce(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	a := &auditing{}
	deed := func(do func() error) Endpoint {
		return Plain(func(context.Context, None) (None, error) { return None{}, do() })
	}
	session, _, err := New(Config{Version: "v", Log: slog.New(slog.DiscardHandler), Session: byHeader{}, Aggregated: byHeader{}, Audit: a,
		Routes: []Route{
			{Method: "PUT", Path: "/api/v2/fine/{thing}", Tag: "T", Door: Session, Action: authz.Update, Status: 204, Do: deed(func() error { return nil })},
			{Method: "PUT", Path: "/api/v2/panics", Tag: "T", Door: Session, Action: authz.Update, Status: 204, Do: deed(func() error { panic("x") })},
			{Method: "PUT", Path: "/api/v2/fails", Tag: "T", Door: Session, Action: authz.Update, Status: 204, Do: deed(func() error { return fault.New(fault.Conflict, "x") })},
			{Method: "PUT", Path: "/api/v2/leaves", Tag: "T", Door: Session, Action: authz.Update, Status: 204, Do: deed(func() error { leave(); return context.Canceled })},
		}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/api/v2/fine/x": 204, "/api/v2/panics": 500, "/api/v2/fails": 409, "/api/v2/leaves": statusLeft} {
		a.settled, a.attempts = nil, nil
		if path == "/api/v2/leaves" {
			r, _ := http.NewRequestWithContext(left, http.MethodPut, path, nil)
			r.Header.Set("Caller", "ada")
			session.ServeHTTP(&discard{header: http.Header{}}, r)
		} else {
			ask(session, "PUT", path, "")
		}
		if len(a.settled) != 1 || a.settled[0] != want {
			t.Errorf("%s is settled with %v, want %d", path, a.settled, want)
		}
		if at := a.attempts[0]; !at.Writes || at.Method != "PUT" || strings.HasPrefix(path, "/api/v2/fine") && at.Target != "x" {
			t.Errorf("%s: %+v", path, at)
		}
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) Write(data []byte) (int, error) { return len(data), nil }
func (d *discard) WriteHeader(int)                {}
