// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/warm"
)

// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces,verbs=get;list;watch

// bindPatience is how long the agents of a prepared workspace may take to be told whose it has become. Then its pod is
// ended, and the start goes on without it.
const bindPatience = 20 * time.Second

// handover makes what was prepared the workspace's own: first the claims, which must never be collected with the prepared
// workspace, then what stands beside the pod, and last the pod. Each step is found done by the next pass. Where the
// prepared workspace, or its pod, is not to be had any more, the start goes on as any other, with the claims that it got.
// No other pod is made while that one may still run.
func (r *Reconciler) handover(ctx context.Context, s *scope) error {
	if s.build.Spec.Slot == nil || !ledger.InProgress(&s.build) {
		return nil
	}
	slot, err := r.slotOf(ctx, s)
	if err != nil || slot == nil {
		return err
	}
	for _, v := range slot.Status.Volumes {
		if err := r.takeClaim(ctx, s, slot, v); err != nil {
			return err
		}
	}
	pod, err := r.preparedPod(ctx, slot)
	if err != nil || pod == nil {
		return err
	}
	if pod.DeletionTimestamp != nil || podstate.Finished(pod) {
		if err := r.maker().End(ctx, pod); err != nil {
			return err
		}
		return phase.Wait(time.Second, v1alpha1.ReasonPodGone, "the prepared pod %s is ending; the start goes on without it", pod.Name)
	}
	if late, err := r.late(ctx, s, slot, pod); late || err != nil {
		return err
	}
	return r.takePod(ctx, s, slot, pod)
}

// slotOf is the prepared workspace that the build takes over; nil where it is not the workspace's or not to be had. The
// cache may not have seen the claim yet.
func (r *Reconciler) slotOf(ctx context.Context, s *scope) (*v1alpha1.WarmWorkspace, error) {
	ref := s.build.Spec.Slot
	key := client.ObjectKey{Namespace: s.workspace.Namespace, Name: string(ref.Name)}
	for _, from := range []client.Reader{r, r.Live} {
		var slot v1alpha1.WarmWorkspace
		err := from.Get(ctx, key, &slot)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && slot.UID == ref.UID && warm.IsOf(&slot, &s.workspace) && slot.Spec.ResolvedHash == s.build.Spec.ResolvedHash {
			return &slot, nil
		}
	}
	return nil, nil
}

// takeClaim makes a prepared claim the workspace's, in one write. One that is going is not taken; another is made in its
// place.
func (r *Reconciler) takeClaim(ctx context.Context, s *scope, slot *v1alpha1.WarmWorkspace, v v1alpha1.VolumeStatus) error {
	var claim corev1.PersistentVolumeClaim
	key := client.ObjectKey{Namespace: slot.Namespace, Name: v.ClaimName}
	if err := r.Get(ctx, key, &claim); client.IgnoreNotFound(err) != nil {
		return err
	} else if err != nil || !workload.Owned(&claim, slot.UID) && !ledger.OwnsClaim(&s.workspace, &claim) {
		if err := r.Live.Get(ctx, key, &claim); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	if claim.UID != v.UID || claim.DeletionTimestamp != nil || !workload.Owned(&claim, slot.UID) {
		return nil
	}
	if err := r.rendered(ctx, s); err != nil {
		return err
	}
	i := slices.IndexFunc(s.workload.Claims, func(c render.Claim) bool { return c.Volume == v.Name })
	if i < 0 {
		return nil
	}
	want := r.claim(s, &s.workload.Claims[i])
	labels := workload.Missing(claim.Labels, want.Labels)
	labels[v1alpha1.LabelSlot] = nil
	err := phase.MergePatch(ctx, r.Client, &claim, map[string]any{"metadata": map[string]any{
		"uid": claim.UID, "resourceVersion": claim.ResourceVersion,
		"labels": labels, "annotations": workload.Missing(claim.Annotations, want.Annotations),
		"ownerReferences": without(claim.OwnerReferences, slot),
	}})
	return client.IgnoreNotFound(err)
}

// without are owner references but those to a prepared workspace.
func without(refs []metav1.OwnerReference, slot *v1alpha1.WarmWorkspace) []metav1.OwnerReference {
	return slices.DeleteFunc(slices.Clone(refs), func(ref metav1.OwnerReference) bool { return ref.UID == slot.UID })
}

// preparedPod is the pod of a prepared workspace, past the cache: nil where it is gone for good.
func (r *Reconciler) preparedPod(ctx context.Context, slot *v1alpha1.WarmWorkspace) (*corev1.Pod, error) {
	if slot.Status.Pod == nil {
		return nil, nil
	}
	var pod corev1.Pod
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: slot.Namespace, Name: slot.Status.Pod.Name}, &pod)
	if err != nil || pod.UID != slot.Status.Pod.UID {
		return nil, client.IgnoreNotFound(err)
	}
	return &pod, nil
}

