// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

// firstBuildPatience is how long the manager leaves build 1 to the API server where that has said that it makes it.
const firstBuildPatience = 10 * time.Second

// View is what a decision is made from.
type View struct {
	Workspace *v1alpha1.Workspace
	// Builds are the workspace's, in any order.
	Builds []*v1alpha1.WorkspaceBuild
	// Claims and Pod tell whether the workspace has any claim, and whether it has a pod.
	Claims, Pod bool
	// Start is what a start would take now; nil when none can be made, and then Refusal says why.
	Start   *Resolution
	Refusal error
	// Fit refuses a start that the API server made and that must not be; nil refuses none.
	Fit func(*v1alpha1.WorkspaceBuild) error
	// Rules are what the workspace's times follow from.
	Rules schedule.Rules
	Now   time.Time
}

// Resolution is what a build takes: version, parameters, and the hash of both.
type Resolution struct {
	Version    *v1alpha1.UIDReference
	Parameters *v1alpha1.BuildParameters
	Hash       string
}

// Action is what is to be done next.
type Action string

const (
	// Hold: nothing is to be decided; the cluster is held to the accepted build.
	Hold Action = "Hold"
	// Wait: the API server's build is waited for until Decision.Until.
	Wait Action = "Wait"
	// Blocked: a start is wanted and can't be made; Decision.Because says why.
	Blocked Action = "Blocked"
	// Note: the wish is recorded as acted upon, and the times as they are now; neither needs a build.
	Note Action = "Note"
	// Accept: Decision.Build exists and becomes the accepted one.
	Accept Action = "Accept"
	// Make: a build with Decision.Spec is made and becomes the accepted one.
	Make Action = "Make"
	// Refuse: Decision.Build, which somebody asked for, fails with Decision.Because.
	Refuse Action = "Refuse"
	// Discard: Decision.Build, which the manager made and did not accept, is removed; its number is used again.
	Discard Action = "Discard"
	// Remove: the accepted build deletes the workspace, whose object is to be deleted.
	Remove Action = "Remove"
	// Sleep: the workspace was not used for long, and becomes dormant.
	Sleep Action = "Sleep"
	// Wake: a person has started a dormant workspace, which is dormant no longer.
	Wake Action = "Wake"
	// Expire: the time of a dormant workspace is over; its object is to be deleted.
	Expire Action = "Expire"
)

// Decision is the next step of a workspace's ledger.
type Decision struct {
	Action  Action
	Build   *v1alpha1.WorkspaceBuild
	Spec    *v1alpha1.WorkspaceBuildSpec
	Because error
	// Wished tells, with Make, that the manifest asks for the build: whoever wrote that is its initiator.
	Wished bool
	// Acted is what stands in status.acted after Note, Accept and Make.
	Acted *v1alpha1.Wish
	// Schedule is what stands in status.schedule after Note.
	Schedule *v1alpha1.WorkspaceSchedule
	// Until is when to look again at the latest; zero means at the next event.
	Until time.Time
}

// Decide says what comes next for a workspace that is not being deleted. The same view gives the same answer.
func Decide(v View) Decision {
	if d := v.Workspace.Status.Deletion; d != nil {
		return Decision{Action: Remove}
	}
	s := read(v)
	if s.lost() {
		return s.recover()
	}
	if s.asked != nil {
		return s.answer()
	}
	if s.woken() {
		return Decision{Action: Wake}
	}
	want := s.wanted()
	if want == nil {
		switch {
		case s.made != nil:
			return Decision{Action: Discard, Build: s.made}
		case s.tired():
			return Decision{Action: Sleep}
		case s.outlived():
			return Decision{Action: Expire}
		}
		return s.settled()
	}
	if until := s.firstBuild(); !until.IsZero() {
		return Decision{Action: Wait, Until: until}
	}
	return s.make(want)
}

// state is the view, sorted out.
type state struct {
	View
	accepted *v1alpha1.WorkspaceBuild
	// asked and made are the lowest builds not yet accepted: one that somebody asked for, and one of the manager's.
	asked, made *v1alpha1.WorkspaceBuild
	newest      *v1alpha1.WorkspaceBuild
}

