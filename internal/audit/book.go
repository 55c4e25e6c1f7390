// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/query"
)

const (
	// maxWords is how many texts that entries share are remembered.
	maxWords = 8192
	// maxStates is how many states of a Kubernetes object one entry may account for.
	maxStates = 1024
)

// Book holds the entries of all stored objects in memory, and answers from there. One entry may stand in several objects,
// while they are being merged; it is one in the book, until the last of them is gone. It may be used by many goroutines.
type Book struct {
	mu      sync.RWMutex
	entries []*Entry // by time, then id; what changes is the slice, never an entry
	copies  map[uuid.UUID]int
	objects map[string][]*Entry // by the name of the stored object
	actors  map[string]*codersdk.User
	words   map[string]string
	states  map[state]struct{}
	latest  map[types.UID]int64
}

// state is one of a Kubernetes object that an entry accounts for.
type state struct {
	uid        types.UID
	generation int64 // 0 for the deletion
}

// NewBook begins empty.
func NewBook() *Book {
	return &Book{
		copies: map[uuid.UUID]int{}, objects: map[string][]*Entry{}, actors: map[string]*codersdk.User{},
		words: map[string]string{}, states: map[state]struct{}{}, latest: map[types.UID]int64{},
	}
}

// Add takes the lines of a stored object. One that it has already is left alone. Lines that can't be read are told in the
// error, and the others are taken.
func (b *Book) Add(object string, lines [][]byte) error {
	if b.Has(object) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[object]; ok {
		return nil
	}
	var failed error
	all := make([]*Entry, 0, len(lines))
	fresh := make([]*Entry, 0, len(lines))
	for _, line := range lines {
		e, err := b.read(line)
		if err != nil {
			failed = fmt.Errorf("an audit entry in %s: %w", object, err)
			continue
		}
		all = append(all, e)
		if b.copies[e.ID]++; b.copies[e.ID] == 1 {
			fresh = append(fresh, e)
			b.account(e)
		}
	}
	b.objects[object] = all
	b.insert(fresh)
	return failed
}

// Has tells whether the book has the stored object.
func (b *Book) Has(object string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.objects[object]
	return ok
}

// Remove forgets a stored object, and the entries that stand in no other.
func (b *Book) Remove(object string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := map[uuid.UUID]bool{}
	for _, e := range b.objects[object] {
		if b.copies[e.ID]--; b.copies[e.ID] <= 0 {
			delete(b.copies, e.ID)
			gone[e.ID] = true
			b.unaccount(e)
		}
	}
	delete(b.objects, object)
	if len(gone) > 0 {
		b.entries = slices.DeleteFunc(slices.Clone(b.entries), func(e *Entry) bool { return gone[e.ID] })
	}
	if len(b.entries) == 0 {
		clear(b.actors)
		clear(b.words)
	}
}

// Find is a page of what is searched for, newest first, and how many there are on all pages.
func (b *Book) Find(q query.Audit, offset, limit int) (page []*Entry, total int) {
	b.mu.RLock()
	entries := b.entries[:len(b.entries):len(b.entries)]
	b.mu.RUnlock()
	// Entries are by time, so a bound of the time needs no look at those beyond it.
	first, last := 0, len(entries)
	if !q.From.IsZero() {
		first = before(entries, q.From)
	}
	if !q.Until.IsZero() {
		last = before(entries, q.Until.AddDate(0, 0, 1))
	}
	timeless := q
	timeless.From, timeless.Until = time.Time{}, time.Time{}
	if timeless == (query.Audit{}) {
		total = max(0, last-first)
		for i := last - 1 - offset; i >= first && len(page) < limit; i-- {
			page = append(page, entries[i])
		}
		return page, total
	}
	for i := last - 1; i >= first; i-- {
		e := entries[i]
		if !e.Matches(&q) {
			continue
		}
		if total >= offset && len(page) < limit {
			page = append(page, e)
		}
		total++
	}
	return page, total
}

// Recorded tells whether an entry accounts for the state of a Kubernetes object at the generation; 0 is its deletion.
func (b *Book) Recorded(uid types.UID, generation int64) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.states[state{uid, generation}]
	return ok
}

// Latest is the last generation of a Kubernetes object that an entry accounts for; 0 when none does.
func (b *Book) Latest(uid types.UID) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.latest[uid]
}

// Newest is the time of the newest entry; zero when there is none.
func (b *Book) Newest() time.Time {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.entries) == 0 {
		return time.Time{}
	}
	return b.entries[len(b.entries)-1].Time
}

// before is how many entries are older than the time.
func before(entries []*Entry, at time.Time) int {
	n, _ := slices.BinarySearchFunc(entries, at, func(e *Entry, at time.Time) int {
		if e.Time.Before(at) {
			return -1
		}
		return 1
	})
	return n
}

// insert adds entries in their order. What a reader holds of the slice is never written to: what is added stands behind
// its end, or in a new slice.
func (b *Book) insert(fresh []*Entry) {
	if len(fresh) == 0 {
		return
	}
	slices.SortFunc(fresh, byTime)
	if n := len(b.entries); n == 0 || byTime(b.entries[n-1], fresh[0]) < 0 {
		b.entries = append(b.entries, fresh...)
		return
	}
	merged := make([]*Entry, 0, len(b.entries)+len(fresh))
	old := b.entries
	for _, e := range fresh {
		n, _ := slices.BinarySearchFunc(old, e, byTime)
		merged = append(append(merged, old[:n]...), e)
		old = old[n:]
	}
	b.entries = append(merged, old...)
}

func byTime(a, b *Entry) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.ID[:], b.ID[:]))
}

// read takes a line. What many entries say alike is held once.
func (b *Book) read(line []byte) (*Entry, error) {
	var kept struct {
		Actor json.RawMessage `json:"user"`
	}
	if err := json.Unmarshal(line, &kept); err != nil {
		return nil, err
	}
	e := &Entry{}
	if err := json.Unmarshal(line, e); err != nil {
		return nil, err
	}
	if e.Actor != nil {
		known, ok := b.actors[string(kept.Actor)]
		if !ok {
			known = e.Actor
			b.actors[string(kept.Actor)] = known
		}
		e.Actor = known
	}
	for _, text := range []*string{&e.Door, &e.Route, &e.IP, &e.UserAgent, &e.Target, &e.Organization, (*string)(&e.Action), (*string)(&e.Type)} {
		*text = b.word(*text)
	}
	return e, nil
}

// word is the text, held once for all entries that have it.
func (b *Book) word(text string) string {
	if known, ok := b.words[text]; ok {
		return known
	}
	if len(b.words) >= maxWords {
		clear(b.words)
	}
	b.words[text] = text
	return text
}

// account notes which states of a Kubernetes object an entry is of.
func (b *Book) account(e *Entry) {
	o := e.Object
	if o.UID == "" {
		return
	}
	for g := max(o.From, o.To-maxStates); g > 0 && g <= o.To; g++ {
		b.states[state{o.UID, g}] = struct{}{}
	}
	if o.Gone {
		b.states[state{uid: o.UID}] = struct{}{}
	}
	b.latest[o.UID] = max(b.latest[o.UID], o.To)
}

func (b *Book) unaccount(e *Entry) {
	o := e.Object
	for g := max(o.From, o.To-maxStates); g > 0 && g <= o.To; g++ {
		delete(b.states, state{o.UID, g})
	}
	if o.Gone {
		delete(b.states, state{uid: o.UID})
	}
	if b.latest[o.UID] <= o.To {
		delete(b.latest, o.UID)
	}
}
