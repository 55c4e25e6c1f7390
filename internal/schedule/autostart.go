// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// StartWindow is how long after its time an autostart that was missed still happens: the manager was down, or the
// workspace could not be started. It happens once, however many were missed.
const StartWindow = time.Hour

// autostart is when the workspace wishes to be started, and on which days it may be; false when it is not to be.
func autostart(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle) (s v1alpha1.Schedule, days []v1alpha1.Weekday, ok bool) {
	if w.Spec.Autostart == nil {
		return s, nil, false
	}
	if lifecycle != nil {
		if lifecycle.UserAutostart == v1alpha1.PermissionForbid {
			return s, nil, false
		}
		days = lifecycle.AutostartDays
	}
	return *w.Spec.Autostart, days, true
}

// Missed is the first autostart of a stopped workspace that is due at the time and may still happen; the zero time when
// none is. What is due follows from status.schedule.nextStart: an autostart that was set after its time is for the next
// day.
func Missed(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle, now time.Time) time.Time {
	s, days, ok := autostart(w, lifecycle)
	if !ok || w.Status.Schedule == nil || w.Status.Schedule.NextStart == nil {
		return time.Time{}
	}
	planned := w.Status.Schedule.NextStart.Time
	if !Next(s, days, planned.Add(-time.Nanosecond)).Equal(planned) {
		return time.Time{} // the autostart was changed since
	}
	// A start is over for good when its window is, so that the same instant is never both.
	at := Next(s, days, later(planned.Add(-time.Nanosecond), now.Add(-StartWindow)))
	if at.After(now) {
		return time.Time{}
	}
	return at
}

// NextStart is when a stopped workspace is started by itself; the zero time when it is not. One that is due stays until
// its window is over.
func NextStart(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle, now time.Time) time.Time {
	s, days, ok := autostart(w, lifecycle)
	if !ok {
		return time.Time{}
	}
	if !Missed(w, lifecycle, now).IsZero() {
		return w.Status.Schedule.NextStart.Time
	}
	return Next(s, days, now)
}
