// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
)

// lingering is how long a pod may end until the message says what a person can do about it.
const lingering = 2 * time.Minute

// act brings the cluster nearer to the build: with a pod for a start that is at work or went well, without one for
// everything else. It gives nil when the cluster is as the build wants it.
func (r *Reconciler) act(ctx context.Context, s *scope) error {
	if s.build.Spec.Transition == v1alpha1.TransitionStart && s.wantsPod() {
		return r.start(ctx, s)
	}
	return r.stop(ctx, s)
}

// wantsPod tells whether a start is to have its pod: not once it has failed or was asked to end early.
func (s *scope) wantsPod() bool {
	switch ledger.Outcome(&s.build) {
	case v1alpha1.JobSucceeded:
		return true
	case v1alpha1.JobFailed, v1alpha1.JobCanceled:
		return false
	}
	return s.build.Spec.Cancel == nil
}

// stop ends every pod of the workspace. The cache may not know the last one yet, so the end is looked at live.
func (r *Reconciler) stop(ctx context.Context, s *scope) error {
	if len(s.pods) == 0 && ledger.InProgress(&s.build) {
		live, err := r.livePods(ctx, s)
		if err != nil {
			return err
		}
		s.pods = live
	}
	s.stage = v1alpha1.StageStopping
	if err := r.end(ctx, s, func(*corev1.Pod) bool { return true }); err != nil {
		return err
	}
	if s.build.Spec.Transition == v1alpha1.TransitionStop && ledger.InProgress(&s.build) {
		return r.kept(ctx, s)
	}
	return nil
}

// end deletes the pods that are meant and waits until they are gone. A cache may know a pod before it knows the build that
// the pod is for, and that build's pod is not to end for an earlier one: the live workspace is asked after the pods were
// read, so that none of them can be of a build that comes later.
func (r *Reconciler) end(ctx context.Context, s *scope, meant func(*corev1.Pod) bool) error {
	var waits *corev1.Pod
	held := false
	for i := range s.pods {
		pod := &s.pods[i]
		if !meant(pod) {
			continue
		}
		waits = pod
		if pod.DeletionTimestamp == nil && !held {
			if err := r.stillHeld(ctx, s); err != nil {
				return err
			}
			held = true
		}
		if err := r.maker().End(ctx, pod); err != nil {
			return err
		}
	}
	if waits == nil {
		return nil
	}
	if d := waits.DeletionTimestamp; d != nil && s.now.Sub(d.Time) > lingering {
		return phase.Wait(0, v1alpha1.ReasonStopping, "pod %s does not end on node %s; if the node is gone: "+
			"kubectl delete pod %s -n %s --force", waits.Name, waits.Spec.NodeName, waits.Name, waits.Namespace)
	}
	return phase.Wait(lingering+time.Second, v1alpha1.ReasonStopping, "pod %s is ending", waits.Name)
}

// start has the pod of this build run, and no other: pods of other builds end first, a pod that finished or went is made
// anew, and a living one is left alone but for its labels and its owner.
func (r *Reconciler) start(ctx context.Context, s *scope) error {
	others := func(pod *corev1.Pod) bool { return !ledger.OfBuild(&s.workspace, &s.build, pod) }
	s.stage = v1alpha1.StageStopping
	if err := r.end(ctx, s, others); err != nil {
		return err
	}
	s.stage = v1alpha1.StageStarting
	if err := r.handover(ctx, s); err != nil {
		return err
	}
	if ledger.InProgress(&s.build) && s.build.Status.Resources == nil {
		// where there is a pod it goes on without; what clients are shown of it is worked out again with the next pass
		if err := r.render(ctx, s); err != nil && len(s.pods) == 0 {
			return err
		}
	}
	if s.workload != nil {
		s.resources = s.workload.Resources
	}
	for i := range s.pods {
		pod := &s.pods[i]
		if err := r.look(ctx, s, pod); err != nil {
			return err
		}
		switch {
		case podstate.Finished(pod):
			if err := r.maker().End(ctx, pod); err != nil {
				return err
			}
			fallthrough
		case pod.DeletionTimestamp != nil:
			return phase.Wait(0, v1alpha1.ReasonPodGone, "%s", s.state.Message)
		}
		if err := r.maker().Mend(ctx, s.holder(), pod); err != nil {
			return err
		}
	}
	if len(s.pods) == 0 {
		if err := r.make(ctx, s); err != nil {
			return err
		}
	}
	if s.state != nil && !s.state.Ready {
		return phase.Wait(0, s.state.Reason, "%s", s.state.Message)
	}
	if s.bindBy > 0 { // an agent is ready while it waits: its command runs once it was told
		return phase.Wait(0, v1alpha1.ReasonStarting, "the agents of the prepared pod are being told whose it has become")
	}
	return nil
}
