// SPDX-License-Identifier: Apache-2.0

package agentapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
)

// streamKey is an agent of a prepared workspace.
type streamKey struct {
	slot types.UID
	name string
}

// stream is one that is open.
type stream struct{ replaced chan struct{} }

// streams are those that this process holds, one an agent: the last that came.
type streams struct {
	mu   sync.Mutex
	open map[streamKey]*stream
}

// begin makes a new stream the agent's, and ends the one before.
func (s *streams) begin(key streamKey) *stream {
	mine := &stream{replaced: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.open[key]; before != nil {
		close(before.replaced)
	}
	if s.open == nil {
		s.open = map[streamKey]*stream{}
	}
	s.open[key] = mine
	return mine
}

// end forgets a stream, and tells whether it was still the agent's.
func (s *streams) end(key streamKey, mine *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] != mine {
		return false
	}
	delete(s.open, key)
	return true
}

const (
	// An agent may come comingsBurst times in a row, and then one time in comingEvery. Each time may cost a write.
	comingsBurst = 5
	comingEvery  = 5 * time.Second
	// remembered is how many agents are remembered; the one not seen for longest is forgotten first.
	remembered = 10_000
)

// comings bounds how often one agent may connect.
type comings struct {
	mu   sync.Mutex
	seen *lru.Cache
}

// take counts one time. It gives back how long the agent must wait; zero when it may go on.
func (c *comings) take(key streamKey, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = lru.New(remembered)
	}
	bucket := rate.NewLimiter(rate.Every(comingEvery), comingsBurst)
	if known, ok := c.seen.Get(key); ok {
		bucket, _ = known.(*rate.Limiter)
	} else {
		c.seen.Add(key, bucket)
	}
	r := bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
