// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// longestSkip is the most that any zone's clocks were ever moved at once: a whole day, across the date line.
const longestSkip = 25 * time.Hour

// calendar is a cron line as it is read from the clock on the wall of a zone. The line itself knows no zone: it runs over
// wall times, which are kept as if they were UTC, and each is then placed in time. So a day on which the clocks are moved
// has each start once: a wall time that comes twice counts when it comes first, and one that is skipped counts as much
// later as the clocks were moved.
type calendar struct {
	line cron.Schedule
	zone *time.Location
}

// next is the first instant after the given one at which the line falls on a wanted day; the zero time when there is
// none.
func (c calendar) next(after time.Time, wanted func(day time.Time) bool) time.Time {
	from := wallOf(after, c.zone)
	if c.moves(after.Add(-longestSkip), after) {
		from = from.Add(-longestSkip) // what was skipped then may be placed after now
	}
	var best, until time.Time
	for wall, n := c.line.Next(from), 0; !wall.IsZero() && n <= mostStarts; wall, n = c.line.Next(wall), n+1 {
		if !until.IsZero() && wall.After(until) {
			break
		}
		if !wanted(wall) {
			wall = time.Date(wall.Year(), wall.Month(), wall.Day(), 23, 59, 59, 0, time.UTC)
			continue
		}
		at := instantOf(wall, c.zone)
		if !at.After(after) || !best.IsZero() && !at.Before(best) {
			continue
		}
		best = at
		if !c.moves(at.Add(-longestSkip), at.Add(longestSkip)) {
			break // as no clock is moved, what follows on the wall follows in time
		}
		if until.IsZero() {
			until = wall.Add(longestSkip)
		}
	}
	return best
}

// mostStarts is how many times of a line are looked at: those of two days of minutes, where clocks are moved, and beside
// them one of each day that is not wanted.
const mostStarts = 2*26*60 + 366

// moves tells whether the clocks differ at the two instants.
func (c calendar) moves(a, b time.Time) bool { return offset(a, c.zone) != offset(b, c.zone) }

// wallOf is what the clock on the wall shows, as if it were UTC.
func wallOf(at time.Time, zone *time.Location) time.Time {
	l := at.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// instantOf is when the clock on the wall shows the time: the first time that it does, and where it skips it, when it
// would have been without.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	before := offset(wall.Add(-longestSkip), zone)
	at := wall.Add(-before)
	if offset(at, zone) == before {
		return at
	}
	if later := wall.Add(-offset(wall.Add(longestSkip), zone)); wallOf(later, zone).Equal(wall) {
		return later
	}
	return at
}

// offset is how far a zone's clocks are ahead of UTC.
func offset(at time.Time, zone *time.Location) time.Duration {
	_, seconds := at.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
