// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// byHeader knows callers by a header of the test.
type byHeader struct{}

func (byHeader) Authenticate(r *http.Request, required bool) (*authz.Caller, error) {
	if name := r.Header.Get("Caller"); name != "" && required {
		return &authz.Caller{Subject: authz.Subject{User: name, Memberships: map[string][]v1alpha1.OrganizationRole{"a": nil}}}, nil
	}
	return nil, nil
}

type note struct {
	Text  string    `json:"text"`
	Count int       `json:"count"`
	ID    uuid.UUID `json:"id"`
}

// served is a door pair with one route for each thing that can happen.
type served struct {
	session, aggregated http.Handler
	log                 *bytes.Buffer
	metrics             *prometheus.Registry
}

func serve(t *testing.T, routes ...Route) served { return serveAt(t, "", routes...) }

// serveAt serves at a site.
func serveAt(t *testing.T, site string, routes ...Route) served {
	t.Helper()
	s := served{log: &bytes.Buffer{}, metrics: prometheus.NewRegistry()}
	var err error
	s.session, s.aggregated, err = New(Config{Routes: routes, Version: "v2.31.0+berth", Metrics: s.metrics,
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Session: byHeader{}, Aggregated: byHeader{}, Site: site})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Caller", "ada")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func message(t *testing.T, w *httptest.ResponseRecorder) codersdk.Response {
	t.Helper()
	if have := w.Header().Get("Content-Type"); have != "application/json; charset=utf-8" {
		t.Errorf("content type %q, want JSON: %s", have, w.Body)
	}
	var body codersdk.Response
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if body.Message == "" {
		t.Error("the refusal says nothing")
	}
	return body
}

func echo() Route {
	return Route{Method: "POST", Path: "/api/v2/echo", Tag: "Test", Door: Anyone, Action: authz.Read, Status: 201,
		Do: Plain(func(_ context.Context, in note) (note, error) { return in, nil })}
}

func failing(err error) Route {
	return Route{Method: "GET", Path: "/api/v2/fail", Tag: "Test", Door: Anyone, Action: authz.Read, Status: 200,
		Do: Plain(func(context.Context, None) (None, error) { return None{}, err })}
}

func TestBodies(t *testing.T) {
	s := serve(t, echo())
	for name, c := range map[string]struct {
		body       string
		wantStatus int
		wantText   string
		wantField  string
	}{
		"a body":                     {body: `{"text":"a","count":1}`, wantStatus: 201, wantText: "a"},
		"keys in any case":           {body: `{"TEXT":"a"}`, wantStatus: 201, wantText: "a"},
		"unknown keys":               {body: `{"text":"a","more":{"x":[1]}}`, wantStatus: 201, wantText: "a"},
		"null":                       {body: `null`, wantStatus: 201},
		"space behind":               {body: "{\"text\":\"a\"} \n\t", wantStatus: 201, wantText: "a"},
		"nothing":                    {body: ``, wantStatus: 400},
		"no JSON":                    {body: `text=a`, wantStatus: 400},
		"half of a body":             {body: `{"text":"a"`, wantStatus: 400},
		"something behind":           {body: `{"text":"a"}{"text":"b"}`, wantStatus: 400},
		"a brace behind":             {body: `{"text":"a"}}`, wantStatus: 400},
		"a list":                     {body: `[]`, wantStatus: 400},
		"a value of the wrong kind":  {body: `{"text":1}`, wantStatus: 400, wantField: "text"},
		"a number that does not fit": {body: `{"count":1e99}`, wantStatus: 400, wantField: "count"},
		"an id that is none":         {body: `{"text":"a","ID":"x"}`, wantStatus: 400, wantField: "id"},
		"a body that is too long":    {body: `{"text":"` + strings.Repeat("x", MaxBody) + `"}`, wantStatus: 413},
		"long space behind":          {body: `{"text":"a"}` + strings.Repeat(" ", MaxBody), wantStatus: 413},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(s.session, "POST", "/api/v2/echo", c.body)
			if w.Code != c.wantStatus {
				t.Fatalf("%d, want %d: %s", w.Code, c.wantStatus, w.Body)
			}
			if w.Code == 201 {
				var have note
				if err := json.Unmarshal(w.Body.Bytes(), &have); err != nil || have.Text != c.wantText {
					t.Errorf("%q (%v), want %q", have.Text, err, c.wantText)
				}
				return
			}
			body := message(t, w)
			if w.Code == 400 && body.Message != "Request body must be valid JSON." {
				t.Errorf("message %q", body.Message)
			}
			if c.wantField != "" && (len(body.Validations) != 1 || body.Validations[0].Field != c.wantField) {
				t.Errorf("validations %v, want one of %s", body.Validations, c.wantField)
			}
		})
	}
}

