// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/records"
)

const (
	// DefaultRetention is how long entries are kept.
	DefaultRetention = 90 * 24 * time.Hour
	// DefaultMaxSize is how many bytes the stored entries may take, compressed; some 100,000 entries fit.
	DefaultMaxSize = 16 << 20
	// refusedShare is which part of the size refused attempts have as their own, so that a flood of them pushes out
	// nothing that was done.
	refusedShare = 4
	// foldEvery is how often it is looked whether counted attempts are due.
	foldEvery = 5 * time.Second
)

// Options says what an Auditor works with.
type Options struct {
	// Store is where objects and people are found.
	Store *store.Store
	// StampsBeside is Berth's own namespace, whose service accounts act for others, where the cluster writes down on each
	// object who asked for its spec; empty where it does not.
	StampsBeside string
	// Retention is how long entries are kept, and MaxSize how many bytes they may take; zero means the default.
	Retention time.Duration
	MaxSize   int
	// Stream takes a line of JSON an entry; nil takes none.
	Stream io.Writer
	// Log takes what goes wrong.
	Log *slog.Logger
	// Now tells the time.
	Now func() time.Time
	// Keep makes a series in Berth's namespace, and Follow what hears of the objects of all replicas.
	Keep   func(records.Options) *records.Series
	Follow func(...*records.Series) *records.Follower
}

// Auditor makes, keeps and finds entries.
type Auditor struct {
	o Options
	// Book answers searches.
	Book *audit.Book
	// done are the entries of deeds, refused those of refused attempts.
	done, refused *records.Series
	follower      *records.Follower
	fold          *audit.Fold
	manifests     *manifests

	streaming sync.Mutex
}

// New makes an Auditor that stores nothing before Run.
func New(o Options) *Auditor {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	a := &Auditor{o: o, Book: audit.NewBook(), fold: audit.NewFold(o.Now)}
	series := func(name string, size int) *records.Series {
		return o.Keep(records.Options{
			Name: name, MaxAge: o.Retention, MaxBytes: size, Now: o.Now,
			Stored: func(object string, lines [][]byte) {
				if err := a.Book.Add(object, lines); err != nil {
					o.Log.Error("audit log", "error", err)
				}
			},
			Gone:   a.Book.Remove,
			Failed: func(err error) { o.Log.Error("audit log", "error", err) },
		})
	}
	a.refused = series("audit-refused", o.MaxSize/refusedShare)
	a.done = series("audit", o.MaxSize-o.MaxSize/refusedShare)
	a.follower = o.Follow(a.done, a.refused)
	a.manifests = newManifests(a)
	return a
}

// Run keeps the log until the context ends, and stores before it comes back what was made by then.
func (a *Auditor) Run(ctx context.Context) error {
	storing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var stored, rest errgroup.Group
	for _, s := range []*records.Series{a.done, a.refused} {
		stored.Go(func() error { return s.Run(storing) })
		rest.Go(func() error { return s.Maintain(ctx) })
	}
	rest.Go(func() error { return a.follower.Run(ctx) })
	rest.Go(func() error { return a.runFold(ctx) })
	rest.Go(func() error { return a.manifests.run(ctx) })
	err := rest.Wait()
	stop()
	if failed := stored.Wait(); err == nil {
		err = failed
	}
	return err
}

// Synced waits until the book has everything that was stored, and tells whether it does before the context ends.
func (a *Auditor) Synced(ctx context.Context) bool { return a.follower.Synced(ctx) }

// Ready is an error while entries can't be stored.
func (a *Auditor) Ready() error { return a.done.Ready() }

// Settle makes the entries of a request, and comes back when they are stored. A refused attempt whose entry can't be stored
// is refused all the same; a deed's is an error.
func (a *Auditor) Settle(ctx context.Context, r *audit.Record, status int) error {
	attempt, changes := r.Attempt()
	entries := a.entries(ctx, attempt, changes, status)
	if len(entries) == 0 {
		return nil
	}
	if len(changes) > 0 || !entries[0].Refused() {
		return a.Keep(entries...)
	}
	e := entries[0]
	if a.fold.Take(e) {
		_ = a.write(a.refused, e) // it is on the stream, and the series says in the log what is wrong
	}
	return nil
}

// Keep stores entries of deeds.
func (a *Auditor) Keep(entries ...*audit.Entry) error { return a.write(a.done, entries...) }

func (a *Auditor) write(to *records.Series, entries ...*audit.Entry) error {
	lines := make([]records.Line, 0, len(entries))
	for _, e := range entries {
		data, err := e.Line()
		if err != nil {
			return err
		}
		a.stream(data)
		lines = append(lines, records.Line{At: e.Time, Data: data})
	}
	return to.Write(lines...)
}

// stream writes an entry as a line of its own, in one write, so that lines of several requests do not mix.
func (a *Auditor) stream(entry []byte) {
	if a.o.Stream == nil {
		return
	}
	line, err := json.Marshal(struct {
		Audit json.RawMessage `json:"audit"`
	}{entry})
	if err == nil {
		a.streaming.Lock()
		defer a.streaming.Unlock()
		_, err = a.o.Stream.Write(append(line, '\n'))
	}
	if err != nil {
		a.o.Log.Error("audit stream", "error", err)
	}
}

// runFold stores the entries of refused attempts that were counted, when they are due and at the end.
func (a *Auditor) runFold(ctx context.Context) error {
	tick := time.NewTicker(foldEvery)
	defer tick.Stop()
	for {
		over := false
		select {
		case <-tick.C:
		case <-ctx.Done():
			over = true
		}
		if due := a.fold.Due(over); len(due) > 0 {
			_ = a.write(a.refused, due...) // as in Settle
		}
		if over {
			return nil
		}
	}
}

// actor is an account as the log shows it: as it is now, without what changes all the time.
func (a *Auditor) actor(ctx context.Context, u *v1alpha1.User) *codersdk.User {
	if u == nil || u.Name == "" {
		return nil
	}
	account, err := a.o.Store.Account(ctx, u)
	if err != nil {
		account = store.Account{User: u}
	}
	shown := view.User(u, account.Organizations, a.o.Now())
	shown.LastSeenAt, shown.ThemePreference = time.Time{}, ""
	return &shown
}

func newEntry(now time.Time) *audit.Entry { return &audit.Entry{ID: uuid.New(), Time: now.UTC()} }
