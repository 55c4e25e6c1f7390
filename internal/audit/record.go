// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"sync"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
)

// Change is what one write did to one resource.
type Change struct {
	Action   codersdk.AuditAction
	Resource Resource
	Diff     codersdk.AuditDiff
	// Object is the Kubernetes object that was written; changes of one object within a request become one entry.
	Object     Object
	Additional Additional
}

// Attempt is what a request wants, from its door and its route.
type Attempt struct {
	Door, Method, Path string
	RequestID          string
	IP, UserAgent      string
	Asks               authz.Action
	Caller             *v1alpha1.User // nil where nobody is known
	Identity           string         // the Kubernetes identity, where it is no account's
	Target             string         // what the path names last
	Denied             bool           // the caller lacks a right, whatever the answer says
	Subject            *v1alpha1.User // the account that a sign-in names
	changes            []Change
}

// Record gathers what a request did, for the entries that are made before its answer is sent. Its methods may be called on
// nil, outside of a request, and by several goroutines.
type Record struct {
	mu      sync.Mutex
	attempt Attempt
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
	r.edit(func(a *Attempt) { a.changes = append(a.changes, c) })
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
	return r.attempt, joined(r.attempt.changes)
}

// joined are changes with those of one object made one. What was made and taken back in one request stays what it was: an
// attempt to make it.
func joined(changes []Change) []Change {
	var all []Change
	at := map[Object]int{}
	for _, c := range changes {
		key := Object{UID: c.Object.UID}
		i, ok := at[key]
		if !ok || c.Object.UID == "" || all[i].Resource.Type != c.Resource.Type {
			at[key] = len(all)
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