// A body is bounded however it is announced, and nested as deep as anybody likes without harm.
func TestAdvisory_V18_V59_BodiesAreBounded(t *testing.T) {
	s := serve(t, echo())
	r := httptest.NewRequest("POST", "/api/v2/echo", &endless{})
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.session.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without an end: %d, want 413", w.Code)
	}
	r = httptest.NewRequest("POST", "/api/v2/echo", io.LimitReader(&endless{}, 0))
	r.ContentLength = 100 << 20
	w = httptest.NewRecorder()
	s.session.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("100 MB announced: %d, want 413 before any of it is read", w.Code)
	}
	deep := strings.Repeat(`[`, MaxBody/2) + strings.Repeat(`]`, MaxBody/2-100)
	if w := ask(s.session, "POST", "/api/v2/echo", `{"more":`+deep+`}`); w.Code != 400 {
		t.Errorf("half a million brackets: %d, want 400", w.Code)
	}
}

// endless is a JSON text that never ends.
type endless struct{ begun bool }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	if !e.begun {
		e.begun = true
		copy(p, `{"text":"`)
	}
	return len(p), nil
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		wantStatus  int
		wantMessage string
		wantRetry   string
		wantInLog   string
	}{
		"invalid":         {err: fault.On("name", "must be short"), wantStatus: 400, wantMessage: "name: must be short"},
		"unauthenticated": {err: fault.New(fault.Unauthenticated, "who?"), wantStatus: 401, wantMessage: "who?"},
		"forbidden":       {err: fault.New(fault.Forbidden, "no"), wantStatus: 403, wantMessage: "no"},
		"not found":       {err: fault.New(fault.NotFound, "where?"), wantStatus: 404, wantMessage: "where?"},
		"conflict":        {err: fault.New(fault.Conflict, "taken"), wantStatus: 409, wantMessage: "taken"},
		"too large":       {err: fault.New(fault.TooLarge, "big"), wantStatus: 413, wantMessage: "big"},
		"unavailable":     {err: fault.New(fault.Unavailable, "later"), wantStatus: 503, wantMessage: "later", wantRetry: "1"},
		"wrapped":         {err: fmt.Errorf("somewhere: %w", fault.New(fault.Conflict, "taken")), wantStatus: 409, wantMessage: "taken"},
		"another status":  {err: &Refusal{Status: 429, RetryAfter: 1500000000, Fault: fault.New(fault.Unavailable, "slow")}, wantStatus: 429, wantMessage: "slow", wantRetry: "2"},
		"its cause":       {err: &fault.Error{Kind: fault.Conflict, Message: "taken", Cause: errors.New("by whom")}, wantStatus: 409, wantMessage: "taken", wantInLog: "by whom"},
		"any other error": {err: errors.New("secret cause"), wantStatus: 500, wantMessage: "An internal server error occurred.", wantInLog: "secret cause"},
		"a limit of time": {err: fmt.Errorf("reading: %w", context.DeadlineExceeded), wantStatus: 503, wantMessage: "The request took too long. Try again.", wantRetry: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, failing(c.err))
			w := ask(s.session, "GET", "/api/v2/fail", "")
			body := message(t, w)
			if w.Code != c.wantStatus || body.Message != c.wantMessage {
				t.Errorf("%d %q, want %d %q", w.Code, body.Message, c.wantStatus, c.wantMessage)
			}
			if have := w.Header().Get("Retry-After"); have != c.wantRetry {
				t.Errorf("Retry-After %q, want %q", have, c.wantRetry)
			}
			if !strings.Contains(s.log.String(), c.wantInLog) {
				t.Errorf("the log lacks %q: %s", c.wantInLog, s.log)
			}
			if c.wantInLog != "" && strings.Contains(w.Body.String(), c.wantInLog) {
				t.Errorf("the answer tells the cause: %s", w.Body)
			}
			if id := w.Header().Get("X-Request-Id"); id == "" || !strings.Contains(s.log.String(), id) {
				t.Errorf("the log does not speak of request %q", id)
			}
		})
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	s := serve(t, Route{Method: "GET", Path: "/api/v2/fail", Tag: "Test", Door: Anyone, Action: authz.Read, Status: 200,
		Do: Plain(func(context.Context, None) (None, error) { panic("a defect") })})
	w := ask(s.session, "GET", "/api/v2/fail", "")
	if w.Code != 500 || strings.Contains(w.Body.String(), "defect") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	message(t, w)
	if !strings.Contains(s.log.String(), "a defect") {
		t.Error("the log does not know of the panic")
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	s := serve(t, echo(), failing(errors.New("x")))
	for _, target := range []string{"/api/v2/echo", "/api/v2/fail", "/api/v2/nothing", "/api/v2//x", "/"} {
		h := ask(s.session, "GET", target, "").Header()
		for name, want := range map[string]string{
			"X-Coder-Build-Version": "v2.31.0+berth", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if have := h.Get(name); have != want {
				t.Errorf("%s: %s is %q, want %q", target, name, have, want)
			}
		}
	}
}

