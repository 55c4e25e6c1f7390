// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/story"
)

// tell adds to the build's log what happened, in the write that a change of the status takes anyway: what it does not tell
// now it tells with the next change, at the time when it happened.
func (s *scope) tell(after *v1alpha1.WorkspaceBuild, outcome error) {
	if !ledger.InProgress(&s.build) || equality.Semantic.DeepEqual(s.build.Status, after.Status) {
		return
	}
	scene := story.Scene{
		Build: after, Claims: s.claims, Pods: s.pods, Events: s.events, State: s.state, Now: s.now,
		Mine: func(pod *corev1.Pod) bool { return ledger.OfBuild(&s.workspace, &s.build, pod) },
	}
	if s.workload != nil {
		scene.Rendered = &story.Rendered{Version: s.version.Name, Agents: len(s.workload.Agents), Claims: len(s.workload.Claims)}
		for _, c := range slices.Concat(s.workload.Pod.Spec.InitContainers, s.workload.Pod.Spec.Containers) {
			scene.Rendered.Images = append(scene.Rendered.Images, story.Image{Container: c.Name, Name: c.Image})
		}
	}
	if !after.Phase().Ended() {
		scene.Trouble = trouble(outcome)
	}
	after.Status.Log = joblog.Append(after.Status.Log, story.Tell(scene)...)
}

// trouble is what of a pass's outcome a person should read of: not the usual steps, and not that somebody else was faster
// with a write.
func trouble(outcome error) story.Trouble {
	var wait *phase.Waiting
	_, refused := fault.As(outcome)
	switch {
	case outcome == nil || refused:
		return story.Trouble{}
	case errors.As(outcome, &wait):
		lingers := wait.Reason == v1alpha1.ReasonStopping && wait.After == 0
		if phase.Troubles[wait.Reason] || wait.Reason == v1alpha1.ReasonClaimTaken || wait.Reason == v1alpha1.ReasonClaimPending || lingers {
			return story.Trouble{Reason: wait.Reason, Message: wait.Message}
		}
		return story.Trouble{}
	case apierrors.IsConflict(outcome):
		return story.Trouble{}
	}
	return story.Trouble{Reason: v1alpha1.ReasonRetrying, Message: "the cluster did not take it, trying again: " + outcome.Error()}
}