func read(v View) *state {
	s := &state{View: v, accepted: Accepted(v.Workspace, v.Builds)}
	for _, b := range sorted(v.Builds) {
		s.newest = b
		switch {
		case b.Spec.Number <= acceptedNumber(v.Workspace) || !InProgress(b):
		case OfManager(b) && s.made == nil:
			s.made = b
		case !OfManager(b) && s.asked == nil:
			s.asked = b
		}
	}
	return s
}

// lost tells whether the status does not know what builds and claims show: it was not restored with them.
func (s *state) lost() bool {
	known := s.Workspace.Status.Acted != nil || s.Workspace.Status.Build != nil
	return !known && (s.newest != nil && !InProgress(s.newest) || s.newest == nil && s.Claims)
}

// recover takes up the newest build that went well as the accepted one, or, where there is none, the present wish as
// acted upon and the pod as it is. A request that came after the object is nobody's before, and is acted upon next.
func (s *state) recover() Decision {
	last := s.newest
	for _, b := range sorted(s.Builds) {
		if Outcome(b) == v1alpha1.JobSucceeded {
			last = b
		}
	}
	if last == nil {
		acted := s.wish()
		if r := acted.Request; r != nil {
			if at, err := time.Parse(time.RFC3339Nano, r.At); err == nil && at.After(s.Workspace.CreationTimestamp.Time) {
				acted.Request = nil
			}
		}
		return Decision{Action: Note, Acted: acted, Schedule: s.Workspace.Status.Schedule}
	}
	return Decision{Action: Accept, Build: last, Acted: s.actedBy(last)}
}

// errCanceled ends a build that was asked to end before it was accepted.
var errCanceled = fault.New(fault.Conflict, "the build was canceled before it began").Because(v1alpha1.ReasonCanceled)

// answer says what becomes of a build that somebody asked for. One build is at work at a time, but for a deletion, which
// waits for nothing.
func (s *state) answer() Decision {
	b := s.asked
	if b.Spec.Cancel != nil {
		return Decision{Action: Refuse, Build: b, Because: errCanceled}
	}
	busy := s.accepted != nil && InProgress(s.accepted)
	if busy && b.Spec.Transition != v1alpha1.TransitionDelete {
		return Decision{Action: Refuse, Build: b, Because: errBusy(s.accepted)}
	}
	if b.Spec.Transition == v1alpha1.TransitionStart && s.Fit != nil {
		if err := s.Fit(b); err != nil {
			return Decision{Action: Refuse, Build: b, Because: err}
		}
	}
	return Decision{Action: Accept, Build: b, Acted: s.actedBy(b)}
}

// actedBy is the wish that counts as acted upon once a build is accepted: the one its maker knew. A wish that came later
// differs from it and is acted upon next.
func (s *state) actedBy(b *v1alpha1.WorkspaceBuild) *v1alpha1.Wish {
	switch {
	case b.Spec.Wish != nil:
		return b.Spec.Wish.DeepCopy()
	case s.Workspace.Status.Acted != nil:
		return s.Workspace.Status.Acted
	}
	return s.wish()
}

// settled holds what is; where the wish was only reworded, so that no build is needed, or a time has moved, that is
// recorded.
func (s *state) settled() Decision {
	plan := s.plan()
	if !sameWish(s.Workspace.Status.Acted, s.wish()) || !equality.Semantic.DeepEqual(plan, s.Workspace.Status.Schedule) {
		return Decision{Action: Note, Acted: s.wish(), Schedule: plan}
	}
	return Decision{Action: Hold, Until: s.next()}
}

// firstBuild is until when build 1 is left to the API server.
func (s *state) firstBuild() time.Time {
	w := s.Workspace
	_, announced := w.Annotations[v1alpha1.AnnotationFirstBuild]
	until := w.CreationTimestamp.Add(firstBuildPatience)
	if !announced || s.newest != nil || w.Status.Build != nil || !s.Now.Before(until) {
		return time.Time{}
	}
	return until
}

// make turns a want into a build: one of the manager's that says the same already, as after a timeout, or a new one.
func (s *state) make(want *want) Decision {
	spec, err := s.spec(want)
	if err != nil {
		return Decision{Action: Blocked, Because: err, Until: s.next()}
	}
	switch {
	case s.made == nil:
		return Decision{Action: Make, Spec: spec, Acted: s.wish(), Wished: want.wished}
	case Same(&s.made.Spec, spec):
		return Decision{Action: Accept, Build: s.made, Acted: s.wish()}
	}
	return Decision{Action: Discard, Build: s.made}
}
