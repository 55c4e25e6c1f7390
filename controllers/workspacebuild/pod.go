// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"errors"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
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
	if err := r.mountable(ctx, s); err != nil {
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
	pod, err := s.pod()
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
	err = r.Create(ctx, pod, phase.Owner)
	switch {
	case apierrors.IsAlreadyExists(err):
		return r.meet(ctx, s, pod)
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		// neither version nor build changes, so no waiting makes it right
		return fault.New(fault.Invalid, "the cluster can't make the pod: %s", reasonOf(err)).Because(v1alpha1.ReasonPodRefused)
	case refused(err):
		return phase.Wait(s.retry(), v1alpha1.ReasonPodRefused, "the cluster refuses the pod: %s", reasonOf(err))
	case err != nil:
		return err
	}
	s.pods = append(s.pods, *pod)
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

// meet deals with a pod that has the name already: the workspace's own, whose labels were taken off, is put right;
// anybody else's is not touched.
func (r *Reconciler) meet(ctx context.Context, s *scope, want *corev1.Pod) error {
	var there corev1.Pod
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(want), &there); err != nil {
		return err
	}
	if !ledger.OwnsPod(&s.workspace, &there) {
		return phase.Wait(s.retry(), v1alpha1.ReasonPodRefused, "pod %s stands in the way: it is not this workspace's; "+
			"delete it if nobody needs it", there.Name)
	}
	if there.DeletionTimestamp != nil || podstate.Finished(&there) {
		return errors.Join(r.deletePod(ctx, &there),
			phase.Wait(time.Second, v1alpha1.ReasonPodGone, "pod %s is ending and will be made again", there.Name))
	}
	if err := r.mend(ctx, s, &there); err != nil {
		return err
	}
	return r.look(ctx, s, &there)
}

// mend puts the labels, the annotations of ours and the owner back that somebody took off a living pod. Nothing else of
// it is ever changed.
func (r *Reconciler) mend(ctx context.Context, s *scope, pod *corev1.Pod) error {
	labels := s.labels()
	labels[v1alpha1.LabelBuild] = ledger.Label(&s.build)
	metadata := map[string]any{}
	if lacks := missing(pod.Labels, labels); len(lacks) > 0 {
		metadata["labels"] = lacks
	}
	if lacks := missing(pod.Annotations, s.annotations()); len(lacks) > 0 {
		metadata["annotations"] = lacks
	}
	if !ledger.Owns(&s.workspace, pod) {
		metadata["ownerReferences"] = append(pod.OwnerReferences, ledger.OwnerReference(&s.workspace))
	}
	if len(metadata) == 0 {
		return nil
	}
	metadata["uid"], metadata["resourceVersion"] = pod.UID, pod.ResourceVersion
	return client.IgnoreNotFound(phase.MergePatch(ctx, r.Client, pod, map[string]any{"metadata": metadata}))
}

// pod is the pod as it is made.
func (s *scope) pod() (*corev1.Pod, error) {
	template := s.workload.Pod.DeepCopy()
	intent, err := render.Intent(&s.workload.Pod)
	if err != nil {
		return nil, err
	}
	var agents []podstate.Agent
	for _, a := range s.workload.Agents {
		agents = append(agents, podstate.Agent{Name: a.Name, Container: a.Container})
	}
	text, err := podstate.WriteAgents(agents)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.workspace.Namespace, Name: render.PodName(&s.workspace),
			Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{ledger.OwnerReference(&s.workspace)},
		},
		Spec: template.Spec,
	}
	maps.Copy(pod.Labels, template.Labels)
	maps.Copy(pod.Labels, s.labels())
	pod.Labels[v1alpha1.LabelBuild] = ledger.Label(&s.build)
	maps.Copy(pod.Annotations, template.Annotations)
	maps.Copy(pod.Annotations, s.annotations())
	pod.Annotations[v1alpha1.AnnotationIntent] = intent
	pod.Annotations[v1alpha1.AnnotationAgents] = text
	pod.Annotations[v1alpha1.AnnotationCreatedAt] = s.now.UTC().Format(time.RFC3339Nano)
	return pod, nil
}

// refused tells whether the cluster has understood and will not: Pod Security, a quota, an admission policy, a schema.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// reasonOf is the cluster's own sentence.
func reasonOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}
