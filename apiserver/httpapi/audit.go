// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
)

// Auditor keeps what was done and what was refused.
type Auditor interface {
	// Settle stores what a request did, before its answer of the status is sent. The context may have ended. After an error
	// the client is told that the entry is missing, in place of the answer.
	Settle(ctx context.Context, r *audit.Record, status int) error
	// Ready is an error while nothing should be done, because no entry of it could be stored.
	Ready() error
}

// RefusedCaller is an error of an Authenticator that knows whom it refuses.
type RefusedCaller struct {
	// Account is the person; nil where only a Kubernetes identity is known.
	Account *v1alpha1.User
	// Identity is the Kubernetes identity that is no person's.
	Identity string
	// Err is the refusal.
	Err error
}

// Error is the refusal's text.
func (r *RefusedCaller) Error() string { return r.Err.Error() }

// Unwrap gives the refusal.
func (r *RefusedCaller) Unwrap() error { return r.Err }

// Writes tells whether the route changes something, or signs somebody in or out.
func (r Route) Writes() bool {
	switch r.Asks() {
	case authz.Read:
		return false
	case authz.Use:
		return r.Method != http.MethodGet && r.Status == http.StatusCreated // asking is no deed; making something is
	}
	return true
}

// record begins the record of a request, which is settled when its answer begins.
func (d *door) record(w http.ResponseWriter, r *http.Request, route Route) *audit.Record {
	out, ok := w.(*recorder)
	if d.audit == nil || !ok {
		return nil
	}
	t := traceOf(r)
	record := audit.NewRecord(audit.Attempt{
		Door: d.name, Method: route.Method, Path: sessionPath(route.Path), Asks: route.Asks(), Writes: route.Writes(),
		UserAgent: audit.UserAgent(r.UserAgent()), Target: named(r, route.Path),
	}.From(t.id, t.client))
	out.settle = func(status int) error { return d.audit.Settle(context.WithoutCancel(r.Context()), record, status) }
	out.instead = func(err error) { d.unrecorded(out, r, err) }
	return record
}

// recordable is an error when the route changes something and no entry of it could be stored.
func (d *door) recordable(route Route) error {
	if d.audit == nil || !route.Writes() {
		return nil
	}
	return d.audit.Ready()
}

// unrecorded answers in place of an endpoint whose deed is done and whose entry could not be stored. What the endpoint
// would have said, a session among it, is not handed out.
func (d *door) unrecorded(out *recorder, r *http.Request, err error) {
	t := traceOf(r)
	d.log.ErrorContext(r.Context(), "audit entry not stored", "request", t.id, "route", t.route, "error", causeOf(err))
	h := out.Header()
	for _, name := range []string{"Content-Length", "Content-Type", "Content-Disposition", "Etag", "Location", "Set-Cookie"} {
		h.Del(name)
	}
	var sent any = codersdk.Response{
		Message: "What you asked for may have been done, and its entry in the audit log could not be stored.",
		Detail:  "Look whether it was done before you try again. The entry is on the server's standard output, under request " + t.id + ", and is stored when that is possible.",
	}
	if d.kubernetes {
		body, _ := sent.(codersdk.Response)
		sent = asKubernetesStatus(http.StatusServiceUnavailable, body, 0)
	}
	if err := writeJSON(out, http.StatusServiceUnavailable, sent); err != nil {
		d.log.DebugContext(r.Context(), "answer not sent", "request", t.id, "error", err)
	}
}

// known tells the record whom the door refused, as far as it knows.
func known(record *audit.Record, err error) {
	var refused *RefusedCaller
	if !errors.As(err, &refused) {
		return
	}
	if refused.Account != nil {
		record.Known(refused.Account)
		return
	}
	record.Foreign(refused.Identity)
}

// sessionPath is a route's path as the table spells it, whatever the door.
func sessionPath(path string) string {
	if rest, ok := strings.CutPrefix(path, AggregatedPrefix); ok {
		return SessionPrefix + rest
	}
	return path
}

// named is what the last {name} of a path stands for in a request, cut to what an id or a name may have.
func named(r *http.Request, path string) string {
	const longest = 64
	open := strings.LastIndex(path, "{")
	if open < 0 {
		return ""
	}
	name, _, _ := strings.Cut(path[open+1:], "}")
	value := audit.UserAgent(r.PathValue(name))
	if _, err := uuid.Parse(value); err != nil && len(value) > longest {
		return ""
	}
	return value
}
