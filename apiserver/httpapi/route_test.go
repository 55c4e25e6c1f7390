// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

func nothing(context.Context, None) (None, error) { return None{}, nil }

// A route that does not say who is let in, or what is asked, does not start.
func TestAdvisory_V15_ARouteDeclaresDoorAndAction(t *testing.T) {
	good := Route{Method: "GET", Path: "/api/v2/x", Door: Session, Action: authz.Read, Status: 200, Do: Plain(nothing)}
	for name, c := range map[string]struct {
		change  func(*Route)
		wantErr string
	}{
		"all declared":                          {change: func(*Route) {}},
		"the endpoint's own action":             {change: func(r *Route) { r.Action, r.Do = "", Visible(nothing) }},
		"no door":                               {change: func(r *Route) { r.Door = 0 }, wantErr: "no door"},
		"an unknown door":                       {change: func(r *Route) { r.Door = 99 }, wantErr: "no door"},
		"no action":                             {change: func(r *Route) { r.Action = "" }, wantErr: "no action"},
		"two actions":                           {change: func(r *Route) { r.Action, r.Do = authz.Delete, Visible(nothing) }, wantErr: "asks for read"},
		"no endpoint":                           {change: func(r *Route) { r.Do = Endpoint{} }, wantErr: "does nothing"},
		"no status":                             {change: func(r *Route) { r.Status = 0 }, wantErr: "no success"},
		"a redirect as success":                 {change: func(r *Route) { r.Status = 302 }, wantErr: "no success"},
		"a caller where anyone is let in":       {change: func(r *Route) { r.Door, r.Action, r.Do = Anyone, "", Visible(nothing) }, wantErr: "needs a caller"},
		"the aggregated door beside the prefix": {change: func(r *Route) { r.Path = "/healthz" }, wantErr: "aggregated door"},
		"an agents' endpoint where people are":  {change: func(r *Route) { r.Do = AgentSocket(nil, nil) }, wantErr: "go together"},
		"a person's endpoint where agents are":  {change: func(r *Route) { r.Door = Agents }, wantErr: "go together"},
		"an agents' endpoint for agents":        {change: func(r *Route) { r.Door, r.Do = PreparedAgents, AgentSocket(nil, nil) }},
		"browsers led to a change":              {change: func(r *Route) { r.Led, r.Door, r.Method = true, SessionDirect, "POST" }, wantErr: "led to a GET"},
		"browsers led to the aggregated door":   {change: func(r *Route) { r.Led = true }, wantErr: "led to a GET"},
		"browsers led to a page":                {change: func(r *Route) { r.Led, r.Door = true, SessionDirect }},
		"no method":                             {change: func(r *Route) { r.Method = "" }, wantErr: "no method"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.change(&r)
			_, _, err := New(Config{Routes: []Route{r}, Session: byHeader{}, Aggregated: byHeader{}})
			switch {
			case c.wantErr == "" && err != nil:
				t.Error(err)
			case c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)):
				t.Errorf("%v, want it to say %q", err, c.wantErr)
			}
		})
	}
	if _, _, err := New(Config{Routes: []Route{good, good}}); err == nil {
		t.Error("two routes for the same requests start")
	}
}

// things is where the routes of TestOn find their objects: by name, a's are visible to members of a, b's to those of b.
func things(name string) (string, authz.Object, error) {
	switch name {
	case "absent":
		return "", authz.Object{}, fault.New(fault.NotFound, "there never was one")
	case "foreign":
		return name, authz.WorkspaceObject("b", "eve"), nil
	case "readable":
		return name, authz.Object{Kind: authz.Organization, Organization: "a"}, nil
	}
	return name, authz.WorkspaceObject("a", "ada"), nil
}

func TestOn(t *testing.T) {
	ran := ""
	load := ByName("name", func(_ context.Context, name string) (string, authz.Object, error) { return things(name) })
	s := serve(t, Route{Method: "PUT", Path: "/api/v2/things/{name}", Door: Session, Status: 200,
		Do: On(load, authz.Update, func(_ context.Context, name string, in note) (note, error) { ran = name; return in, nil })})
	for name, c := range map[string]struct {
		caller, body string
		wantStatus   int
		wantRan      string
	}{
		"own":      {caller: "ada", body: `{}`, wantStatus: 200, wantRan: "own"},
		"foreign":  {caller: "ada", body: `{}`, wantStatus: 404},
		"absent":   {caller: "ada", body: `{}`, wantStatus: 404},
		"readable": {caller: "ada", body: `{}`, wantStatus: 403},
		"ours":     {caller: "", body: `{}`, wantStatus: 401},
		"broken":   {caller: "ada", body: `{`, wantStatus: 400},
	} {
		t.Run(name, func(t *testing.T) {
			ran = ""
			r := httptest.NewRequest("PUT", "/api/v2/things/"+name, strings.NewReader(c.body))
			r.Header.Set("Caller", c.caller)
			w := httptest.NewRecorder()
			s.session.ServeHTTP(w, r)
			if w.Code != c.wantStatus || ran != c.wantRan {
				t.Errorf("%d and ran %q, want %d and %q: %s", w.Code, ran, c.wantStatus, c.wantRan, w.Body)
			}
		})
	}
	foreign, absent := ask(s.session, "PUT", "/api/v2/things/foreign", `{}`), ask(s.session, "PUT", "/api/v2/things/absent", `{`)
	if foreign.Body.String() != absent.Body.String() {
		t.Errorf("what is foreign and what is absent can be told apart:\n%s%s", foreign.Body, absent.Body)
	}
}

