// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/joblog"
)

// longestError is the longest text that a job's error may have.
const longestError = 4096

// conclude makes the outcome of a pass the dry run's status, and gives the outcome that it comes to: a cluster that does
// not answer in time is an answer.
func conclude(s *scope, outcome error, worker string) (*v1alpha1.DryRun, error) {
	after := s.run.DeepCopy()
	status := &after.Status
	now := &metav1.Time{Time: s.now.Truncate(time.Second)}
	if status.Job == nil {
		status.Job = &v1alpha1.Job{StartedAt: now}
	}
	j := status.Job
	j.Phase, j.Worker = v1alpha1.JobRunning, worker
	if s.workload != nil {
		status.Resources = s.workload.Resources
	}
	if outcome = s.inTime(outcome); outcome == nil {
		j.Phase, j.CompletedAt = v1alpha1.JobSucceeded, now
		s.ended(v1alpha1.LogInfo, "a workspace could start")
	} else if f, ok := fault.As(outcome); ok {
		j.CompletedAt = now
		if f == errCanceled {
			j.Phase, j.CanceledAt = v1alpha1.JobCanceled, now
			s.ended(v1alpha1.LogWarn, f.Message)
		} else {
			j.Phase, j.Error = v1alpha1.JobFailed, phase.Shorten(f.Error(), longestError)
			s.ended(v1alpha1.LogError, f.Error())
		}
	}
	status.Log = joblog.Append(status.Log, s.told...)
	status.ObservedGeneration = after.Generation
	ready := phase.Ready{Reason: v1alpha1.ReasonWouldStart, Message: "the cluster would take the pod and the claims"}
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, ready, s.now)
	return after, outcome
}

// inTime makes a refusal of an error that has lasted too long.
func (s *scope) inTime(outcome error) error {
	var wait *phase.Waiting
	_, refused := fault.As(outcome)
	if outcome == nil || refused || errors.As(outcome, &wait) || s.now.Sub(s.run.CreationTimestamp.Time) < patience {
		return outcome
	}
	f := fault.New(fault.Unavailable, "gave up: the cluster did not answer for %s", patience).Because(v1alpha1.ReasonRefused)
	f.Cause = outcome
	return f
}

// ended adds how it ended to the log.
func (s *scope) ended(level, text string) {
	stage := stageDryRun
	if s.workload == nil {
		stage = stageRendering
	}
	s.say(stage, level, "ended", "%s", text)
	s.told[len(s.told)-1].Last = true
}
