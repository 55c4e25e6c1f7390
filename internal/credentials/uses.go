// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"
)

const (
	// renewEvery is how long ago a key's use must have been noted for a request to wait until it is noted anew: by how much a
	// session may end too early, and a token's last use be too old.
	renewEvery = time.Hour
	// noteEvery is how long ago that must have been for it to be noted beside the requests.
	noteEvery = time.Minute

	// notesPerSecond is how many uses one process notes beside the requests. Where many people are there at once, notes are
	// older than a minute, and never cost more than that.
	notesPerSecond = 5
	// usesWaiting and usesKnown are how many uses wait to be noted, and of how many it is known that they did. Further ones
	// are dropped: the next request brings another.
	usesWaiting, usesKnown = 256, 10_000
)

// use is that a key was used.
type use struct {
	user uuid.UUID
	id   string
}

// used sees to it that a key's use is noted: at once where that is due, and else beside the requests. It gives the key as
// it is then.
func (s *Store) used(ctx context.Context, user uuid.UUID, id string, k keptKey, now time.Time) keptKey {
	switch old := now.Sub(k.UsedAt); {
	case old >= renewEvery:
		if renewed, err := s.renew(ctx, use{user, id}, now, renewEvery); err == nil {
			return renewed
		}
		// It is used all the same, and the next request tries again.
	case old >= noteEvery:
		s.noteLater(use{user, id}, now)
	}
	return k
}

// noteLater never waits.
func (s *Store) noteLater(u use, now time.Time) {
	if at, ok := s.noted.Get(u.id); ok {
		if last, ok := at.(time.Time); ok && now.Sub(last) < noteEvery {
			return
		}
	}
	select {
	case s.uses <- u:
		s.noted.Add(u.id, now)
	default:
	}
}

// Run notes when keys were used, until the context ends.
func (s *Store) Run(ctx context.Context) error {
	pace := rate.NewLimiter(notesPerSecond, notesPerSecond)
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-s.uses:
			if pace.Wait(ctx) != nil {
				return nil
			}
			// One that can't be noted is noted by a later use; another replica may have been quicker.
			_, _ = s.renew(ctx, u, s.now(), noteEvery)
		}
	}
}
