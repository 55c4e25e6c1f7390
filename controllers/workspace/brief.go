// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// atMost is for how long the details of a start wait that nothing is wrong with while its build has no pod yet, or has still
// to be ended since the pod is ready: what is told next is told by the build's next pass.
const atMost = time.Minute

// later is for how long what the pass found may stay unwritten; zero for not at all. A start goes from claim to pod, node,
// address and ready containers within moments, and each would be a write that the next one covers. So the details of one
// that has been told, and goes its way, are told when it ends, when anything stands in its way, or when its pod has been
// as it is for a brief time: the API server knows the pod's agents by its uid in the status.
func (s *scope) later(after *v1alpha1.Workspace, brief time.Duration) time.Duration {
	was, is, b := &s.workspace.Status, &after.Status, s.accepted
	goesOn := brief > 0 && b != nil && b.Spec.Transition == v1alpha1.TransitionStart && ledger.InProgress(b) &&
		was.ObservedGeneration == is.ObservedGeneration && was.Phase == v1alpha1.PhaseStarting && is.Phase == was.Phase &&
		readyReason(was.Conditions) == v1alpha1.ReasonStarting && readyReason(is.Conditions) == v1alpha1.ReasonStarting
	if !goesOn {
		return 0
	}
	since := v1alpha1.CreatedAt(b)
	if pod := s.pod(); pod != nil {
		since = changedAt(pod)
	}
	if s.state == nil || s.state.Ready {
		brief = atMost
	}
	left := since.Add(brief).Sub(s.now)
	if left > brief {
		return 0 // by another's clock, or somebody's word
	}
	return left
}

// changedAt is when a pod was made or, where that was later, became ready.
func changedAt(pod *corev1.Pod) time.Time {
	at := v1alpha1.CreatedAt(pod)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}

func readyReason(conditions []metav1.Condition) string {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}

// asAsked tells whether all that the pass has to say is that a start or stop went the way that somebody asked for. They
// know, and the build's log tells it: an event is for what nobody asked for, and for what went otherwise.
func (s *scope) asAsked(after *v1alpha1.Workspace) bool {
	b := s.accepted
	if b == nil || b.Spec.Reason != v1alpha1.BuildReasonInitiator || ledger.Outcome(b) != v1alpha1.JobSucceeded {
		return false
	}
	was := readyReason(s.workspace.Status.Conditions)
	return meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionReady) &&
		(was == v1alpha1.ReasonStarting || was == v1alpha1.ReasonStopping)
}
