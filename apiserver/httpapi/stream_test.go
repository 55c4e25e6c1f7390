// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// diary is an object with a log, whose owner is ada.
type diary struct {
	mu      sync.Mutex
	lines   []string
	ended   bool
	gone    bool
	changed chan struct{}
}

func newDiary(lines ...string) *diary { return &diary{lines: lines, changed: make(chan struct{}, 1)} }

// change edits the diary and tells of it.
func (d *diary) change(edit func(*diary)) {
	d.mu.Lock()
	edit(d)
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

func (d *diary) load(*http.Request) (*diary, authz.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return nil, authz.Object{}, fault.New(fault.NotFound, "gone")
	}
	return d, authz.WorkspaceObject("a", "ada"), nil
}

func (d *diary) changes(*diary) (<-chan struct{}, func()) { return d.changed, func() {} }

func tailOf(d *diary, after, before int64) Tail[note] {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := Tail[note]{Lines: []note{}, Ended: d.ended}
	for i, text := range d.lines {
		if id := int64(i + 1); id > after && (before == 0 || id < before) {
			t.Lines, t.Last = append(t.Lines, note{Text: text, Count: int(id)}), id
		}
	}
	return t
}

// revocable knows callers as byHeader does, until it is told not to.
type revocable struct {
	byHeader
	revoked atomic.Bool
}

func (a *revocable) Authenticate(r *http.Request, required bool) (*authz.Caller, error) {
	if a.revoked.Load() {
		return nil, fault.New(fault.Unauthenticated, "Your account is suspended.")
	}
	if c, err := r.Cookie("caller"); err == nil {
		r = r.Clone(r.Context())
		r.Header.Set("Caller", c.Value)
	}
	return a.byHeader.Authenticate(r, required)
}

type streams struct {
	*httptest.Server
	auth     *revocable
	stopping chan struct{}
}

func serveStreams(t *testing.T, site string, d *diary) streams {
	t.Helper()
	s := streams{auth: &revocable{}, stopping: make(chan struct{})}
	front, _, err := New(Config{
		Routes: []Route{
			{Method: "GET", Path: "/api/v2/diary", Tag: "Test", Door: SessionDirect, Status: 200, Do: Logged(d.load, authz.Read, tailOf, d.changes)},
			{Method: "GET", Path: "/api/v2/watch", Tag: "Test", Door: SessionDirect, Status: 200,
				Do: Watched(d.load, authz.Read, func(_ context.Context, d *diary) (note, error) {
					d.mu.Lock()
					defer d.mu.Unlock()
					return note{Count: len(d.lines)}, nil
				}, d.changes)},
		},
		Log: slog.New(slog.DiscardHandler), Session: s.auth, Aggregated: s.auth, Site: site, Stopping: s.stopping,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(front)
	t.Cleanup(func() {
		s.CloseClientConnections() // a stream that does not end would hold up the end of the test
		s.Close()
	})
	return s
}

func (s streams) dial(t *testing.T, path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), strings.Replace(s.URL, "http", "ws", 1)+path, &websocket.DialOptions{HTTPHeader: header})
	if conn != nil {
		t.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	}
	return conn, response, err
}

func as(name string) http.Header { return http.Header{"Caller": {name}} }

// line reads one frame; a frame is one object.
func line(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	kind, text, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var n note
	if err := json.Unmarshal(text, &n); err != nil || kind != websocket.MessageText {
		t.Fatalf("a frame of type %v: %s: %v", kind, text, err)
	}
	return n.Text
}

// closing waits for the end of a stream.
func closing(t *testing.T, conn *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err == nil {
		t.Fatalf("it goes on: %s", text)
	}
	return websocket.CloseStatus(err)
}

func TestALogIsReadInPartsAndFollowed(t *testing.T) {
	d := newDiary("one", "two", "three")
	s := serveStreams(t, "", d)
	for target, want := range map[string]string{
		"/api/v2/diary":                             "one two three",
		"/api/v2/diary?after=1":                     "two three",
		"/api/v2/diary?before=3":                    "one two",
		"/api/v2/diary?after=3":                     "",
		"/api/v2/diary?before=1767225600000&after=": "one two three",
		"/api/v2/diary?follow=false":                "one two three",
	} {
		w := ask(s.Config.Handler, "GET", target, "")
		var notes []note
		if err := json.Unmarshal(w.Body.Bytes(), &notes); err != nil || notes == nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
		var have []string
		for _, n := range notes {
			have = append(have, n.Text)
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string]int{
		"/api/v2/diary?after=x": 400, "/api/v2/diary?before=-1": 400, "/api/v2/diary?follow": 426, "/api/v2/diary?follow=true&before=2": 400,
	} {
		if w := ask(s.Config.Handler, "GET", target, ""); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}

	conn, response, err := s.dial(t, "/api/v2/diary?follow&after=1", as("ada"))
	if err != nil {
		t.Fatal(err)
	}
	if extensions := response.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
		t.Errorf("extensions %q, want none", extensions)
	}
	have := []string{line(t, conn), line(t, conn)}
	d.change(func(d *diary) { d.lines = append(d.lines, "four") })
	have = append(have, line(t, conn))
	d.change(func(d *diary) { d.lines, d.ended = append(d.lines, "five"), true })
	have = append(have, line(t, conn))
	if diff := cmp.Diff([]string{"two", "three", "four", "five"}, have); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if code := closing(t, conn); code != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", code)
	}
}

