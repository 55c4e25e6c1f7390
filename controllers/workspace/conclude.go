// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
)

// conclude makes the outcome of a pass the workspace's status. What stands against the manifest goes first; where
// nothing does, the accepted build and its pod say how the workspace fares.
func conclude(s *scope, outcome error) *v1alpha1.Workspace {
	after := s.workspace.DeepCopy()
	status := &after.Status
	status.ObservedGeneration = after.Generation
	ready := phase.Ready{}
	if outcome == nil {
		ready, outcome = s.fares()
	}
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, ready, s.now)
	if s.observed {
		status.Phase = s.phase()
		status.Pod = podStatus(s)
		status.Volumes = volumes(s)
		status.Agents = agents(s)
		status.Version = versionName(s)
		s.running(&status.Conditions, after.Generation)
		s.updatePending(&status.Conditions, after.Generation)
		s.dormant(&status.Conditions, after.Generation)
	} else if status.Phase == "" {
		status.Phase = v1alpha1.PhasePending
	}
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = after.Generation
	}
	phase.NotEnforced(&status.Conditions, after.Generation, render.NotEnforced(after), s.now)
	s.forbidden(&status.Conditions, after.Generation)
	return after
}

// shows has the acceptance of a build that is to be worked on say what the next pass would: that the workspace starts or
// stops, in the same write.
func (s *scope) shows(status *v1alpha1.WorkspaceStatus, build *v1alpha1.WorkspaceBuild) {
	if !ledger.InProgress(build) || build.Spec.Transition == v1alpha1.TransitionDelete {
		return
	}
	next := *s
	next.workspace.Status, next.accepted, next.state = *status, build, nil
	*status = conclude(&next, nil).Status
}

// say writes the status where it differs from what it was, by an Update at the resourceVersion that was read: an apply
// could not take away what the acceptance of a build has set by one. What others hold of it is sent as they left it.
func (r *Reconciler) say(ctx context.Context, s *scope, after *v1alpha1.Workspace) error {
	if equality.Semantic.DeepEqual(s.workspace.Status, after.Status) {
		return nil
	}
	return r.Status().Update(ctx, after.DeepCopy(), phase.Owner)
}

// fares says how the workspace stands to what it is held to: as wished, or what is in the way.
func (s *scope) fares() (phase.Ready, error) {
	b := s.accepted
	if b == nil {
		return s.faresAlone()
	}
	switch outcome := ledger.Outcome(b); {
	case outcome == v1alpha1.JobFailed || outcome == v1alpha1.JobCanceled:
		return phase.Ready{}, failed(b)
	case b.Spec.Transition == v1alpha1.TransitionStop && outcome == v1alpha1.JobSucceeded:
		return stoppedReady(b), nil
	case b.Spec.Transition == v1alpha1.TransitionStop:
		return phase.Ready{}, said(b, v1alpha1.ReasonStopping, "the workspace is being stopped")
	case b.Spec.Transition == v1alpha1.TransitionDelete:
		return phase.Ready{}, phase.Wait(0, v1alpha1.ReasonDeleting, "the workspace is being deleted")
	case s.state == nil && outcome == v1alpha1.JobSucceeded:
		return phase.Ready{}, said(b, v1alpha1.ReasonPodGone, "the pod is gone and is being made again")
	case s.state == nil:
		return phase.Ready{}, said(b, v1alpha1.ReasonStarting, "the workspace is being started")
	case s.state.Reason != v1alpha1.ReasonAgentReady:
		return phase.Ready{}, phase.Wait(0, s.state.Reason, "%s", s.state.Message)
	case outcome == "":
		return phase.Ready{}, phase.Wait(0, v1alpha1.ReasonStarting, "the workspace is being started")
	}
	return phase.Ready{Reason: s.state.Reason, Message: s.state.Message}, nil
}

// faresAlone is how a workspace fares that has no build to go by: its record was removed, or it was restored without.
func (s *scope) faresAlone() (phase.Ready, error) {
	if s.state == nil {
		return phase.Ready{Reason: v1alpha1.ReasonStopped, Message: "the workspace is stopped"}, nil
	}
	if s.state.Reason != v1alpha1.ReasonAgentReady {
		return phase.Ready{}, phase.Wait(0, s.state.Reason, "%s; without a build it is not made again", s.state.Message)
	}
	return phase.Ready{Reason: s.state.Reason, Message: s.state.Message}, nil
}

