// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/berth-dev/berth/internal/authz"
)

const (
	// SessionPrefix begins every path of the session door that the aggregated door offers as well.
	SessionPrefix = "/api/v2/"
	// Group and GroupVersion are what the aggregated door is called in Kubernetes.
	Group        = "codersdk.berth.dev"
	GroupVersion = "v2"
	// AggregatedPrefix is SessionPrefix at the aggregated door.
	AggregatedPrefix = "/apis/" + Group + "/" + GroupVersion + "/"
)

// Door says who is let in, and where. The zero value lets in nobody: a Route without a door does not start.
type Door int

// The doors. What makes, ends or needs a session token is direct only: through the aggregation layer a short Kubernetes
// identity would become a long-lived token.
const (
	// Session lets in people who are known, at both doors.
	Session Door = iota + 1
	// Anyone lets in whoever asks, at both doors.
	Anyone
	// SessionDirect lets in people with a session token, at /api/v2 only.
	SessionDirect
	// AnyoneDirect lets in whoever asks, at /api/v2 only.
	AnyoneDirect
	// Provider lets in the identity provider by its key, below SCIMPrefix only.
	Provider
	// Agents lets in the agents of workspaces, at /api/v2 only, and no person.
	Agents
	// PreparedAgents lets in those of prepared workspaces too, which are nobody's yet.
	PreparedAgents
)

// String is the door's name in `make routes`.
func (d Door) String() string {
	switch d {
	case Session:
		return "session"
	case Anyone:
		return "anyone"
	case SessionDirect:
		return "session-direct"
	case AnyoneDirect:
		return "anyone-direct"
	case Provider:
		return "provider"
	case Agents:
		return "agents"
	case PreparedAgents:
		return "prepared-agents"
	}
	return "undeclared"
}

// ForAgents tells whether agents are let in, and nobody else.
func (d Door) ForAgents() bool { return d == Agents || d == PreparedAgents }

// NeedsCaller tells whether a person, or the identity provider, must be known.
func (d Door) NeedsCaller() bool { return d == Session || d == SessionDirect || d == Provider }

// Aggregated tells whether the route is offered through the aggregation layer as well.
func (d Door) Aggregated() bool { return d == Session || d == Anyone }

// Route is one endpoint of the API.
type Route struct {
	// Method is the HTTP method. GET answers HEAD as well.
	Method string
	// Path is the path as the contract spells it, with {names}.
	Path string
	// Tag is the chapter of the API's reference.
	Tag string
	// Door says who is let in.
	Door Door
	// Action is what is asked, where the endpoint does not say it itself: Plain and Raw need it, On and Visible have it.
	Action authz.Action
	// PerMinute is how often one party may ask in a minute, whatever the deployment allows otherwise; 0 is as often as that.
	PerMinute int
	// Led says that other sites lead browsers here, with the person's cookie.
	Led bool
	// Status is the status of a success.
	Status int
	// Do is what is done.
	Do Endpoint
}

// Asks is the action that the route asks for; empty when none is declared.
func (r Route) Asks() authz.Action {
	if r.Do.action != "" {
		return r.Do.action
	}
	return r.Action
}

// String is the route's method and path.
func (r Route) String() string { return r.Method + " " + r.Path }

// In is the type of the JSON body that is read; nil when none is.
func (r Route) In() reflect.Type { return r.Do.in }

// Out is the type of the JSON body that is written; nil when there is none, or when the endpoint writes it itself.
func (r Route) Out() reflect.Type { return r.Do.out }

// Upgrades tells whether the route answers an upgrade to a websocket.
func (r Route) Upgrades() bool { return r.Do.socket }

// Source is the file and line where the endpoint stands in its table.
func (r Route) Source() (file string, line int) { return r.Do.file, r.Do.line }

// Check says what keeps the route from being served.
func (r Route) Check() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("route %s: "+format, append([]any{r}, args...)...))
	}
	if r.Method == "" || !strings.HasPrefix(r.Path, "/") {
		fail("it has no method, or a path that does not start with /")
	}
	if r.Do.serve == nil {
		fail("it does nothing")
	}
	if r.Door < Session || r.Door > PreparedAgents {
		fail("it declares no door")
	}
	if r.Asks() == "" {
		fail("it declares no action")
	}
	if r.Do.action != "" && r.Action != "" && r.Do.action != r.Action {
		fail("it declares %s, and its endpoint asks for %s", r.Action, r.Do.action)
	}
	if r.Do.caller && !r.Door.NeedsCaller() {
		fail("its endpoint needs a caller, and its door lets in anyone")
	}
	if r.Do.agent != r.Door.ForAgents() {
		fail("an agent's endpoint and an agents' door go together")
	}
	if r.Led && (r.Method != http.MethodGet || r.Door != SessionDirect) {
		fail("browsers are led to a GET of the session door's own")
	}
	if r.Door.Aggregated() && !strings.HasPrefix(r.Path, SessionPrefix) {
		fail("the aggregated door has only paths below %s", SessionPrefix)
	}
	if scim := strings.HasPrefix(r.Path, SCIMPrefix); scim != (r.Door == Provider) {
		fail("the identity provider's door has the paths below %s, and no other door does", SCIMPrefix)
	}
	if (r.Status < 200 || r.Status > 299) && r.Status != http.StatusTemporaryRedirect {
		fail("status %d is no success", r.Status)
	}
	return errors.Join(errs...)
}
