// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// want is a transition that the manager itself should make.
type want struct {
	transition v1alpha1.Transition
	restart    bool
	reason     v1alpha1.BuildReason
	// wished tells that the manifest asks, and not the clock.
	wished bool
}

// wanted is what the wish, the schedule or a change asks for now; nil when nothing does. Only these ask: a difference
// between spec.state or spec.request and what was acted upon, the clock, and, where nothing runs that it could disturb
// or the workspace says updates: Restart, a changed version or parameter.
func (s *state) wanted() *want {
	if s.Workspace.Status.Acted == nil && s.Workspace.Status.Build == nil {
		return s.first()
	}
	if w, asks := s.wishes(); asks {
		return w
	}
	switch {
	case s.asleep() && s.runs():
		return &want{transition: v1alpha1.TransitionStop, reason: v1alpha1.BuildReasonDormancy}
	case s.asleep():
		return nil
	case s.forgotten():
		return &want{transition: v1alpha1.TransitionStart, reason: v1alpha1.BuildReasonInitiator}
	case s.expired():
		return &want{transition: v1alpha1.TransitionStop, reason: v1alpha1.BuildReasonAutostop}
	case s.failedStart() && s.changed():
		return &want{transition: v1alpha1.TransitionStart, reason: v1alpha1.BuildReasonUpdate}
	case s.failedLong():
		return &want{transition: v1alpha1.TransitionStop, reason: v1alpha1.BuildReasonFailure}
	case s.due():
		return &want{transition: v1alpha1.TransitionStart, reason: v1alpha1.BuildReasonAutostart}
	case s.Workspace.Spec.Updates == v1alpha1.UpdatesRestart && s.runs() && s.changed():
		return &want{transition: v1alpha1.TransitionStart, restart: true, reason: v1alpha1.BuildReasonUpdate}
	}
	return nil
}

// first is what a new workspace does: it starts, unless its manifest wishes it stopped. Then it gets a stop build, which
// ends at once, since every workspace shows a latest build on the wire.
func (s *state) first() *want {
	w := &want{transition: v1alpha1.TransitionStart, reason: v1alpha1.BuildReasonInitiator, wished: true}
	spec := s.Workspace.Spec
	asks := spec.State == v1alpha1.StateStopped
	if spec.Request != nil {
		asks = spec.Request.Transition == v1alpha1.RequestStop
	}
	if asks {
		w.transition = v1alpha1.TransitionStop
	}
	return w
}

// wishes gives the transition that a changed wish asks for, nil when it is so already, and whether a wish changed at
// all. A new request is narrower than a state that changed with it, and goes first.
func (s *state) wishes() (w *want, asks bool) {
	acted, wish := s.Workspace.Status.Acted, s.wish()
	if acted == nil {
		acted = &v1alpha1.Wish{}
	}
	if wish.Request != nil && !equality.Semantic.DeepEqual(wish.Request, acted.Request) {
		return s.requested(wish.Request.Transition), true
	}
	if wish.State != "" && wish.State != acted.State {
		if wish.State == v1alpha1.StateRunning {
			return s.requested(v1alpha1.RequestStart), true
		}
		return s.requested(v1alpha1.RequestStop), true
	}
	return nil, false
}

// requested is what a request needs beyond what is so already.
func (s *state) requested(r v1alpha1.RequestTransition) *want {
	w := &want{transition: v1alpha1.TransitionStart, reason: v1alpha1.BuildReasonInitiator, wished: true}
	switch r {
	case v1alpha1.RequestStop:
		if s.stopped() {
			return nil
		}
		w.transition = v1alpha1.TransitionStop
	case v1alpha1.RequestStart:
		if s.runs() {
			return nil
		}
	case v1alpha1.RequestRestart:
		w.restart = s.runs()
	}
	return w
}

// runs tells whether the workspace is held to run: its start is at work or went well.
func (s *state) runs() bool {
	if s.accepted == nil {
		return s.Pod
	}
	return s.accepted.Spec.Transition == v1alpha1.TransitionStart && !s.failedStart() &&
		Outcome(s.accepted) != v1alpha1.JobCanceled
}

// stopped tells whether the workspace is held to be stopped, or has nothing to stop.
func (s *state) stopped() bool {
	if s.accepted == nil {
		return !s.Pod
	}
	return s.accepted.Spec.Transition == v1alpha1.TransitionStop && Outcome(s.accepted) != v1alpha1.JobFailed
}

func (s *state) failedStart() bool {
	return s.accepted != nil && s.accepted.Spec.Transition == v1alpha1.TransitionStart && Outcome(s.accepted) == v1alpha1.JobFailed
}

// changed tells whether a start would take another version or other parameters than the accepted build did.
func (s *state) changed() bool {
	return s.accepted != nil && s.Start != nil && s.Start.Hash != s.accepted.Spec.ResolvedHash
}

