// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
)

// maxError is the longest error of a job.
const maxError = 4096

// conclude makes the outcome of a pass the build's status. A build that has ended stays as it ended; only a start that
// went well shows, beside it, what keeps its pod from being made again.
func conclude(s *scope, outcome error, worker string) *v1alpha1.WorkspaceBuild {
	after := s.build.DeepCopy()
	status := &after.Status
	status.ObservedGeneration = after.Generation
	ended := ledger.Outcome(&s.build)
	switch {
	case ended == v1alpha1.JobSucceeded:
		restore(after, ended)
		status.Conditions = phase.Conclude(status.Conditions, after.Generation, held(s, outcome), done(after), s.now)
		return after
	case ended != "":
		restore(after, ended)
		status.Conditions = phase.Conclude(status.Conditions, after.Generation, asEnded(after), done(after), s.now)
		return after
	}
	if s.queued {
		status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, done(after), s.now)
		return after
	}
	job := begin(status, s.began(), worker)
	if s.resources != nil {
		status.Resources = s.resources
	}
	if s.workload != nil {
		status.HiddenApps = s.workload.HiddenApps
	}
	status.Stage = ""
	if s.build.Spec.Restart {
		status.Stage = s.stage
	}
	if s.build.Spec.Cancel != nil && s.build.Spec.Transition == v1alpha1.TransitionStart {
		return s.canceled(after, outcome)
	}
	if f := s.failure(outcome); f != nil {
		finish(status, v1alpha1.JobFailed, s.now)
		job.Error = phase.Shorten(f.Error(), maxError)
		outcome = f
	} else if outcome == nil {
		finish(status, v1alpha1.JobSucceeded, s.now)
	}
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, done(after), s.now)
	return after
}

// done is what the conditions of a build that went well say.
func done(b *v1alpha1.WorkspaceBuild) phase.Ready {
	return phase.Ready{Reason: v1alpha1.ReasonSucceeded, Message: fmt.Sprintf("the workspace was %s", map[v1alpha1.Transition]string{
		v1alpha1.TransitionStart: "started", v1alpha1.TransitionStop: "stopped", v1alpha1.TransitionDelete: "deleted",
	}[b.Spec.Transition])}
}

// held is what a build that went well complains of later: only that its pod can't be made. How a pod fares that is
// there is told on the Workspace.
func held(s *scope, outcome error) error {
	if s.state != nil {
		return nil
	}
	return outcome
}

// began is when the work on a build began that has not been told yet: now, or when the pass made its pod that left the
// telling to a later one.
func (s *scope) began() time.Time {
	if made := s.made(); !made.IsZero() && made.Before(s.now) {
		return made
	}
	return s.now
}

// begin has the job at work.
func begin(status *v1alpha1.WorkspaceBuildStatus, now time.Time, worker string) *v1alpha1.Job {
	if status.Job == nil {
		status.Job = &v1alpha1.Job{}
	}
	job := status.Job
	if job.StartedAt == nil {
		job.StartedAt = second(now)
	}
	job.Phase, job.Worker = v1alpha1.JobRunning, worker
	return job
}

// finish ends the job.
func finish(status *v1alpha1.WorkspaceBuildStatus, how v1alpha1.JobPhase, now time.Time) {
	status.Job.Phase, status.Job.CompletedAt = how, second(now)
	status.Took = now.Sub(status.Job.StartedAt.Time).Round(time.Second).String()
	status.Stage = ""
}

// failure is why the build has failed in this pass, nil when it has not: something that no waiting changes, or the end
// of its time.
func (s *scope) failure(outcome error) *fault.Error {
	if f, ok := fault.As(outcome); ok {
		return f
	}
	deadline := s.startDeadline()
	if outcome == nil || deadline.IsZero() || s.now.Before(deadline) {
		return nil
	}
	message := outcome.Error()
	var wait *phase.Waiting
	if errors.As(outcome, &wait) {
		message = wait.Reason + ": " + wait.Message
	}
	return fault.New(fault.Unavailable, "the start did not succeed in time: %s", message).Because(v1alpha1.ReasonStartTimeout)
}

// cancelPatience is how long a canceled start waits for its pod to go. A pod on a node that is gone may never go, and the
// next start waits for it anyway; the build does not stay canceling for that.
const cancelPatience = 5 * time.Minute

// cancelDeadline is when a canceled start has ended whatever became of its pod. It counts from the wish, which outlives any
// restart of the manager; where its time can't be read, from when the manager met it.
func (s *scope) cancelDeadline(job *v1alpha1.Job) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, s.build.Spec.Cancel.RequestedAt); err == nil && !at.After(s.now) {
		return at.Add(cancelPatience)
	}
	if job != nil && job.CanceledAt != nil {
		return job.CanceledAt.Add(cancelPatience)
	}
	return s.now.Add(cancelPatience)
}

// canceled ends a start early once its pod is gone.
func (s *scope) canceled(after *v1alpha1.WorkspaceBuild, outcome error) *v1alpha1.WorkspaceBuild {
	status := &after.Status
	if status.Job.CanceledAt == nil {
		status.Job.CanceledAt = second(s.now)
	}
	status.Job.Phase = v1alpha1.JobCanceling
	if outcome == nil || !s.now.Before(s.cancelDeadline(status.Job)) {
		finish(status, v1alpha1.JobCanceled, s.now)
		outcome = errCanceled
	}
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, done(after), s.now)
	return after
}

// restore gives a build back the end that its annotation remembers, where its status was lost.
func restore(b *v1alpha1.WorkspaceBuild, how v1alpha1.JobPhase) {
	if b.Phase() == how {
		return
	}
	at := b.CreationTimestamp
	b.Status.Job = &v1alpha1.Job{Phase: how, StartedAt: &at, CompletedAt: &at}
	if how == v1alpha1.JobFailed {
		b.Status.Job.Error = "it failed before its status was lost"
	}
}

// asEnded is what a build that did not go well says for ever.
func asEnded(b *v1alpha1.WorkspaceBuild) error {
	if b.Phase() == v1alpha1.JobCanceled {
		return errCanceled
	}
	reason := v1alpha1.ReasonFailed
	if c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		reason = c.Reason
	}
	return fault.New(fault.Unavailable, "%s", b.Status.Job.Error).Because(reason)
}

var errCanceled = fault.New(fault.Conflict, "the start was canceled").Because(v1alpha1.ReasonCanceled)

func second(t time.Time) *metav1.Time { return &metav1.Time{Time: t.Truncate(time.Second)} }