func TestByID(t *testing.T) {
	load := ByID("id", func(_ context.Context, id uuid.UUID) (uuid.UUID, authz.Object, error) {
		return id, authz.WorkspaceObject("a", "ada"), nil
	})
	s := serve(t, Route{Method: "GET", Path: "/api/v2/things/{id}", Door: Session, Status: 200,
		Do: On(load, authz.Read, func(_ context.Context, id uuid.UUID, _ None) (note, error) { return note{ID: id}, nil })})
	for target, want := range map[string]int{
		"6f9619ff-8b86-4011-b42d-00c04fc964ff":          200,
		"6f9619ff8b864011b42d00c04fc964ff":              400,
		"urn:uuid:6f9619ff-8b86-4011-b42d-00c04fc964ff": 400,
		"{6f9619ff-8b86-4011-b42d-00c04fc964ff}":        400,
		"x":                                             400,
		strings.Repeat("x", 3000):                       400,
	} {
		w := ask(s.session, "GET", "/api/v2/things/"+target, "")
		if w.Code != want || w.Body.Len() > 500 {
			t.Errorf("%.60s: %d, want %d: %.600s", target, w.Code, want, w.Body)
		}
	}
}

// hostile are paths that say something else than they seem to.
var hostile = []string{
	"things//own", "things/./own", "things/../things/own", "things/own/", "things/%2e%2e/own", "things/%2E/own", "things%2fown",
	"things/own%2f", "things/a%2fb", "things/..%2fown", "things/%5c..%5cown", "things/a%5cb", "things/%00", "things/a%0ab", "/things/own", "things/own/../../things/own",
	"things/%252e%252e/own", "..;/things/own", "things/own%00", "../things/own", "..%2fthings/own", "%2e%2e/v2/things/own",
}

// A path reaches the route that everybody in front of us sees in it, or none. None is ever redirected.
func TestAdvisory_V35_V39_HostilePathsAreNoRoute(t *testing.T) {
	load := ByName("name", func(_ context.Context, name string) (string, authz.Object, error) { return things(name) })
	s := serve(t, Route{Method: "GET", Path: "/api/v2/things/{name}", Door: Session, Status: 200,
		Do: On(load, authz.Read, func(_ context.Context, name string, _ None) (note, error) { return note{Text: name}, nil })})
	for prefix, h := range map[string]http.Handler{SessionPrefix: s.session, AggregatedPrefix: s.aggregated} {
		if w := ask(h, "GET", prefix+"things/own", ""); w.Code != 200 {
			t.Fatalf("the plain path: %d", w.Code)
		}
		for _, path := range hostile {
			r, err := http.NewRequest("GET", "http://berth.test"+prefix+path, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			r.Header.Set("Caller", "ada")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 404 {
				t.Errorf("%s%s: %d %s, want 404", prefix, path, w.Code, w.Body)
			}
		}
	}
}

// The kube-apiserver would follow a redirect with its own credentials.
func TestAdvisory_V36_TheAggregatedDoorNeverRedirects(t *testing.T) {
	s := serve(t,
		Route{Method: "GET", Path: "/api/v2/elsewhere", Door: Anyone, Action: authz.Read, Status: 200,
			Do: Raw(func(w http.ResponseWriter, r *http.Request) error {
				http.Redirect(w, r, "https://elsewhere.test/", http.StatusTemporaryRedirect)
				return nil
			})},
		Route{Method: "GET", Path: "/api/v2/things/", Door: Anyone, Action: authz.Read, Status: 200, Do: Plain(nothing)},
	)
	for _, path := range append([]string{"elsewhere", "", "things", "things/", "THINGS"}, hostile...) {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "CONNECT"} {
			r, err := http.NewRequest(method, "http://berth.test"+AggregatedPrefix+path, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			w := httptest.NewRecorder()
			s.aggregated.ServeHTTP(w, r)
			if w.Code >= 300 && w.Code < 400 || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
		}
	}
	for _, path := range append([]string{"things", "", "x/"}, hostile...) {
		if w := ask(s.session, "GET", "http://berth.test"+SessionPrefix+path, ""); w.Code >= 300 && w.Code < 400 {
			t.Errorf("the session door, %s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
}

// Discovery lists the group and no resource: a namespace that is being deleted has nothing to ask us for.
func TestDiscovery(t *testing.T) {
	s := serve(t, echo())
	for path, want := range map[string]string{
		"/apis":                       `"kind":"APIGroupList"`,
		"/apis/codersdk.berth.dev":    `"kind":"APIGroup"`,
		"/apis/codersdk.berth.dev/v2": `"resources":[]`,
	} {
		if w := ask(s.aggregated, "GET", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want it to hold %s", path, w.Code, w.Body, want)
		}
		if w := ask(s.session, "GET", path, ""); w.Code != 404 {
			t.Errorf("%s at the session door: %d, want 404", path, w.Code)
		}
	}
	if w := ask(s.aggregated, "GET", "/openapi/v2", ""); w.Code != 404 {
		t.Errorf("/openapi/v2: %d, want 404", w.Code)
	}
}
