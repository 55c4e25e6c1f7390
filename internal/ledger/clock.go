// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

// plan is what stands in status.schedule as things are now: what acceptance fixed, moved by use, extension, dormancy and
// the clock.
func (s *state) plan() *v1alpha1.WorkspaceSchedule {
	w := s.Workspace
	if w.Status.Build == nil {
		return w.Status.Schedule
	}
	var p v1alpha1.WorkspaceSchedule
	if w.Status.Schedule != nil {
		p = *w.Status.Schedule.DeepCopy()
	}
	if s.runs() {
		deadline, planned := schedule.Deadline(w, s.Rules.Lifecycle, s.started()), schedule.Planned(w)
		p.Deadline, p.PlannedStop = instant(deadline), nil
		if !deadline.Equal(planned) {
			p.PlannedStop = instant(planned)
		}
	}
	since := schedule.DormantSince(w)
	if s.roused() {
		p.IdleSince = instant(s.Now.Truncate(time.Second))
	}
	p.DormantAt = instant(since.Truncate(time.Second))
	p.DeletingAt = instant(schedule.DeletingAt(w, s.Rules.Lifecycle))
	p.NextStart = nil
	if s.idle() && since.IsZero() {
		p.NextStart = instant(schedule.NextStart(w, s.Rules.Lifecycle, s.Now))
	}
	return orNil(p)
}

// next is when time alone changes what is to be done; the zero time when it never does.
func (s *state) next() time.Time {
	var soonest time.Time
	since, deleting := schedule.DormantSince(s.Workspace), schedule.DeletingAt(s.Workspace, s.Rules.Lifecycle)
	for _, at := range []time.Time{s.deadline(), s.nextStart(), s.failureStop(), s.sleepAt(), since, deleting} {
		if at.After(s.Now) && (soonest.IsZero() || at.Before(soonest)) {
			soonest = at
		}
	}
	return soonest
}

// started is when the accepted build was made; the zero time when its record is gone.
func (s *state) started() time.Time {
	if s.accepted == nil {
		return time.Time{}
	}
	return v1alpha1.CreatedAt(s.accepted)
}

// deadline is when the accepted start is to be stopped; the zero time when it is not.
func (s *state) deadline() time.Time {
	if !s.runs() {
		return time.Time{}
	}
	return schedule.Deadline(s.Workspace, s.Rules.Lifecycle, s.started())
}

func (s *state) expired() bool { return passed(s.deadline(), s.Now) }

// idle tells whether the workspace is held to be stopped and may be started by its autostart: a start that failed stays
// so until somebody, or the time after a failure, has stopped it.
func (s *state) idle() bool {
	return s.stopped() || s.accepted != nil && s.accepted.Spec.Transition == v1alpha1.TransitionStart &&
		Outcome(s.accepted) == v1alpha1.JobCanceled
}

// missed is the autostart that is due; the zero time when none is.
func (s *state) missed() time.Time {
	if !s.idle() || s.accepted != nil && InProgress(s.accepted) {
		return time.Time{}
	}
	return schedule.Missed(s.Workspace, s.Rules.Lifecycle, s.Now)
}

// due tells whether the workspace is to be started by its autostart. Whose account is suspended is left alone.
func (s *state) due() bool {
	f, refused := fault.As(s.Refusal)
	return !s.missed().IsZero() && (!refused || f.Reason != v1alpha1.ReasonOwnerSuspended)
}

// nextStart is when the autostart is due, or, where it is due and not possible, when that is over.
func (s *state) nextStart() time.Time {
	if at := s.missed(); !at.IsZero() {
		return at.Add(schedule.StartWindow)
	}
	if !s.idle() || s.Workspace.Status.Schedule == nil || s.Workspace.Status.Schedule.NextStart == nil {
		return time.Time{}
	}
	return s.Workspace.Status.Schedule.NextStart.Time
}

// failureStop is when a failed start is followed by a stop; the zero time when it is not.
func (s *state) failureStop() time.Time {
	if !s.failedStart() {
		return time.Time{}
	}
	failed := s.started()
	if job := s.accepted.Status.Job; job != nil && job.CompletedAt != nil {
		failed = job.CompletedAt.Time
	}
	return schedule.FailureStop(failed, s.Rules.Lifecycle)
}

func (s *state) failedLong() bool { return passed(s.failureStop(), s.Now) }

// asleep tells whether the workspace is dormant, and nobody has started it since.
func (s *state) asleep() bool { return passed(schedule.DormantSince(s.Workspace), s.Now) && !s.woken() }

// woken tells whether a person has started a workspace since it became dormant, which wakes it.
func (s *state) woken() bool {
	since := schedule.DormantSince(s.Workspace)
	return !since.IsZero() && s.accepted != nil && s.accepted.Spec.Transition == v1alpha1.TransitionStart &&
		s.accepted.Spec.Reason == v1alpha1.BuildReasonInitiator && s.started().After(since)
}

// roused tells whether somebody has taken the mark away since the status was written, which counts as use.
func (s *state) roused() bool {
	noted := s.Workspace.Status.Schedule
	return noted != nil && noted.DormantAt != nil && schedule.DormantSince(s.Workspace).IsZero()
}

// sleepAt is when the workspace becomes dormant; the zero time when it does not. While a build is at work it is in use,
// and so is one that a person has started and whose use nobody measures: it must not be stopped under that person.
func (s *state) sleepAt() time.Time {
	if s.Workspace.Status.Build == nil || s.accepted != nil && InProgress(s.accepted) || s.roused() {
		return time.Time{}
	}
	unmeasured := s.Workspace.Status.LastUsedAt == nil && (s.accepted == nil || s.accepted.Spec.Reason == v1alpha1.BuildReasonInitiator)
	if s.runs() && unmeasured {
		return time.Time{}
	}
	return schedule.DormantAt(s.Workspace, s.Rules.Lifecycle)
}

func (s *state) tired() bool { return passed(s.sleepAt(), s.Now) }

// outlived tells whether a dormant workspace is to be deleted, once nothing of it runs.
func (s *state) outlived() bool {
	return s.asleep() && !s.runs() && (s.accepted == nil || !InProgress(s.accepted)) &&
		passed(schedule.DeletingAt(s.Workspace, s.Rules.Lifecycle), s.Now)
}

// overdue tells whether a workspace was deleted after its time as a dormant one was over.
func overdue(w *v1alpha1.Workspace) bool {
	s := w.Status.Schedule
	return s != nil && s.DeletingAt != nil && w.DeletionTimestamp != nil && !w.DeletionTimestamp.Before(s.DeletingAt)
}

// passed tells whether a time has come; a zero one never does.
func passed(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
