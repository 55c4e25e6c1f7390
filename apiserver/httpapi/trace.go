// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// trace is what the log and the metrics learn of one request. It holds neither query nor headers, since both may carry
// tokens.
type trace struct {
	id    string
	door  string
	start time.Time
	route string // as the table spells it; empty where none matched
	user  string
	leads bool // browsers are led here, and their people see a refusal

	client netip.Addr
}

type traceKey struct{}

func traceOf(r *http.Request) *trace {
	if t, ok := r.Context().Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// RequestID is the id under which the log speaks of the request whose context this is; empty outside of one.
func RequestID(ctx context.Context) string {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t.id
	}
	return ""
}

func newRequestID() string { return uuid.NewString() }

// finish ends a request: a panic becomes a 500, and the request is logged and counted.
func (d *door) finish(out *recorder, r *http.Request, t *trace) {
	defer d.metrics.inFlight.Dec()
	defer out.unanswered()
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p) // how a handler cuts the connection on purpose
		}
		d.metrics.panics.Inc()
		d.log.ErrorContext(r.Context(), "panic", "request", t.id, "route", t.route, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		d.fail(out, r, errors.New("the handler panicked"))
	}
	status, took := out.status, time.Since(t.start)
	if status == 0 {
		status = statusLeft
	}
	route, method := t.route, r.Method
	if route == "" {
		route, method = "none", "any" // what strangers make up is no label
	}
	d.metrics.requests.WithLabelValues(d.name, method, route, strconv.Itoa(status)).Inc()
	d.metrics.seconds.WithLabelValues(d.name, method, route).Observe(took.Seconds())
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	d.log.Log(r.Context(), level, "request", "request", t.id, "door", t.door, "method", method, "route", route,
		"status", status, "bytes", out.bytes, "took", took.Round(time.Microsecond).String(), "user", t.user, "client", t.client.String())
}

// metrics counts by the table's paths, never by what was asked.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_api_requests_total", Help: "Requests by door, method, route and status.",
		}, []string{"door", "method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_api_request_seconds", Help: "How long requests took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"door", "method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "berth_api_requests_in_flight", Help: "Requests that are being answered.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "berth_api_panics_total", Help: "Requests that a defect ended.",
		}),
	}
	if to == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.inFlight, m.panics} {
		errs = append(errs, to.Register(c))
	}
	return m, errors.Join(errs...)
}

// recorder remembers what was answered. At a door that must not redirect, a redirect becomes a 500: the one in front of
// us would follow it with credentials that are not for the target.
type recorder struct {
	http.ResponseWriter
	status      int
	bytes       int64
	noRedirects bool
	// settle, where it is set, is asked once before the answer begins, with its status. After an error instead gives the
	// answer in place of the endpoint's, of which nothing is sent.
	settle  func(status int) error
	instead func(err error)
	dropped bool
}

// statusLeft stands in the log for a client that left before there was an answer.
const statusLeft = 499

// WriteHeader writes the status once.
func (w *recorder) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if w.noRedirects && status >= 300 && status < 400 && status != http.StatusNotModified {
		w.Header().Del("Location")
		status = http.StatusInternalServerError
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		if err := w.settled(status); err != nil {
			w.instead(err)
			w.dropped = true
			return
		}
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// settled asks settle, if nobody has.
func (w *recorder) settled(status int) error {
	settle := w.settle
	w.settle = nil
	if settle == nil {
		return nil
	}
	return settle(status)
}

// unanswered settles a request whose client left, or which was taken over, before an answer began.
func (w *recorder) unanswered() {
	if w.status == 0 {
		_ = w.settled(statusLeft) // nobody is there to be told; the entry is tried again, and on the stream
	}
}

// Write writes a part of the body.
func (w *recorder) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.dropped {
		return len(data), nil
	}
	n, err := w.ResponseWriter.Write(data)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// seconds rounds up, so that nobody asks too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