func TestAFollowedLogEndsWithItsObject(t *testing.T) {
	d := newDiary("one")
	conn, _, err := serveStreams(t, "", d).dial(t, "/api/v2/diary?follow", as("ada"))
	if err != nil {
		t.Fatal(err)
	}
	line(t, conn)
	d.change(func(d *diary) { d.gone = true })
	if code := closing(t, conn); code != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", code)
	}
}

// What was begun before ends within two seconds of the session.
func TestAdvisory_V17_StreamsEndWithTheSession(t *testing.T) {
	d := newDiary("one")
	s := serveStreams(t, "", d)
	conn, _, err := s.dial(t, "/api/v2/diary?follow", as("ada"))
	if err != nil {
		t.Fatal(err)
	}
	line(t, conn)
	events := watchEvents(t, s, "/api/v2/watch")
	for range 2 {
		events.next(t)
	}
	s.auth.revoked.Store(true)
	start := time.Now()
	if code := closing(t, conn); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v", code)
	}
	if last := events.next(t); !strings.HasPrefix(last, "event: error\ndata: {\"message\":\"Your account is suspended.\"") {
		t.Errorf("%q", last)
	}
	if rest, err := io.ReadAll(events.body); err != nil || len(rest) > 0 {
		t.Errorf("more follows: %q %v", rest, err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	s := serveStreams(t, "", newDiary())
	conn, _, err := s.dial(t, "/api/v2/diary?follow", as("ada"))
	if err != nil {
		t.Fatal(err)
	}
	close(s.stopping)
	if code := closing(t, conn); code != websocket.StatusGoingAway {
		t.Errorf("closed with %v", code)
	}
}

func TestAdvisory_V28_NobodyIsUpgradedWithoutCredentials(t *testing.T) {
	s := serveStreams(t, "", newDiary("secret"))
	for name, c := range map[string]struct {
		header http.Header
		want   int
	}{
		"none":    {http.Header{}, http.StatusUnauthorized},
		"foreign": {as("eve"), http.StatusNotFound},
	} {
		_, response, err := s.dial(t, "/api/v2/diary?follow", c.header)
		if err == nil || response == nil || response.StatusCode != c.want {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
	s.auth.revoked.Store(true)
	if _, response, err := s.dial(t, "/api/v2/diary?follow", as("ada")); err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("expired: %v", err)
	}
}

func TestAdvisory_V29_NoOtherSiteOpensAStream(t *testing.T) {
	const site = "https://berth.example"
	s := serveStreams(t, site, newDiary("one"))
	cookie := func(origins ...string) http.Header {
		return http.Header{"Cookie": {"caller=ada"}, "Origin": origins}
	}
	token := cookie("https://evil.example")
	token.Set(codersdk.SessionTokenHeader, "a token from elsewhere than a browser")
	for name, c := range map[string]struct {
		header http.Header
		want   int
	}{
		"the site":            {cookie(site), 101},
		"no browser":          {http.Header{"Cookie": {"caller=ada"}}, 101},
		"a token's holder":    {token, 101},
		"null":                {cookie("null"), 403},
		"another port":        {cookie("https://berth.example:8443"), 403},
		"http":                {cookie("http://berth.example"), 403},
		"a sibling":           {cookie("https://app.berth.example"), 403},
		"a suffix":            {cookie("https://evilberth.example"), 403},
		"a prefix":            {cookie("https://berth.example.evil.example"), 403},
		"someone at":          {cookie("https://berth.example@evil.example"), 403},
		"with a path":         {cookie("https://berth.example/x"), 403},
		"two":                 {cookie(site, "https://evil.example"), 403},
		"another site":        {cookie("https://evil.example"), 403},
		"a scheme of its own": {cookie("file://"), 403},
	} {
		_, response, err := s.dial(t, "/api/v2/diary?follow", c.header)
		if response == nil || response.StatusCode != c.want {
			t.Errorf("%s: %v, %v; want %d", name, response, err, c.want)
		}
	}
}

// sse reads events as they come over the connection.
type sse struct {
	body  io.Reader
	lines *bufio.Reader
}

func watchEvents(t *testing.T, s streams, path string) *sse {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = as("ada")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // it is read to its end where that matters
	want := map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
	for name, value := range want {
		if have := response.Header.Get(name); have != value {
			t.Errorf("%s: %q, want %q", name, have, value)
		}
	}
	buffered := bufio.NewReader(response.Body)
	return &sse{body: buffered, lines: buffered}
}

// next reads an event: the lines up to an empty one.
func (e *sse) next(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%q: %v", text.String(), err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

func TestEventsHaveTheOneFormThatClientsRead(t *testing.T) {
	d := newDiary("one")
	events := watchEvents(t, serveStreams(t, "", d), "/api/v2/watch")
	want := func(count int) string {
		return fmt.Sprintf("event: data\ndata: {\"text\":\"\",\"count\":%d,\"id\":\"00000000-0000-0000-0000-000000000000\"}\n", count)
	}
	for _, w := range []string{"event: ping\n", want(1)} {
		if got := events.next(t); got != w {
			t.Fatalf("%q, want %q", got, w)
		}
	}
	d.change(func(*diary) {}) // nothing that shows: no event
	d.change(func(d *diary) { d.lines = append(d.lines, "two") })
	if got := events.next(t); got != want(2) {
		t.Errorf("%q, want %q", got, want(2))
	}
	d.change(func(d *diary) { d.gone = true })
	if got := events.next(t); !strings.HasPrefix(got, "event: error\ndata: {\"message\":\"gone\"") {
		t.Errorf("%q", got)
	}
}
