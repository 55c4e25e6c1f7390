// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
)

// plan is which version new starts take, and why.
type plan struct {
	// active is the version that new starts take; nil as long as none was valid.
	active *version
	// latest is the version of the present content, or the newest one where there is no content.
	latest *version
	// previous is the last good version before the active one.
	previous *v1alpha1.UIDReference
	// candidate is the version that is coming out step by step, rejected the latest one where that was taken back.
	candidate *v1alpha1.RolloutCandidate
	rejected  *v1alpha1.RejectedVersion
	// rollout says in words where the rollout stands.
	rollout string
	// ready is what the Template's conditions say when all is well.
	ready phase.Ready
}

// decide chooses the active version, and remembers the one before.
func decide(_ context.Context, s *scope) error {
	status := &s.template.Status
	before := s.byUID(status.ActiveVersion)
	s.plan = &plan{latest: s.latest(), active: before}
	if previous := s.byUID(status.PreviousVersion); previous != nil {
		s.plan.previous = reference(previous)
	}
	err := s.choose()
	if before != nil && s.plan.active != before {
		s.plan.previous = reference(before)
	}
	if s.plan.previous != nil && s.plan.active != nil && s.plan.previous.UID == s.plan.active.UID {
		s.plan.previous = nil
	}
	return err
}

// choose chooses the active version: the one that a hold or a pin names, else the one that the strategy has come to. A
// version that is wrong or archived is never promoted; one that is active stays so until another takes its place.
func (s *scope) choose() error {
	p := s.plan
	if hold := s.template.Spec.Hold; hold != nil {
		if over, err := s.held(hold); !over || err != nil {
			return err
		}
	}
	rollout := s.template.Spec.Rollout
	if rollout == nil {
		rollout = &v1alpha1.Rollout{}
	}
	if pin := string(rollout.Pin); pin != "" {
		return s.pinned(pin)
	}
	if rollout.Strategy == v1alpha1.RolloutProgressive && s.template.Spec.Content != nil && p.active != nil && promotable(p.latest) {
		s.progress(rollout)
		return s.explain(rollout)
	}
	immediate := rollout.Strategy == "" || rollout.Strategy == v1alpha1.RolloutImmediate
	if s.template.Spec.Content == nil && p.active != nil {
		immediate = false // an uploaded version is promoted by name
	}
	if promotable(p.latest) && (p.active == nil || immediate && !rollout.Paused) {
		p.active = p.latest
	}
	if p.active == nil {
		p.active = s.newestPromotable()
	}
	return s.explain(rollout)
}

// pinned makes the version that rollout.pin names the active one, whatever else is said.
func (s *scope) pinned(pin string) error {
	v, err := s.named("spec.rollout.pin", pin, v1alpha1.ReasonPinMissing)
	if err != nil {
		return err
	}
	s.plan.active, s.plan.rollout = v, "pinned at "+v.short()
	s.plan.ready = phase.Ready{Reason: v1alpha1.ReasonReady, Message: "rollout.pin holds version " + v.Name}
	return nil
}

// explain says where the present content stands.
func (s *scope) explain(rollout *v1alpha1.Rollout) error {
	p := s.plan
	switch {
	case p.latest == nil:
		return phase.Wait(0, v1alpha1.ReasonProgressing, "there is neither spec.content nor a version that was uploaded; give one")
	case wrong(p.latest):
		p.keep()
		return fault.New(fault.Invalid, "version %s: %s", p.latest.Name, said(p.latest)).Because(v1alpha1.ReasonVersionInvalid)
	case p.active != nil && p.active.UID == p.latest.UID && checked(p.latest):
		p.rollout = "complete"
		p.ready = phase.Ready{Reason: v1alpha1.ReasonReady, Message: "version " + p.active.Name + " is active"}
		return nil
	case p.rejected != nil:
		p.keep()
		p.rollout += ": " + p.rejected.Why
		return fault.New(fault.Invalid, "version %s was taken back, as %s; %s stays active. Change spec.content, or set spec.rollout.pin "+
			"to the version to promote it all the same", p.latest.Name, p.rejected.Why, p.active.Name).Because(v1alpha1.ReasonRolloutFailed)
	case p.rollout != "":
		p.ready = phase.Ready{Reason: v1alpha1.ReasonRollingOut, Message: fmt.Sprintf("version %s comes out in place of %s: %s",
			p.latest.Name, p.active.Name, p.rollout)}
		return nil
	case p.latest.Spec.Archived:
		p.keep()
	case !checked(p.latest):
		p.rollout = "checking " + p.latest.short()
		return phase.Wait(0, v1alpha1.ReasonVersionChecking, "version %s is being checked", p.latest.Name)
	case rollout.Paused:
		p.rollout = "paused at " + p.active.short()
	default:
		p.rollout = fmt.Sprintf("%s waits, at %s", p.latest.short(), p.active.short())
	}
	p.ready = phase.Ready{Reason: v1alpha1.ReasonVersionNotPromoted, Message: fmt.Sprintf(
		"version %s waits; set spec.rollout.pin to it to make it the active one", p.latest.Name)}
	if p.latest.Spec.Archived {
		p.ready.Message = fmt.Sprintf("version %s of the present content is archived, and not promoted", p.latest.Name)
	}
	if p.active == nil {
		return phase.Wait(0, v1alpha1.ReasonVersionNotPromoted, "%s", p.ready.Message)
	}
	return nil
}

// keep says that the active version stays.
func (p *plan) keep() {
	p.rollout = "no version yet"
	if p.active != nil {
		p.rollout = "kept at " + p.active.short()
	}
}

// latest is the version of the present content; without content it is the newest there is.
func (s *scope) latest() *version {
	for i := range s.versions {
		if s.hash == "" || s.versions[i].hash == s.hash {
			return &s.versions[i]
		}
	}
	return nil
}

func (s *scope) byUID(ref *v1alpha1.UIDReference) *version {
	for i := range s.versions {
		if ref != nil && s.versions[i].UID == ref.UID {
			return &s.versions[i]
		}
	}
	return nil
}

func (s *scope) newestPromotable() *version {
	for i := range s.versions {
		if promotable(&s.versions[i]) {
			return &s.versions[i]
		}
	}
	return nil
}

// known names the newest versions, for who misspelt one.
func (s *scope) known() string {
	if len(s.versions) == 0 {
		return "; it has none yet"
	}
	var names []string
	for i := range s.versions[:min(len(s.versions), 5)] {
		names = append(names, s.versions[i].Name)
	}
	return "; its newest are " + strings.Join(names, ", ")
}

func promotable(v *version) bool { return v != nil && !v.Spec.Archived && checked(v) }

// checked tells whether a version was found right.
func checked(v *version) bool { return phase.IsReady(v.TemplateVersion) }

// wrong tells whether a version was found wrong, and is not just unchecked.
func wrong(v *version) bool {
	return v.Status.ObservedGeneration == v.Generation && meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionStalled)
}

// said is what a version's Ready condition says.
func said(v *version) string {
	c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return ""
	}
	return c.Message
}
