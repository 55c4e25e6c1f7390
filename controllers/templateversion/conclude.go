// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/render"
)

// longestError is the longest text that a job's error may have.
const longestError = 4096

// conclude makes the outcome of a pass the version's status. The check is a job on the wire: it runs until the cluster
// has answered.
func conclude(s *scope, outcome error, worker string) {
	status := &s.version.Status
	status.ObservedGeneration = s.version.Generation
	status.Active, status.Builds = s.active, s.builds
	ready := phase.Ready{Reason: v1alpha1.ReasonChecked}
	if s.found != nil {
		ready.Message = s.found.note
	}
	if s.checking {
		status.Job = job(s, worker)
		status.Log = joblog.Append(status.Log, s.told...)
		status.ContentHash, status.PodSecurity = s.hash, s.level
		if s.found != nil {
			status.Resources = s.found.resources
		}
	}
	status.Conditions = phase.Conclude(status.Conditions, s.version.Generation, outcome, ready, s.now)
	phase.NotEnforced(&status.Conditions, s.version.Generation, render.NotEnforced(&s.version), s.now)
}

// job is the check as the wire shows it: the one that runs already, or a new one.
func job(s *scope, worker string) *v1alpha1.Job {
	now := metav1.NewTime(s.now.Truncate(1e9))
	j := s.version.Status.Job
	if j == nil || j.Phase.Ended() {
		j = &v1alpha1.Job{StartedAt: &now, Worker: worker}
	}
	j = j.DeepCopy()
	j.Phase = v1alpha1.JobRunning
	if s.found == nil {
		return j
	}
	j.CompletedAt, j.Phase = &now, v1alpha1.JobSucceeded
	switch refusal := s.found.refusal; {
	case refusal == errCanceled:
		j.Phase, j.CanceledAt = v1alpha1.JobCanceled, &now
	case refusal != nil:
		j.Phase, j.Error = v1alpha1.JobFailed, phase.Shorten(refusal.Error(), longestError)
		if refusal.Reason == v1alpha1.ReasonVariableMissing {
			j.ErrorCode = v1alpha1.ErrorRequiredVariables
		}
	}
	return j
}
