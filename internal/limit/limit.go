// SPDX-License-Identifier: Apache-2.0

// Package limit counts how often each party does something, and says when one has done it often enough for now. It does
// not know what is done, by whom, or what a refusal looks like.
package limit

import (
	"sync"
	"time"

	"k8s.io/utils/lru"
)

// Limiter counts for each key apart, in the window of time that ends now. It remembers a bounded number of keys: the one
// that was not asked for longest is forgotten first, and begins anew. It may be used by many goroutines at once.
type Limiter[K comparable] struct {
	window time.Duration
	now    func() time.Time

	mu   sync.Mutex
	seen *lru.Cache // of *count
}

// New begins with nothing counted. At most so many keys are remembered.
func New[K comparable](window time.Duration, keys int, now func() time.Time) *Limiter[K] {
	return &Limiter[K]{window: window, now: now, seen: lru.New(keys)}
}

// Verdict is what is said of one time.
type Verdict struct {
	// Limit is how often it may be done in a window, and Remaining how often still.
	Limit, Remaining int
	// Reset is when the present window ends, after which what was done in it counts less and less.
	Reset time.Time
	// Wait is how long to wait before it may be done again; zero when it may be done now.
	Wait time.Duration
}

// count is what one key did in a window, which has the number, and in the one before.
type count struct {
	window      int64
	before, now int
}

// Take counts one time for the key, of which there may be limit in a window, unless that is one too many: what is refused
// is not counted.
func (l *Limiter[K]) Take(key K, limit int) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	c, left := l.at(key, now)
	v := Verdict{Limit: limit, Reset: now.Add(left)}
	// Of the window before, that share counts which lies in the time of one window up to now.
	used := c.now + int(int64(c.before)*int64(left)/int64(l.window))
	if used < limit {
		c.now++
		v.Remaining = limit - used - 1
		return v
	}
	v.Wait = left // until this window is the one before
	if room := limit - c.now; room > 0 {
		v.Wait = left - time.Duration(int64(l.window)*int64(room)/int64(c.before))
	}
	v.Wait++ // what counts must be less than what is said, not as much
	return v
}

// Forgive takes back one time that was counted for the key, if it was lately.
func (l *Limiter[K]) Forgive(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, _ := l.at(key, l.now()); c.now > 0 {
		c.now--
	}
}

// at is the key's count in the window of the time, and how long that window lasts still.
func (l *Limiter[K]) at(key K, now time.Time) (*count, time.Duration) {
	since := now.UnixNano()
	window, left := since/int64(l.window), l.window-time.Duration(since%int64(l.window))
	var c *count
	if known, ok := l.seen.Get(key); ok {
		c, _ = known.(*count)
	}
	if c == nil {
		c = &count{window: window}
		l.seen.Add(key, c)
	}
	switch window - c.window {
	case 0:
	case 1:
		c.before, c.now = c.now, 0
	default:
		c.before, c.now = 0, 0
	}
	c.window = window
	return c, left
}
