// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/render"
)

// The longest texts that the status holds.
const (
	longestRollout = 256
	longestUsers   = 512
)

// conclude makes the outcome of a pass the template's status. Where the pass did not come to a decision, what was
// decided before stands.
func conclude(s *scope, outcome error) {
	status := &s.template.Status
	status.ObservedGeneration = s.template.Generation
	ready := phase.Ready{Reason: v1alpha1.ReasonReady}
	if p := s.plan; p != nil {
		ready = p.ready
		status.Rollout = phase.Shorten(p.rollout, longestRollout)
		status.PreviousVersion, status.Candidate, status.Rejected = p.previous, p.candidate, p.rejected
		status.LatestVersion = reference(p.latest)
		status.ActiveVersion = reference(p.active)
		status.ActiveHash = ""
		if p.active != nil {
			status.ActiveHash = p.active.short()
		}
		status.Workspaces, status.UpToDate = int64(len(s.workspaces)), s.upToDate()
		status.UsedBy = phase.Shorten(s.users(), longestUsers)
	}
	if s.template.DeletionTimestamp != nil {
		status.Workspaces, status.UsedBy = int64(len(s.workspaces)), phase.Shorten(s.users(), longestUsers)
		status.UpToDate = min(status.UpToDate, status.Workspaces)
	}
	status.Usage = fmt.Sprintf("%d/%d", status.UpToDate, status.Workspaces)
	status.Conditions = phase.Conclude(status.Conditions, s.template.Generation, outcome, ready, s.now)
	phase.NotEnforced(&status.Conditions, s.template.Generation, render.NotEnforced(&s.template), s.now)
}

// upToDate counts the workspaces whose accepted build is of the active version.
func (s *scope) upToDate() int64 {
	if s.plan.active == nil {
		return 0
	}
	var n int64
	for i := range s.workspaces {
		if s.plan.active.builds[accepted(&s.workspaces[i])] {
			n++
		}
	}
	return n
}

func reference(v *version) *v1alpha1.UIDReference {
	if v == nil {
		return nil
	}
	return &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
}
