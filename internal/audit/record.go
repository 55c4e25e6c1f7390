// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
)

// Change is what one write did to one resource.
type Change struct {
	Action   codersdk.AuditAction
	Resource Resource
	Diff     codersdk.AuditDiff
	// Object is the Kubernetes object that was written.
	Object Object
	// Join is the same for changes that within a request become one entry, such as those of one object; empty joins none.
	Join string
	// At is when it is to have been; zero means now.
	At         time.Time
	Additional Additional
}

// Attempt is what a request wants, from its door and its route, and what is found out about it.
type Attempt struct {
	// Door, Method and Path are those of the route, as the table spells it.
	Door, Method, Path string
	// Asks is the action that the route asks for; Writes whether it changes something.
	Asks   authz.Action
	Writes bool
	// RequestID is the id in the log; IP the client's address.
	RequestID     uuid.UUID
	IP, UserAgent string
	// Target is what the path names last.
	Target string
	// Caller is who asks; nil where nobody is known. Identity is the Kubernetes identity, where it is no account's.
	Caller   *v1alpha1.User
	Identity string
	// Subject is the account that a sign-in names.
	Subject *v1alpha1.User
	// Denied says that the caller lacks a right, whatever the answer says.
	Denied bool
}

// From is the attempt as that of the request with the id, from the client at the address.
func (a Attempt) From(request string, client netip.Addr) Attempt {
	a.RequestID, _ = uuid.Parse(request)
	if client.IsValid() {
		a.IP = client.String()
	}
	return a
}

// Record gathers what a request did, for the entries that are made before its answer is sent. Its methods may be called on
// nil, outside of a request, and by several goroutines.
type Record struct {
	mu      sync.Mutex
	attempt Attempt
	changes []Change
}

// NewRecord begins the record of a request.
func NewRecord(a Attempt) *Record { return &Record{attempt: a} }

type recordKey struct{}

// NewContext gives a context whose writes the record gathers.
func NewContext(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// From is the record of the request whose context this is; nil outside of one.
func From(ctx context.Context) *Record {
	r, _ := ctx.Value(recordKey{}).(*Record)
	return r
}

// Changed adds a write that was done.
func (r *Record) Changed(c Change) {
	r.edit(func(*Attempt) { r.changes = append(r.changes, c) })
}

// Deny says that the caller lacked a right, also where the answer does not say so.
func (r *Record) Deny() { r.edit(func(a *Attempt) { a.Denied = true }) }

// Known says who the caller turned out to be, refused or not.
func (r *Record) Known(u *v1alpha1.User) { r.edit(func(a *Attempt) { a.Caller = u }) }

// Names says whose account a sign-in is about.
func (r *Record) Names(u *v1alpha1.User) { r.edit(func(a *Attempt) { a.Subject = u }) }

// Foreign says which Kubernetes identity asked that is no account's.
func (r *Record) Foreign(identity string) { r.edit(func(a *Attempt) { a.Identity = identity }) }

func (r *Record) edit(f func(*Attempt)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.attempt)
}

// Attempt is what is known by now, and what was written, one change an object.
func (r *Record) Attempt() (Attempt, []Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempt, joined(r.changes)
}

// joined are changes with those of one object made one. What was made and taken back in one request stays what it was: an
// attempt to make it.
func joined(changes []Change) []Change {
	var all []Change
	at := map[string]int{}
	for _, c := range changes {
		i, ok := at[c.Join]
		if !ok || c.Join == "" {
			at[c.Join] = len(all)
			all = append(all, c)
			continue
		}
		first := &all[i]
		first.Diff = Merge(first.Diff, c.Diff)
		first.Object.To = max(first.Object.To, c.Object.To)
		first.Object.Gone = first.Object.Gone || c.Object.Gone
		if first.Action == codersdk.AuditActionWrite {
			first.Action = c.Action
		}
		if c.Resource.Target != "" {
			first.Resource = c.Resource
		}
	}
	return all
}
