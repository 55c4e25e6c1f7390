// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/berth-dev/berth/api/codersdk"
)

const (
	// foldFor is how long refused attempts that are alike are counted before an entry tells how many there were.
	foldFor = time.Minute
	// maxFolds is how many sorts of attempts are told apart at a time; all further ones are counted together.
	maxFolds = 1024
	// foldBurst and foldRate are how many refused attempts get entries of their own: at once, and a second afterwards.
	foldBurst, foldRate = 120, 1
)

// Fold keeps a flood of refused attempts out of the log: the first of a sort gets an entry at once, those that are like it
// are counted for a minute, and one more entry tells how many they were. However many sorts there are, a process makes no
// more entries of them than a bounded rate.
type Fold struct {
	mu     sync.Mutex
	now    func() time.Time
	bucket *rate.Limiter
	sorts  map[sort]*count
}

// sort is what makes attempts alike. The zero value is all those that are not told apart.
type sort struct {
	actor   uuid.UUID
	network netip.Prefix
	route   string
	action  codersdk.AuditAction
	subject uuid.UUID // whose account a sign-in named
	status  int
}

type count struct {
	until  time.Time
	folded int
	sample *Entry
}

// NewFold begins with nothing counted.
func NewFold(now func() time.Time) *Fold {
	return &Fold{now: now, bucket: rate.NewLimiter(foldRate, foldBurst), sorts: map[sort]*count{}}
}

// Take counts an attempt, and tells whether it is to have an entry of its own.
func (f *Fold) Take(e *Entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, key := f.now(), sortOf(e)
	c, known := f.sorts[key]
	if !known {
		if len(f.sorts) < maxFolds && f.bucket.AllowN(now, 1) {
			f.sorts[key] = &count{until: now.Add(foldFor), sample: e}
			return true
		}
		if c, known = f.sorts[sort{}]; !known {
			c = &count{until: now.Add(foldFor), sample: crowd(e)}
			f.sorts[sort{}] = c
		}
	}
	c.folded++
	return false
}

// Due are the entries of attempts that were counted and whose time is over, or of all of them.
func (f *Fold) Due(all bool) []*Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	var due []*Entry
	for key, c := range f.sorts {
		if !all && now.Before(c.until) {
			continue
		}
		delete(f.sorts, key)
		if c.folded == 0 {
			continue
		}
		e := *c.sample
		e.ID, e.Time, e.RequestID = uuid.New(), now.UTC(), uuid.Nil
		e.Additional.Attempts = c.folded
		due = append(due, &e)
	}
	slices.SortFunc(due, func(a, b *Entry) int { return cmp.Compare(a.Route, b.Route) })
	return due
}

// crowd is what all attempts of many sorts have in common.
func crowd(e *Entry) *Entry {
	c := &Entry{Door: e.Door, Action: ActionRead, Status: e.Status, Resource: Resource{Type: e.Type}}
	c.Additional.Note = "many refused attempts of several sorts, counted together"
	return c
}

func sortOf(e *Entry) sort {
	s := sort{route: e.Route, action: e.Action, status: e.Status}
	if e.Actor != nil {
		s.actor = e.Actor.ID
		return s
	}
	if e.Action == codersdk.AuditActionLogin {
		s.subject = e.Resource.ID
	}
	if address, err := netip.ParseAddr(e.IP); err == nil {
		bits := address.BitLen()
		if address.Is6() {
			bits = 64 // what a single line gets
		}
		s.network, _ = address.Prefix(bits)
	}
	return s
}