func TestHead(t *testing.T) {
	s := serve(t, Route{Method: "GET", Path: "/api/v2/note", Tag: "Test", Door: Anyone, Action: authz.Read, Status: 200,
		Do: Plain(func(context.Context, None) (note, error) { return note{Text: "a"}, nil })})
	server := httptest.NewServer(s.session)
	defer server.Close()
	response, err := http.Head(server.URL + "/api/v2/note")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if data, err := io.ReadAll(response.Body); response.StatusCode != 200 || len(data) != 0 || err != nil || response.ContentLength == 0 {
		t.Errorf("%d, %d bytes of %d, %v", response.StatusCode, len(data), response.ContentLength, err)
	}
}

func TestMetricsCountByRoute(t *testing.T) {
	s := serve(t, echo())
	ask(s.session, "POST", "/api/v2/echo", `{}`)
	ask(s.session, "POST", "/api/v2/"+strings.Repeat("x", 100), `{}`)
	ask(s.aggregated, "MADEUP", AggregatedPrefix+"echo", `{}`)
	want := `
# HELP berth_api_requests_total Requests by door, method, route and status.
# TYPE berth_api_requests_total counter
berth_api_requests_total{door="aggregated",method="any",route="none",status="404"} 1
berth_api_requests_total{door="session",method="POST",route="/api/v2/echo",status="201"} 1
berth_api_requests_total{door="session",method="any",route="none",status="404"} 1
`
	if err := testutil.GatherAndCompare(s.metrics, strings.NewReader(want), "berth_api_requests_total"); err != nil {
		t.Error(err)
	}
}

// Tokens travel in headers and queries; neither is ever logged, nor is a body.
func TestAdvisory_V07_TheLogHoldsNoSecret(t *testing.T) {
	s := serve(t, echo(), failing(errors.New("x")))
	const canary = "canary0123"
	for _, target := range []string{"/api/v2/echo", "/api/v2/fail", "/api/v2/" + canary, "/" + canary} {
		r := httptest.NewRequest("POST", target+"?coder_session_token="+canary, strings.NewReader(`{"text":1,"password":"`+canary+`"}`))
		r.Header.Set("Coder-Session-Token", canary)
		r.Header.Set("Authorization", "Bearer "+canary)
		r.Header.Set("Cookie", "coder_session_token="+canary)
		w := httptest.NewRecorder()
		s.session.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), canary) {
			t.Errorf("the answer repeats it: %s", w.Body)
		}
	}
	if strings.Contains(s.log.String(), canary) {
		t.Errorf("the log holds it: %s", s.log)
	}
}

func TestQuery(t *testing.T) {
	const id = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
	for name, c := range map[string]struct {
		query      string
		want       Page
		wantFields []string
	}{
		"nothing":       {},
		"a page":        {query: "limit=5&offset=10&after_id=" + id, want: Page{Limit: 5, Offset: 10, AfterID: uuid.MustParse(id)}},
		"zero":          {query: "limit=0&offset=0"},
		"empty":         {query: "limit=&offset="},
		"negative":      {query: "limit=-1", wantFields: []string{"limit"}},
		"all wrong":     {query: "limit=x&offset=1.5&after_id=1", wantFields: []string{"limit", "offset", "after_id"}},
		"beyond bounds": {query: "limit=99999999999999999999", wantFields: []string{"limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/?"+c.query, nil)
			q := NewQuery(r.URL.Query())
			have, err := q.Page(), q.Err()
			if diff := cmp.Diff(c.want, have); diff != "" && len(c.wantFields) == 0 {
				t.Errorf("(-want +have):\n%s", diff)
			}
			var fields []string
			if f, ok := fault.As(err); ok {
				for _, one := range f.Fields {
					fields = append(fields, one.Path)
					if !strings.HasPrefix(one.Detail, `Query param "`+one.Path+`" must be a valid`) {
						t.Errorf("detail %q", one.Detail)
					}
				}
			}
			if diff := cmp.Diff(c.wantFields, fields); diff != "" {
				t.Errorf("fields (-want +have):\n%s", diff)
			}
		})
	}
}