// stoppedReady says why a workspace is stopped, as the column shows it.
func stoppedReady(b *v1alpha1.WorkspaceBuild) phase.Ready {
	switch b.Spec.Reason {
	case v1alpha1.BuildReasonAutostop:
		return phase.Ready{Reason: string(v1alpha1.BuildReasonAutostop), Message: "the workspace was stopped as its time was over"}
	case v1alpha1.BuildReasonDormancy:
		return phase.Ready{Reason: string(v1alpha1.BuildReasonDormancy), Message: "the workspace was stopped as it was not used"}
	case v1alpha1.BuildReasonFailure:
		return phase.Ready{Reason: v1alpha1.ReasonStopped, Message: "the workspace was stopped some time after its start had failed"}
	}
	return phase.Ready{Reason: v1alpha1.ReasonStopped, Message: "the workspace is stopped"}
}

// said is what the build itself complains of, or else that it is at work.
func said(b *v1alpha1.WorkspaceBuild, reason, message string) error {
	ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue || ready.Reason == v1alpha1.ReasonProgressing {
		return phase.Wait(0, reason, "%s", message)
	}
	if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionStalled) {
		return fault.New(fault.Invalid, "%s", ready.Message).Because(ready.Reason)
	}
	return phase.Wait(0, ready.Reason, "%s", ready.Message)
}

// failed is why the last build did not go well. It stays so until something changes.
func failed(b *v1alpha1.WorkspaceBuild) error {
	if ledger.Outcome(b) == v1alpha1.JobCanceled {
		return fault.New(fault.Conflict, "build %d was canceled; start the workspace again", b.Spec.Number).Because(v1alpha1.ReasonCanceled)
	}
	reason, message := v1alpha1.ReasonBuildFailed, ""
	if b.Status.Job != nil {
		message = b.Status.Job.Error
	}
	ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason != v1alpha1.ReasonFailed {
		reason = ready.Reason
	}
	if message == "" {
		message = "the build failed"
	}
	return fault.New(fault.Unavailable, "build %d: %s", b.Spec.Number, message).Because(reason)
}

// phase is what the workspace does, in one word.
func (s *scope) phase() v1alpha1.WorkspacePhase {
	if s.accepted == nil {
		switch {
		case s.workspace.Status.Acted == nil:
			return v1alpha1.PhasePending
		case s.pod() != nil:
			return v1alpha1.PhaseRunning
		}
		return v1alpha1.PhaseStopped
	}
	outcome := ledger.Outcome(s.accepted)
	switch s.accepted.Spec.Transition {
	case v1alpha1.TransitionDelete:
		return v1alpha1.PhaseDeleting
	case v1alpha1.TransitionStop:
		if outcome == "" {
			return v1alpha1.PhaseStopping
		}
		return v1alpha1.PhaseStopped
	}
	switch outcome {
	case "":
		return v1alpha1.PhaseStarting
	case v1alpha1.JobFailed:
		return v1alpha1.PhaseFailed
	case v1alpha1.JobCanceled:
		return v1alpha1.PhaseStopped
	}
	return v1alpha1.PhaseRunning
}

// running says whether the agents are there.
func (s *scope) running(conditions *[]metav1.Condition, generation int64) {
	status, reason, message := metav1.ConditionFalse, v1alpha1.ReasonStopped, "the workspace has no pod"
	if s.state != nil {
		reason, message = s.state.Reason, s.state.Message
		if s.state.Ready {
			status, reason, message = metav1.ConditionTrue, v1alpha1.ReasonAgentReady, "every agent is ready"
		}
	}
	phase.Set(conditions, generation, v1alpha1.ConditionRunning, status, reason, message, s.now)
}

