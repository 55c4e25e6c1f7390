// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// requestTimeout is how long an endpoint with a typed answer may take. Streams end themselves.
const requestTimeout = 30 * time.Second

// Authenticator finds out who calls at one door. An error is answered as it is: 401 where nobody is known, 403 where
// somebody is known who may not come in. Where the route lets in anyone (required is false) the caller may be nil; what
// makes the door itself trustworthy is checked all the same.
type Authenticator interface {
	Authenticate(r *http.Request, required bool) (*authz.Caller, error)
}

// Config is what both doors are built from.
type Config struct {
	// Routes are all that is served.
	Routes []Route
	// Version is sent with every answer of the API.
	Version string
	// Log takes a line a request, and what people are not told.
	Log *slog.Logger
	// Metrics takes the doors' metrics.
	Metrics prometheus.Registerer
	// Proxies are the networks whose word on a client's address is believed.
	Proxies []netip.Prefix
	// Session and Aggregated find out who calls. Provider knows the identity provider; nil lets none in.
	Session, Aggregated, Provider Authenticator
	// Agents finds out which agent calls, where routes are for agents.
	Agents AgentAuthenticator
	// Site is where people reach the server, such as https://berth.example; empty where that is not known.
	Site string
	// Stopping is closed when streams are to end; nil never is.
	Stopping <-chan struct{}
	// Limits say how often one party may ask, at both doors together.
	Limits Limits
	// Apps has the hosts of apps, which are never the API's; nil has none.
	Apps Apps
	// Audit keeps what was done and what was refused; nil keeps nothing, which is for tests of the doors alone.
	Audit Auditor
}

// New builds the doors. It fails when a route declares no door or action, or when two routes mean the same requests.
func New(c Config) (session, aggregated http.Handler, err error) {
	var errs []error
	for _, r := range c.Routes {
		errs = append(errs, r.Check())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	m, err := newMetrics(c.Metrics)
	if err != nil {
		return nil, nil, err
	}
	limiter := newLimiter(c.Limits)
	front := &door{name: "session", limiter: limiter, version: c.Version, log: c.Log, metrics: m, auth: c.Session, provider: c.Provider, agents: c.Agents, proxies: c.Proxies, site: c.Site, stopping: c.Stopping, audit: c.Audit, apps: c.Apps}
	back := &door{name: "aggregated", limiter: limiter, version: c.Version, log: c.Log, metrics: m, auth: c.Aggregated, proxies: c.Proxies, kubernetes: true, audit: c.Audit, apps: c.Apps}
	if front.mux, err = front.routes(c.Routes); err != nil {
		return nil, nil, err
	}
	var offered []Route
	for _, r := range c.Routes {
		if r.Door.Aggregated() {
			r.Path = AggregatedPrefix + strings.TrimPrefix(r.Path, SessionPrefix)
			offered = append(offered, r)
		}
	}
	if back.mux, err = back.routes(append(offered, discovery()...)); err != nil {
		return nil, nil, err
	}
	return front, back, nil
}

// door is one way in: the same routes, its own way to know who calls.
type door struct {
	name    string
	version string
	log     *slog.Logger
	metrics *metrics
	auth    Authenticator
	// provider knows the identity provider.
	provider Authenticator
	agents   AgentAuthenticator // only the session door lets in any
	limiter  *limiter
	mux      *http.ServeMux
	proxies  []netip.Prefix
	// site and stopping are as in Config; only the session door has streams.
	site     string
	stopping <-chan struct{}
	// kubernetes is the door behind the kube-apiserver: it never redirects, and its refusals are Kubernetes' as well.
	kubernetes bool
	audit      Auditor
	apps       Apps
}

// routes registers the routes. ServeMux panics where two patterns overlap without an order; that is an error here.
func (d *door) routes(routes []Route) (mux *http.ServeMux, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s door: %v", d.name, p)
		}
	}()
	mux = http.NewServeMux()
	for _, r := range routes {
		pattern := r.Path
		if strings.HasSuffix(pattern, "/") {
			// Without a pattern of its own the path without the slash would be redirected.
			mux.Handle(strings.TrimSuffix(pattern, "/"), d.unknown())
			pattern += "{$}"
		}
		mux.Handle(r.Method+" "+pattern, d.serve(r))
	}
	mux.Handle("/", d.unknown())
	return mux, nil
}

// ServeHTTP does for every request what no endpoint should have to think of.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &trace{id: newRequestID(), start: time.Now(), door: d.name, client: clientAddress(r, d.proxies)}
	out := &recorder{ResponseWriter: w, noRedirects: d.kubernetes}
	r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
	d.metrics.inFlight.Inc()
	defer d.finish(out, r, t)

	h := out.Header()
	h.Set(codersdk.BuildVersionHeader, d.version)
	h.Set("X-Request-Id", t.id)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if d.apps != nil && d.apps.Covers(r.Host) {
		d.enter(out, r)
		return
	}
	if !plainPath(r.URL) {
		d.fail(out, r, unknownRoute())
		return
	}
	d.mux.ServeHTTP(out, r)
}

// serve lets the caller in and runs the endpoint.
func (d *door) serve(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := traceOf(r)
		t.route, t.leads = route.Path, route.Do.leads
		record := d.record(w, r, route)
		ctx, err := d.admit(route, w, r, record)
		if err != nil {
			known(record, err)
			d.fail(w, r, err)
			return
		}
		if err := d.recordable(route); err != nil {
			d.fail(w, r, err)
			return
		}
		if route.Do.raw {
			ctx = context.WithValue(ctx, watchKey{}, watch{
				authenticate: func(r *http.Request) (*authz.Caller, error) { return d.auth.Authenticate(r, true) },
				stopping:     d.stopping, site: d.site,
			})
		} else {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			d.bound(w)
		}
		if err := route.Do.serve(w, r.WithContext(ctx), route.Status); err != nil {
			d.fail(w, r, err)
		}
	})
}

