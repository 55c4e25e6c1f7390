// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
)

// make makes the build's claims, Secrets and extra objects, and then its pod. The pod is created, never applied, and only after the live cluster has
// said that the workspace is still held to this build and has no other pod; its name is stable, so that of two leaders
// one is refused by etcd.
func (r *Reconciler) make(ctx context.Context, s *scope) error {
	if s.workload == nil {
		if err := r.render(ctx, s); err != nil {
			return err
		}
	}
	begins := ledger.InProgress(&s.build)
	err := r.maker().Mountable(ctx, s.workspace.Namespace, s.workload.References, s.workspace.Spec.TemplateRef, begins)
	if err != nil {
		return err
	}
	if err := r.stillHeld(ctx, s); err != nil {
		return err
	}
	for _, have := range []func(context.Context, *scope) error{r.provide, r.endow, r.extras} {
		if err := have(ctx, s); err != nil {
			return err
		}
	}
	h := s.holder()
	pod, err := workload.Pod(h, render.PodName(&s.workspace), s.workload, s.now)
	if err != nil {
		return err
	}
	if err := r.stillHeld(ctx, s); err != nil {
		return err
	}
	live, err := r.livePods(ctx, s)
	if err != nil {
		return err
	}
	if len(live) > 0 {
		// the cache is behind; the pod's event brings the next pass
		s.pods = live
		return phase.Wait(time.Second, v1alpha1.ReasonStarting, "pod %s is there already", live[0].Name)
	}
	pod, made, err := r.maker().Make(ctx, h, pod)
	if err != nil {
		return err
	}
	if made {
		s.pods = append(s.pods, *pod)
	}
	return r.look(ctx, s, pod)
}

// stillHeld ends the pass where the live workspace is held to another build by now, or is being deleted.
func (r *Reconciler) stillHeld(ctx context.Context, s *scope) error {
	var live v1alpha1.Workspace
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.workspace), &live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || live.UID != s.workspace.UID || live.DeletionTimestamp != nil || !ledger.IsAccepted(&live, &s.build) {
		s.stale = true
		return phase.Wait(0, v1alpha1.ReasonSuperseded, "the workspace is held to another build by now")
	}
	return nil
}

// livePods are the workspace's own pods past the cache.
func (r *Reconciler) livePods(ctx context.Context, s *scope) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := r.Live.List(ctx, &list, client.InNamespace(s.workspace.Namespace), client.MatchingLabels{v1alpha1.LabelID: ledger.ID(&s.workspace)})
	if err != nil {
		return nil, err
	}
	var own []corev1.Pod
	for _, p := range list.Items {
		if ledger.OwnsPod(&s.workspace, &p) {
			own = append(own, p)
		}
	}
	return own, nil
}

// maker makes claims and pods.
func (r *Reconciler) maker() *workload.Maker { return &workload.Maker{Client: r.Client, Live: r.Live} }

// holder is the workspace as what the workload of its build is made for.
func (s *scope) holder() *workload.Holder {
	w := &s.workspace
	return &workload.Holder{
		Namespace: w.Namespace, Kind: "workspace",
		Labels: s.labels(), Annotations: s.annotations(), PodLabels: map[string]string{v1alpha1.LabelBuild: ledger.Label(&s.build)},
		Owner:     ledger.OwnerReference(w),
		OwnsPod:   func(pod *corev1.Pod) bool { return ledger.OwnsPod(w, pod) },
		OwnsClaim: func(c *corev1.PersistentVolumeClaim, volume string) bool { return ledger.MayAdopt(w, c, volume) },
		Marks:     fmt.Sprintf("label %s, annotation %s", v1alpha1.LabelID, v1alpha1.AnnotationOwner),
		Retry:     s.retry(),
	}
}
