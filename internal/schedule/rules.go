// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Rules are what the times of a workspace follow from beside its own words.
type Rules struct {
	// Lifecycle is the template's; nil says nothing.
	Lifecycle *v1alpha1.Lifecycle
	// QuietHours is when the owner's day ends; nil is midnight, UTC.
	QuietHours *v1alpha1.Schedule
}

// leeway is how much before the quiet hours a start must lie for a requirement to count the same day: nobody who starts
// late is stopped a moment later.
const leeway = time.Hour

// firstWeek is where the weeks of a requirement are counted from: a Monday.
var firstWeek = time.Date(2023, time.January, 2, 0, 0, 0, 0, time.UTC)

// required is when a requirement of the template stops a workspace that was started at the time; the zero time when there
// is no requirement. Quiet hours that can't be read are those of somebody who has none.
func (r Rules) required(started time.Time) time.Time {
	if r.Lifecycle == nil || r.Lifecycle.AutostopRequirement == nil || len(r.Lifecycle.AutostopRequirement.DaysOfWeek) == 0 {
		return time.Time{}
	}
	c, err := compile(QuietHours(r.QuietHours))
	if err != nil {
		return time.Time{}
	}
	requirement, weeks := r.Lifecycle.AutostopRequirement, int64(1)
	if requirement.Weeks != nil && *requirement.Weeks > 1 {
		weeks = int64(*requirement.Weeks)
	}
	return c.next(started.Add(leeway-time.Nanosecond), func(day time.Time) bool {
		return on(requirement.DaysOfWeek, day) && week(day)%weeks == 0
	})
}

// week is the number of a day's week, the first being 0. Earlier ones are negative.
func week(day time.Time) int64 {
	days := int64(time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC).Sub(firstWeek) / (24 * time.Hour))
	if days < 0 {
		days -= 6
	}
	return days / 7
}

// earlier is the earlier of two times, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
