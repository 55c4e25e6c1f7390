// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/identity"
)

const (
	// grace is how long a change that was seen waits for the entry of a request that made it, on whichever replica, before
	// it counts as a manifest's; ownGrace is the same where a field manager of ours made it, so that a request did.
	grace, ownGrace = 5 * time.Second, 45 * time.Second
	// slack is how much older than the newest entry a change may be that is seen when the server starts.
	slack = 5 * time.Minute
	// manifestEvery is how often it is looked whether a change is due.
	manifestEvery = time.Second

	manager   = "berth-manager"
	apiServer = "berth-apiserver"
)

// manifests makes the entries of what came past the API. It sees every change of an object; one that no request accounts for
// after a while was made by a manifest, or by a server that died before it could say for whom. Every replica does the same,
// under the same ids, so an entry that two make is one.
type manifests struct {
	a *Auditor

	mu      sync.Mutex
	waiting map[audit.Object]*seen
}

// seen is a change that waits for a request to account for it.
type seen struct {
	before, after v1alpha1.Object // of which one may be nil
	initial       bool            // it was there when the server started
	due           time.Time
}

func newManifests(a *Auditor) *manifests { return &manifests{a: a, waiting: map[audit.Object]*seen{}} }

// Saw takes a change of an object, as the store tells it: before is nil for one that is new or was there at the start, and
// after for one that is gone.
func (a *Auditor) Saw(before, after v1alpha1.Object, initial bool) {
	m := a.manifests
	key, wait, ok := judged(before, after, initial)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.waiting[key]; !known {
		m.waiting[key] = &seen{before: before, after: after, initial: initial, due: a.o.Now().Add(wait)}
	}
}

// judged tells which state of an object a change led to, and how long a request may take to account for it; false where it
// is nobody's deed: a status, or what the manager does on its own.
func judged(before, after v1alpha1.Object, initial bool) (key audit.Object, wait time.Duration, ok bool) {
	if after == nil || after.GetDeletionTimestamp() != nil {
		o := after
		if o == nil {
			o = before
		}
		if !removable(o) || (before != nil && after != nil && before.GetDeletionTimestamp() != nil) {
			return audit.Object{}, 0, false
		}
		return audit.Object{UID: o.GetUID(), Gone: true}, ownGrace, true
	}
	if before != nil && before.GetGeneration() == after.GetGeneration() {
		return audit.Object{}, 0, false
	}
	key = audit.Object{UID: after.GetUID(), From: after.GetGeneration(), To: after.GetGeneration()}
	if initial {
		return key, grace, true // whose it is depends on what is recorded
	}
	switch writer(before, after, before == nil) {
	case manager:
		return key, grace, ordered(after) && before == nil
	case apiServer:
		return key, ownGrace, true
	}
	return key, grace, true
}

// ordered tells whether the manager makes an object because somebody, or a schedule, wishes it.
func ordered(o v1alpha1.Object) bool {
	_, build := o.(*v1alpha1.WorkspaceBuild)
	return build
}

// writer is the field manager that made a change: the one whose mark on the object is new. Times are whole seconds; where
// that leaves several, a foreign one is meant, and between ours the one that made an object, or that changes it by itself.
func writer(before, after v1alpha1.Object, made bool) string {
	all := gitops.Writers(after)
	candidates := all
	if before != nil {
		was := gitops.Writers(before)
		candidates = slices.DeleteFunc(slices.Clone(all), func(w gitops.Writer) bool { return slices.Contains(was, w) })
	}
	if !made && (before == nil || len(candidates) == 0) && len(all) > 0 {
		newest := slices.MaxFunc(all, func(a, b gitops.Writer) int { return a.At.Compare(b.At) })
		candidates = slices.DeleteFunc(slices.Clone(all), func(w gitops.Writer) bool { return w.At.Before(newest.At) })
	}
	preferred := []string{manager, apiServer}
	if made {
		preferred = []string{apiServer, manager}
	}
	foreign := slices.IndexFunc(candidates, func(w gitops.Writer) bool { return !w.Own })
	if foreign >= 0 {
		return candidates[foreign].Manager
	}
	for _, name := range preferred {
		if slices.ContainsFunc(candidates, func(w gitops.Writer) bool { return w.Manager == name }) {
			return name
		}
	}
	return ""
}

// removable are the kinds whose removal is somebody's wish; builds and versions go because they are old.
func removable(o v1alpha1.Object) bool {
	switch o.(type) {
	case *v1alpha1.Organization, *v1alpha1.User, *v1alpha1.Group, *v1alpha1.Template, *v1alpha1.Workspace:
		return true
	}
	return false
}

// run makes the entries that are due, until the context ends. What waits then is found again by the next server.
func (m *manifests) run(ctx context.Context) error {
	if !m.a.Synced(ctx) {
		return nil
	}
	started := m.a.Book.Newest()
	tick := time.NewTicker(manifestEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if m.a.Ready() != nil {
			continue // those of requests wait as well
		}
		var entries []*audit.Entry
		for key, s := range m.due() {
			if e := m.entry(ctx, key, s, started); e != nil {
				entries = append(entries, e)
			}
		}
		if len(entries) > 0 {
			_ = m.a.Keep(entries...) // the series tries again, and says in the log what is wrong
		}
	}
}