// forgotten tells whether a workspace that ran has lost both its pod and the build that could make it again.
func (s *state) forgotten() bool {
	phase := s.Workspace.Status.Phase
	ran := phase == v1alpha1.PhaseRunning || phase == v1alpha1.PhaseStarting
	return s.Workspace.Status.Build != nil && s.accepted == nil && !s.Pod && ran
}

// wish is what the manifest wishes now.
func (s *state) wish() *v1alpha1.Wish {
	return &v1alpha1.Wish{State: s.Workspace.Spec.State, Request: s.Workspace.Spec.Request.DeepCopy()}
}

func sameWish(a, b *v1alpha1.Wish) bool {
	return a != nil && b != nil && equality.Semantic.DeepEqual(a, b)
}

// spec is the build that a want needs. A start takes what was resolved now; a stop and a first stop what the last build
// had, so that it needs neither template nor version.
func (s *state) spec(w *want) (*v1alpha1.WorkspaceBuildSpec, error) {
	spec := &v1alpha1.WorkspaceBuildSpec{
		WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(s.Workspace.Name), UID: s.Workspace.UID},
		Number:       Next(s.Workspace, s.besides(s.made)),
		Transition:   w.transition,
		Restart:      w.restart,
		Reason:       w.reason,
		Initiator:    v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem},
		Wish:         s.wish(),
	}
	if last := s.accepted; w.transition != v1alpha1.TransitionStart && last != nil {
		spec.VersionRef, spec.ResolvedHash = last.Spec.VersionRef.DeepCopy(), last.Spec.ResolvedHash
		if last.Spec.Parameters != nil {
			spec.Parameters = &v1alpha1.BuildParameters{Values: last.Spec.Parameters.Values}
		}
		return spec, nil
	}
	if s.Start == nil && (w.transition == v1alpha1.TransitionStart || s.Workspace.Status.Build == nil) {
		return nil, s.Refusal
	}
	if s.Start != nil {
		spec.VersionRef, spec.Parameters, spec.ResolvedHash = s.Start.Version, s.Start.Parameters, s.Start.Hash
	}
	return spec, nil
}

// besides are the builds without one.
func (s *state) besides(one *v1alpha1.WorkspaceBuild) []*v1alpha1.WorkspaceBuild {
	var rest []*v1alpha1.WorkspaceBuild
	for _, b := range s.Builds {
		if b != one {
			rest = append(rest, b)
		}
	}
	return rest
}

// Same tells whether two builds ask for the same, whoever made them and when: the answer to a creation that was
// committed although its reply was lost.
func Same(a, b *v1alpha1.WorkspaceBuildSpec) bool {
	return a.WorkspaceRef.UID == b.WorkspaceRef.UID && a.Number == b.Number && a.Transition == b.Transition &&
		a.Restart == b.Restart && a.ResolvedHash == b.ResolvedHash && a.Reason == b.Reason &&
		a.Orphan == b.Orphan && equality.Semantic.DeepEqual(a.VersionRef, b.VersionRef) &&
		equality.Semantic.DeepEqual(a.Wish, b.Wish)
}

func errBusy(accepted *v1alpha1.WorkspaceBuild) error {
	return fault.New(fault.Conflict, "build %d of the workspace was still in progress", accepted.Spec.Number)
}

// Runs tells whether an accepted build holds its workspace to run: it is a start at work, or one that went well.
func Runs(accepted *v1alpha1.WorkspaceBuild) bool {
	return accepted != nil && accepted.Spec.Transition == v1alpha1.TransitionStart && (InProgress(accepted) || Outcome(accepted) == v1alpha1.JobSucceeded)
}

// StopBuild is the build that stops a workspace which must not run, whatever it wishes.
func StopBuild(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) *v1alpha1.WorkspaceBuildSpec {
	spec := DeleteBuild(w, builds)
	spec.Transition = v1alpha1.TransitionStop
	return spec
}

// DeleteBuild is the build that records a deletion. It has the version and parameters of the last build, if there is one,
// so that it needs neither template nor version.
func DeleteBuild(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) *v1alpha1.WorkspaceBuildSpec {
	s := read(View{Workspace: w, Builds: builds})
	spec := &v1alpha1.WorkspaceBuildSpec{
		WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.Name), UID: w.UID},
		Number:       Next(w, builds),
		Transition:   v1alpha1.TransitionDelete,
		Reason:       v1alpha1.BuildReasonInitiator,
		Initiator:    v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem},
		Wish:         s.wish(),
	}
	if overdue(w) {
		spec.Reason = v1alpha1.BuildReasonDormancy
	}
	if s.accepted != nil {
		spec.VersionRef, spec.ResolvedHash = s.accepted.Spec.VersionRef.DeepCopy(), s.accepted.Spec.ResolvedHash
		if s.accepted.Spec.Parameters != nil {
			spec.Parameters = &v1alpha1.BuildParameters{Values: s.accepted.Spec.Parameters.Values}
		}
	}
	return spec
}
