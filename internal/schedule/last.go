// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Last is the last time at or before the given one at which a schedule came, on any day; the zero time where it has not
// come within the last eight days, which is never for one that can be read.
func Last(s v1alpha1.Schedule, at time.Time) time.Time {
	c, err := compile(s)
	if err != nil {
		return time.Time{}
	}
	any := func(time.Time) bool { return true }
	for _, back := range []time.Duration{time.Hour, longestSkip, 8 * 24 * time.Hour} {
		var last time.Time
		for next := c.next(at.Add(-back), any); !next.IsZero() && !next.After(at); next = c.next(next, any) {
			last = next
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}
