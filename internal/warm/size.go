// SPDX-License-Identifier: Apache-2.0

// Package warm holds the rules of warm pools: how many prepared workspaces a pool wants, which of those that are there stay,
// which of them a new workspace may claim, and what a claim writes. It reads no cluster.
package warm

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// defaultWindow is how far back new workspaces count for demand where the pool does not say.
const defaultWindow = time.Hour

// Size is how many prepared workspaces a pool is to keep ready now, and until when time alone does not change that; the
// zero time is for ever. made are the times at which the template's workspaces were made.
func Size(pool *v1alpha1.WarmPool, made []time.Time, now time.Time) (size int, until time.Time) {
	size = int(pool.Size)
	earliest := func(at time.Time) {
		if !at.IsZero() && at.After(now) && (until.IsZero() || at.Before(until)) {
			until = at
		}
	}
	var came time.Time
	for _, entry := range pool.Schedule {
		if last := schedule.Last(entry.Schedule, now); !last.IsZero() && !last.Before(came) {
			came, size = last, int(entry.Size)
		}
		earliest(schedule.Next(entry.Schedule, nil, now))
	}
	if pool.Demand == nil {
		return size, until
	}
	window := schedule.Duration(pool.Demand.Window)
	if window <= 0 {
		window = defaultWindow
	}
	asked := 0
	for _, at := range made {
		if now.Sub(at) < window {
			asked++
			earliest(at.Add(window))
		}
	}
	return max(size, min(asked, int(pool.Demand.Max))), until
}
