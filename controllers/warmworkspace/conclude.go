// SPDX-License-Identifier: Apache-2.0

package warmworkspace

import (
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// conclude makes the outcome of a pass the status. Pod and claims are recorded once and stay: of the pod, where it runs may
// become known later.
func conclude(s *scope, outcome error) *v1alpha1.WarmWorkspace {
	after := s.slot.DeepCopy()
	status := &after.Status
	status.ObservedGeneration = after.Generation
	ready := phase.Ready{Reason: v1alpha1.ReasonWarm, Message: "a new workspace can claim it"}
	switch {
	case s.slot.Spec.Claim != nil:
		status.Phase = v1alpha1.WarmClaimed
		ready = phase.Ready{Reason: v1alpha1.ReasonClaimed, Message: "workspace " + string(s.slot.Spec.Claim.WorkspaceRef.Name) + " has claimed it"}
	case outcome == nil:
		status.Phase = v1alpha1.WarmReady
	default:
		status.Phase = v1alpha1.WarmPreparing
	}
	if s.pod != nil {
		status.Pod = &v1alpha1.PodStatus{Name: s.pod.Name, UID: s.pod.UID, IP: s.pod.Status.PodIP, Node: s.pod.Spec.NodeName}
	}
	if s.pod != nil && len(s.volumes) > 0 {
		status.Volumes = s.volumes
	}
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, outcome, ready, s.now)
	return after
}