// due are the changes whose time is over.
func (m *manifests) due() map[audit.Object]*seen {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, due := m.a.o.Now(), map[audit.Object]*seen{}
	for key, s := range m.waiting {
		if !now.Before(s.due) {
			due[key] = s
			delete(m.waiting, key)
		}
	}
	return due
}

// entry is that of a change; nil when another accounts for it. started is the time of the newest entry when this server
// began: what was changed long before that had its entry, which is gone by now.
func (m *manifests) entry(ctx context.Context, key audit.Object, s *seen, started time.Time) *audit.Entry {
	generation, o := key.To, s.after
	if o == nil {
		o = s.before
	}
	if m.a.Book.Recorded(key.UID, generation) {
		return nil
	}
	action, made := codersdk.AuditActionWrite, s.before == nil && !s.initial
	at := gitops.Changed(o)
	switch {
	case key.Gone:
		action = codersdk.AuditActionDelete
		if t := o.GetDeletionTimestamp(); t != nil {
			at = t.Time
		} else {
			at = m.a.o.Now()
		}
	case s.initial:
		latest := m.a.Book.Latest(key.UID)
		if latest >= generation || latest == 0 && !started.IsZero() && at.Before(started.Add(-slack)) {
			return nil
		}
		made = latest == 0
	}
	who := ""
	if !key.Gone {
		who = writer(s.before, s.after, made)
		if who == manager && (!made || !ordered(o)) {
			return nil
		}
		if made {
			action = codersdk.AuditActionCreate
		}
	}
	before, after := s.before, s.after
	if key.Gone {
		before, after = o, nil
	}
	c, ok := m.a.o.Store.ChangeOf(ctx, before, after, action)
	if !ok {
		return nil
	}
	e := newEntry(m.a.o.Now())
	if !at.IsZero() && at.Before(e.Time) {
		e.Time = at.UTC()
	}
	e.ID, e.Object = audit.ManifestID(key), key
	e.Door, e.Status = audit.DoorManifest, http.StatusOK
	e.Action, e.Resource, e.Additional = c.Action, c.Resource, c.Additional
	if len(c.Diff) > 0 {
		if diff, err := json.Marshal(c.Diff); err == nil {
			e.Diff = diff
		}
	}
	m.attribute(ctx, e, o, who)
	return e
}

// attribute says who made a change. An object tells the program that wrote it; the person where its admission, or the
// manager, wrote down whose wish it fulfils.
func (m *manifests) attribute(ctx context.Context, e *audit.Entry, o v1alpha1.Object, who string) {
	if e.Object.Gone {
		e.Additional.Note = "who removed it past the API is not known"
		return
	}
	e.Additional.Manager = who
	switch who {
	case apiServer:
		e.Additional.Note = "the API server that wrote it ended before it could say for whom"
	case manager:
		m.initiator(ctx, e, o)
	default:
		m.requester(ctx, e, o)
	}
}

// Declared makes the entries of credentials that a Secret declares: who wrote that is not known, as nobody but its own
// namespace's people see it. The series tries again what it can't store, and says in the log what is wrong.
func (a *Auditor) Declared(ctx context.Context, r *audit.Record, secret string) {
	attempt, changes := r.Attempt()
	if len(changes) == 0 {
		return
	}
	entries := a.entries(ctx, attempt, changes, http.StatusOK)
	for _, e := range entries {
		e.Route, e.Additional.Note = "", "declared by Secret "+secret
	}
	_ = a.Keep(entries...)
}

// initiator names the one for whom the manager made a build.
func (m *manifests) initiator(ctx context.Context, e *audit.Entry, o v1alpha1.Object) {
	b, ok := o.(*v1alpha1.WorkspaceBuild)
	if !ok || b.Spec.Reason != v1alpha1.BuildReasonInitiator {
		return
	}
	by := b.Spec.Initiator
	if by.User == "" && by.Name != v1alpha1.InitiatorSystem {
		e.Additional.Identity = by.Name
	}
	if by.User == "" {
		return
	}
	if u, err := m.a.o.Store.User(ctx, by.User); err == nil {
		e.Actor = m.a.actor(ctx, u)
	}
}

// requester names the one whom the admission of the change wrote down.
func (m *manifests) requester(ctx context.Context, e *audit.Entry, o v1alpha1.Object) {
	if m.a.o.StampsBeside == "" {
		return
	}
	who := identity.Requester(o, m.a.o.StampsBeside)
	if who.Name == "" {
		return
	}
	e.Additional.Identity = who.Name
	if users, err := m.a.o.Store.UsersBySubject(ctx, who.Subject()); err == nil && len(users) == 1 {
		e.Actor, e.Additional.Identity = m.a.actor(ctx, users[0]), ""
	}
}