// admit finds out who calls, and puts them into the request's context: an agent, a person, the identity provider, or nobody
// where the route lets in anyone.
func (d *door) admit(route Route, w http.ResponseWriter, r *http.Request, record *audit.Record) (context.Context, error) {
	ctx := audit.NewContext(r.Context(), record)
	if !d.kubernetes { // the aggregated door knows no cookies
		if err := checkWrite(r, d.site); err != nil {
			return ctx, err
		}
	}
	if route.Door.ForAgents() {
		return d.admitAgent(ctx, route, w, r)
	}
	if route.Led {
		r = r.WithContext(context.WithValue(r.Context(), ledKey{}, true))
	}
	caller, err := d.knows(route.Door).Authenticate(r, route.Door.NeedsCaller())
	if err == nil && caller == nil && route.Door.NeedsCaller() {
		err = fault.New(fault.Unauthenticated, "You are signed out. Sign in to continue.")
	}
	if !d.kubernetes || caller != nil {
		// Whom nobody knows behind the kube-apiserver, all of whose address is its own, that one has bounded.
		if often := d.limiter.take(w.Header(), r, route, caller); often != nil {
			err = often
		}
	}
	if err != nil || caller == nil {
		return ctx, err
	}
	traceOf(r).user = caller.User
	record.Known(caller.Account)
	return authz.NewContext(ctx, caller), nil
}

// admitAgent finds out which agent calls.
func (d *door) admitAgent(ctx context.Context, route Route, w http.ResponseWriter, r *http.Request) (context.Context, error) {
	if d.agents == nil {
		return ctx, fault.New(fault.Unauthenticated, "No agents are known here.")
	}
	if often := d.limiter.take(w.Header(), r, route, nil); often != nil {
		return ctx, often
	}
	agent, err := d.agents.Agent(r, route.Door == PreparedAgents)
	if err != nil {
		return ctx, err
	}
	traceOf(r).user = agent.String()
	return context.WithValue(ctx, agentKey{}, agent), nil
}

// knows is who finds out who calls. Where there is no identity provider its routes are as unknown as any other.
func (d *door) knows(door Door) Authenticator {
	switch {
	case door != Provider:
		return d.auth
	case d.provider == nil:
		return nobodys{}
	}
	return d.provider
}

// nobodys is the door to what is not offered.
type nobodys struct{}

// Authenticate refuses as for a route that there is not.
func (nobodys) Authenticate(*http.Request, bool) (*authz.Caller, error) { return nil, unknownRoute() }

// bound ends requests whose client sends or reads too slowly.
func (d *door) bound(w http.ResponseWriter) {
	control, until := http.NewResponseController(w), time.Now().Add(2*requestTimeout)
	// A writer without deadlines, such as one of a test, has nothing that could hang.
	_ = control.SetReadDeadline(until)
	_ = control.SetWriteDeadline(until)
}

// fail writes any error of an endpoint, unless the endpoint has written something already.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	t := traceOf(r)
	var unsent *sendError
	if errors.As(err, &unsent) || errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody listens any more
	}
	status, body, retryAfter := refusal(err, t.id)
	if f, ok := fault.As(err); !ok || f.Cause != nil {
		level := slog.LevelInfo
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		d.log.Log(r.Context(), level, "request refused", "request", t.id, "route", t.route, "error", causeOf(err))
	}
	if out, ok := w.(*recorder); ok && out.status != 0 {
		return
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(retryAfter), 10))
	}
	if err := d.refuse(w, r, status, body, retryAfter, err); err != nil {
		d.log.DebugContext(r.Context(), "answer not sent", "request", t.id, "error", err)
	}
}

// refuse writes a refusal in the form that who asks reads: JSON, what Kubernetes or an identity provider knows, or a page.
func (d *door) refuse(w http.ResponseWriter, r *http.Request, status int, body codersdk.Response, retryAfter time.Duration, err error) error {
	t := traceOf(r)
	switch {
	case d.kubernetes:
		return writeJSON(w, status, asKubernetesStatus(status, body, retryAfter))
	case strings.HasPrefix(r.URL.Path, SCIMPrefix):
		w.Header().Set("Content-Type", SCIMMedia)
		return writeJSON(w, status, asSCIMError(status, body, err))
	case t.leads:
		w.Header().Set("Vary", "Accept")
		if wantsPage(r) {
			return writePage(w, status, body, t.id)
		}
	}
	return writeJSON(w, status, body)
}

// causeOf is what the log learns: the error, and the cause that a fault keeps from people.
func causeOf(err error) string {
	if f, ok := fault.As(err); ok && f.Cause != nil {
		return err.Error() + ": " + f.Cause.Error()
	}
	return err.Error()
}

func (d *door) unknown() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.fail(w, r, unknownRoute()) })
}

func unknownRoute() error { return fault.New(fault.NotFound, "Route not found.") }

// plainPath tells whether a path says one thing only: no empty, dotted or hidden segment. Others are no route, so that
// nobody in front of us can have read a different path than we do, and ServeMux has nothing to clean by a redirect.
func plainPath(u *url.URL) bool {
	escaped := u.EscapedPath()
	if !strings.HasPrefix(escaped, "/") {
		return false
	}
	segments := strings.Split(escaped[1:], "/")
	for i, segment := range segments {
		text, err := url.PathUnescape(segment)
		if err != nil || text == "." || text == ".." || strings.ContainsAny(text, "/\\") {
			return false
		}
		if text == "" && i < len(segments)-1 {
			return false
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return false
		}
	}
	return true
}
