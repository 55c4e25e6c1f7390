// SPDX-License-Identifier: Apache-2.0

package warmworkspace

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podstate"
)

// judge tells whether the prepared workspace can be claimed: its pod runs, and every agent of it listens. One whose pod is
// gone, or that is not there in the time of a start, has failed.
func (r *Reconciler) judge(_ context.Context, s *scope) error {
	if s.pod == nil || podstate.Finished(s.pod) || s.pod.DeletionTimestamp != nil {
		return fault.New(fault.Unavailable, "its pod is gone").Because(v1alpha1.ReasonPodGone)
	}
	outcome := s.waits()
	if outcome == nil {
		return nil
	}
	if back := s.backBy(); back.After(s.deadline) {
		s.deadline = back
	}
	if !s.now.Before(s.deadline) {
		return fault.New(fault.Unavailable, "it was not ready in time: %s", outcome.Error()).Because(v1alpha1.ReasonStartTimeout)
	}
	return outcome
}

// away is how long agents that were connected may be away, as while an API server is exchanged, until the pool makes
// another in place of theirs.
const away = 5 * time.Minute

// backBy is until when a prepared workspace that could be claimed before is waited for.
func (s *scope) backBy() time.Time {
	ready := meta.FindStatusCondition(s.slot.Status.Conditions, v1alpha1.ConditionReady)
	patience := min(away, s.deadline.Sub(v1alpha1.CreatedAt(&s.slot)))
	switch {
	case ready == nil:
		return time.Time{}
	case ready.Status == metav1.ConditionTrue:
		return s.now.Add(patience)
	}
	return ready.LastTransitionTime.Add(patience)
}

// waits is what a prepared workspace waits for; nil where it can be claimed.
func (s *scope) waits() error {
	if running(s.pod) {
		var missing []string
		for _, a := range podstate.Agents(s.pod) {
			if !s.connected(a.Name) {
				missing = append(missing, a.Name)
			}
		}
		if len(missing) > 0 {
			return phase.Wait(0, v1alpha1.ReasonAgentsAway, "waits for the connection of agent %s", strings.Join(missing, ", "))
		}
		return nil
	}
	source := podstate.Source{Version: s.version.Name, Content: &s.version.Spec.Content}
	state := podstate.Of(s.pod, nil, nil, source, s.now)
	s.recheck = state.Recheck
	if state.Ready {
		return phase.Wait(0, v1alpha1.ReasonStarting, "the pod's other containers are not ready")
	}
	return phase.Wait(0, state.Reason, "%s", state.Message)
}

func (s *scope) connected(agent string) bool {
	for _, a := range s.slot.Status.Agents {
		if a.Name == agent {
			return a.Connected
		}
	}
	return false
}

// running tells whether every container of a pod runs, and those without an agent are ready. What an agent waits for is no
// matter of its container's readiness; whether it listens, its connection tells.
func running(pod *corev1.Pod) bool {
	agents := map[string]bool{}
	for _, a := range podstate.Agents(pod) {
		agents[a.Container] = true
	}
	up := map[string]bool{}
	for _, c := range pod.Status.ContainerStatuses {
		up[c.Name] = c.State.Running != nil && (agents[c.Name] || c.Ready)
	}
	for _, c := range pod.Spec.Containers {
		if !up[c.Name] {
			return false
		}
	}
	return true
}