// late ends the prepared pod whose agents were not told in time whose it has become. They were told for good once every one
// of them has its secret.
func (r *Reconciler) late(ctx context.Context, s *scope, slot *v1alpha1.WarmWorkspace, pod *corev1.Pod) (bool, error) {
	if warm.Bound(slot) {
		return false, nil
	}
	at, err := time.Parse(time.RFC3339Nano, slot.Spec.Claim.At)
	if err != nil || at.After(s.now) {
		at = v1alpha1.CreatedAt(&s.build)
	}
	left := at.Add(bindPatience).Sub(s.now)
	if left > 0 {
		s.bindBy = left
		return false, nil
	}
	var live v1alpha1.WarmWorkspace
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(slot), &live); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if warm.Bound(&live) {
		return false, nil
	}
	if err := r.maker().End(ctx, pod); err != nil {
		return true, err
	}
	return true, phase.Wait(time.Second, v1alpha1.ReasonPodGone,
		"the prepared pod was not told in %s whose it has become; the start goes on without it", bindPatience)
}

// takePod makes the prepared pod that of the build. What stands beside a pod is made before, as with any start.
func (r *Reconciler) takePod(ctx context.Context, s *scope, slot *v1alpha1.WarmWorkspace, pod *corev1.Pod) error {
	known := slices.ContainsFunc(s.pods, func(p corev1.Pod) bool { return p.UID == pod.UID })
	if !workload.Owned(pod, slot.UID) && ledger.OfBuild(&s.workspace, &s.build, pod) {
		if !known {
			s.pods = append(s.pods, *pod)
		}
		return nil
	}
	if err := r.stillHeld(ctx, s); err != nil {
		return err
	}
	if err := r.rendered(ctx, s); err != nil {
		return err
	}
	if err := r.extras(ctx, s); err != nil {
		return err
	}
	h := s.holder()
	labels := workload.Missing(pod.Labels, h.Labels)
	for k, v := range workload.Missing(pod.Labels, h.PodLabels) {
		labels[k] = v
	}
	err := phase.MergePatch(ctx, r.Client, pod, map[string]any{"metadata": map[string]any{
		"uid": pod.UID, "resourceVersion": pod.ResourceVersion,
		"labels": labels, "annotations": workload.Missing(pod.Annotations, h.Annotations),
		"ownerReferences": append(without(pod.OwnerReferences, slot), h.Owner),
	}})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	return phase.Wait(time.Second, v1alpha1.ReasonStarting, "the prepared pod %s has become the workspace's", pod.Name)
}

// rendered works out what the build makes, once a pass.
func (r *Reconciler) rendered(ctx context.Context, s *scope) error {
	if s.workload != nil {
		return nil
	}
	return r.render(ctx, s)
}

// heirlooms are the names of the claims that a workspace got from a prepared one, as their labels tell: its status may not
// have recorded them yet.
func (s *scope) heirlooms(names map[string]string) {
	if s.build.Spec.Slot == nil {
		return
	}
	for _, c := range s.claims {
		if volume := c.Labels[v1alpha1.LabelVolume]; volume != "" && names[volume] == "" && c.DeletionTimestamp == nil {
			names[volume] = c.Name
		}
	}
}
