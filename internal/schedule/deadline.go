// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// DeadlineField is the wire's name of the time to which a stop is moved.
	DeadlineField = "deadline"
	// leastAhead is how far ahead of now a stop may be moved at least.
	leastAhead = 30 * time.Minute
	// defaultBump is how long a workspace runs on after its last use where the template does not say.
	defaultBump = time.Hour
)

// Deadline is when the run of the accepted build ends, which was started at the time: as it was planned at acceptance or
// extended since, moved by use, and never beyond status.schedule.maxDeadline. It is the zero time for a run that has no
// end. View and manager ask it alike, so an extension is shown before the manager has looked at it.
func Deadline(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle, started time.Time) time.Time {
	deadline := Planned(w)
	if deadline.IsZero() {
		return deadline
	}
	if to, ok := extended(w); ok {
		deadline = to
	}
	if used := w.Status.LastUsedAt; used != nil && used.After(started) {
		deadline = later(deadline, used.Add(bump(lifecycle)))
	}
	if latest := w.Status.Schedule.MaxDeadline; latest != nil {
		deadline = earlier(deadline, latest.Time)
	}
	return deadline.UTC().Truncate(time.Second)
}

// Planned is the deadline of the accepted build as it was at its acceptance; the zero time when it has none.
func Planned(w *v1alpha1.Workspace) time.Time {
	s := w.Status.Schedule
	switch {
	case s == nil || s.Deadline == nil:
		return time.Time{}
	case s.PlannedStop != nil:
		return s.PlannedStop.UTC()
	}
	return s.Deadline.UTC()
}

// bump is how long a workspace runs on after its last use.
func bump(lifecycle *v1alpha1.Lifecycle) time.Duration {
	if lifecycle == nil || lifecycle.ActivityBump == "" {
		return defaultBump
	}
	return Duration(lifecycle.ActivityBump)
}

// extended is where a person has moved the stop of the accepted build.
func extended(w *v1alpha1.Workspace) (time.Time, bool) {
	number, text, ok := strings.Cut(w.Annotations[v1alpha1.AnnotationExtendedTo], "/")
	if !ok || w.Status.Build == nil || number != strconv.FormatInt(w.Status.Build.Number, 10) {
		return time.Time{}, false
	}
	to, err := time.Parse(time.RFC3339Nano, text)
	return to, err == nil
}

// Extension is the annotation that moves the stop of the workspace's accepted build, or the fault that names deadline:
// what lies less than half an hour ahead is refused, so that nobody is stopped by it, and what the template forbids.
func Extension(w *v1alpha1.Workspace, to, now time.Time) (string, error) {
	if w.Status.Build == nil || Planned(w).IsZero() {
		return "", fault.New(fault.Conflict, "The workspace has no deadline that could be moved: it runs until somebody stops it.")
	}
	if to.Before(now.Add(leastAhead)) {
		return "", refuseDeadline("new deadline must be at least 30 minutes in the future")
	}
	if latest := w.Status.Schedule.MaxDeadline; latest != nil && to.After(latest.Time) {
		return "", refuseDeadline("new deadline must not be after " + latest.UTC().Format(time.RFC3339) + ", the latest that the template allows")
	}
	if to.After(now.Add(MaxTTL)) {
		return "", refuseDeadline("new deadline must be less than 30 days in the future")
	}
	return strconv.FormatInt(w.Status.Build.Number, 10) + "/" + to.UTC().Format(time.RFC3339), nil
}

func refuseDeadline(detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Cannot extend workspace: " + detail + ".",
		Fields: []fault.Field{{Path: DeadlineField, Detail: detail}}}
}
