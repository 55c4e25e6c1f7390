// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/rollout"
)

// progress brings the latest version out a step further, as far as its time and its starts allow.
func (s *scope) progress(r *v1alpha1.Rollout) {
	p, status := s.plan, &s.template.Status
	next := rollout.Progress(rollout.View{
		Rollout: r, Active: *reference(p.active), Latest: *reference(p.latest), Short: p.latest.short(), Starts: p.latest.starts,
		Candidate: status.Candidate, Rejected: status.Rejected, Now: s.now,
	})
	if next.Promoted {
		p.active = p.latest
		return
	}
	p.candidate, p.rejected, p.rollout, s.until = next.Candidate, next.Rejected, next.Words, next.Until
}

// held makes the version that a hold names the active one until its time is over, and tells whether that is so.
func (s *scope) held(hold *v1alpha1.TemplateHold) (over bool, err error) {
	until, err := time.Parse(time.RFC3339, hold.Until)
	if err != nil {
		s.plan.keep()
		return false, fault.On("spec.hold.until", "%q is no time; write it like 2026-01-31T00:00:00Z", hold.Until).Because(v1alpha1.ReasonHoldMissing)
	}
	if !s.now.Before(until) {
		return true, nil
	}
	s.until = until
	v, err := s.named("spec.hold.version", string(hold.Version), v1alpha1.ReasonHoldMissing)
	if err != nil {
		return false, err
	}
	by := ""
	if hold.By != "" {
		by = ", by " + hold.By
	}
	end := until.UTC().Format("Jan 2 15:04 UTC")
	s.plan.active, s.plan.rollout = v, fmt.Sprintf("held at %s until %s", v.short(), end)
	s.plan.ready = phase.Ready{Reason: v1alpha1.ReasonHeld, Message: fmt.Sprintf("spec.hold keeps version %s until %s%s", v.Name, end, by)}
	return false, nil
}

// named is the version of a name, where it could be the active one. Else the present one stays.
func (s *scope) named(path, name, reason string) (*version, error) {
	for i := range s.versions {
		v := &s.versions[i]
		if v.Name != name {
			continue
		}
		if promotable(v) {
			return v, nil
		}
		s.plan.keep()
		why := "it is archived"
		if !v.Spec.Archived {
			why = "it was not checked with success"
		}
		return nil, fault.On(path, "version %s can't be promoted, as %s", name, why).Because(reason)
	}
	s.plan.keep()
	return nil, fault.On(path, "this template has no version %q%s", name, s.known()).Because(reason)
}