// updatePending says whether the next start takes something else than the last one did.
func (s *scope) updatePending(conditions *[]metav1.Condition, generation int64) {
	set := func(status metav1.ConditionStatus, reason, format string, args ...any) {
		phase.Set(conditions, generation, v1alpha1.ConditionUpdatePending, status, reason, fmt.Sprintf(format, args...), s.now)
	}
	f, refused := fault.As(s.refusal)
	switch {
	case s.accepted == nil || s.start == nil && !refused || s.accepted.Spec.VersionRef == nil:
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionUpdatePending)
	case s.start == nil:
		set(metav1.ConditionTrue, v1alpha1.ReasonUpdateBlocked, "the next start is refused: %s", f.Error())
	case s.start.Hash == s.accepted.Spec.ResolvedHash && s.newer() != "":
		set(metav1.ConditionFalse, v1alpha1.ReasonUpdateAvailable, "version %s is active, and the workspace keeps %s: %s",
			s.newer(), s.start.Version.Name, s.held())
	case s.start.Hash == s.accepted.Spec.ResolvedHash:
		set(metav1.ConditionFalse, v1alpha1.ReasonUpToDate, "the next start takes version %s with the same parameters", s.start.Version.Name)
	case s.start.Version.UID != s.accepted.Spec.VersionRef.UID:
		set(metav1.ConditionTrue, v1alpha1.ReasonUpdatePending, "the next start takes version %s in place of %s",
			s.start.Version.Name, s.accepted.Spec.VersionRef.Name)
	default:
		set(metav1.ConditionTrue, v1alpha1.ReasonUpdatePending, "the next start takes the changed parameters")
	}
}

func podStatus(s *scope) *v1alpha1.PodStatus {
	pod := s.pod()
	if pod == nil {
		return nil
	}
	slot := types.UID(pod.Labels[v1alpha1.LabelSlot])
	return &v1alpha1.PodStatus{Name: pod.Name, UID: pod.UID, Slot: slot, IP: pod.Status.PodIP, Node: pod.Spec.NodeName}
}

// volumes are the claims that are there, by the volume's name.
func volumes(s *scope) []v1alpha1.VolumeStatus {
	var list []v1alpha1.VolumeStatus
	for _, c := range s.claims {
		list = append(list, v1alpha1.VolumeStatus{
			Name: c.Labels[v1alpha1.LabelVolume], ClaimName: c.Name, UID: c.UID,
			WhenDeleted: v1alpha1.WhenDeleted(c.Annotations[v1alpha1.AnnotationWhenDeleted]),
		})
	}
	slices.SortFunc(list, func(a, b v1alpha1.VolumeStatus) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b v1alpha1.VolumeStatus) bool { return a.Name == b.Name })
}

// agents are the accepted start's. When an agent was first ready is kept for as long as it is the same pod's, and what the
// API server says of it for as long as it is the same build's.
func agents(s *scope) []v1alpha1.AgentStatus {
	if s.state == nil || s.accepted == nil || s.accepted.Spec.Transition != v1alpha1.TransitionStart {
		return nil
	}
	build := ids.Build(ids.Of(&s.workspace), s.accepted.Spec.Number)
	samePod := s.workspace.Status.Pod != nil && s.pod() != nil && s.workspace.Status.Pod.UID == s.pod().UID
	var list []v1alpha1.AgentStatus
	for _, a := range s.state.Agents {
		agent := v1alpha1.AgentStatus{}
		for _, was := range s.workspace.Status.Agents {
			if was.Name == a.Name && was.Build == s.accepted.Spec.Number {
				agent = *was.DeepCopy()
			}
		}
		agent.Name, agent.ID, agent.Build, agent.Ready = a.Name, ids.Agent(build, a.Name).String(), s.accepted.Spec.Number, a.Ready
		if !samePod {
			agent.ConnectedAt = nil
		}
		if a.Ready && agent.ConnectedAt == nil {
			agent.ConnectedAt = &metav1.Time{Time: s.now}
		}
		list = append(list, agent)
	}
	return list
}

// versionName is the accepted build's version as the column shows it: without its template's name, which stands beside.
func versionName(s *scope) string {
	if s.accepted == nil || s.accepted.Spec.VersionRef == nil {
		return ""
	}
	name := string(s.accepted.Spec.VersionRef.Name)
	name = strings.TrimPrefix(name, string(s.workspace.Spec.TemplateRef.Name)+"-")
	return name[:min(len(name), 64)]
}
