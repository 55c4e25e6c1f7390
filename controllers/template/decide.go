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
	// rollout says in words where the rollout stands.
	rollout string
	// ready is what the Template's conditions say when all is well.
	ready phase.Ready
}

// decide chooses the active version. A version that is wrong or archived is never promoted; one that is active stays so
// until another takes its place.
func decide(_ context.Context, s *scope) error {
	s.plan = &plan{latest: s.latest(), active: s.byUID(s.template.Status.ActiveVersion)}
	p := s.plan
	rollout := s.template.Spec.Rollout
	if rollout == nil {
		rollout = &v1alpha1.Rollout{}
	}
	if pin := string(rollout.Pin); pin != "" {
		return s.pinned(pin)
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
	p := s.plan
	for i := range s.versions {
		if v := &s.versions[i]; v.Name == pin && promotable(v) {
			p.active, p.rollout = v, "pinned at "+v.short()
			p.ready = phase.Ready{Reason: v1alpha1.ReasonReady, Message: "rollout.pin holds version " + v.Name}
			return nil
		}
	}
	p.keep()
	for i := range s.versions {
		if v := &s.versions[i]; v.Name == pin {
			why := "it is archived"
			if !v.Spec.Archived {
				why = "it was not checked with success"
			}
			return fault.On("spec.rollout.pin", "version %s can't be promoted, as %s", pin, why).Because(v1alpha1.ReasonPinMissing)
		}
	}
	return fault.On("spec.rollout.pin", "this template has no version %q%s", pin, s.known()).Because(v1alpha1.ReasonPinMissing)
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
