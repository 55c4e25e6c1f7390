// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/schedule"
)

// How soon something that the cluster refused is tried again: at first, and at most.
const (
	retrySoonest = 5 * time.Second
	retryLatest  = 2 * time.Minute
)

// retry is how soon something that the cluster refused, and that may pass, is tried again: the longer it has been so, the
// later. It follows from when the build began, so that a new leader goes on where the last one was.
func (s *scope) retry() time.Duration {
	since := s.now
	if job := s.build.Status.Job; job != nil && job.StartedAt != nil {
		since = job.StartedAt.Time
	}
	if ready := meta.FindStatusCondition(s.build.Status.Conditions, v1alpha1.ConditionReady); ready != nil && !ledger.InProgress(&s.build) {
		since = ready.LastTransitionTime.Time
	}
	return min(max(s.now.Sub(since)/2, retrySoonest), retryLatest)
}

// provide has every claim of the workload there. A claim is made once and found again by its name, which must be the
// workspace's by id and owner: one of somebody else is never taken.
func (r *Reconciler) provide(ctx context.Context, s *scope) error {
	for i := range s.workload.Claims {
		want := r.claim(s, &s.workload.Claims[i])
		claim, err := r.findOrMake(ctx, s, want)
		if err != nil {
			return err
		}
		switch {
		case claim.DeletionTimestamp != nil:
			return phase.Wait(0, v1alpha1.ReasonClaimPending, "volume claim %s is being deleted; it is made anew when it is gone", claim.Name)
		case !ledger.MayAdopt(&s.workspace, claim, s.workload.Claims[i].Volume):
			return phase.Wait(s.retry(), v1alpha1.ReasonClaimTaken, "volume claim %s stands in the way: it is not this "+
				"workspace's (label %s, annotation %s); delete it if nobody needs it", claim.Name, v1alpha1.LabelID, v1alpha1.AnnotationOwner)
		}
		if err := r.keepClaim(ctx, s, claim, want); err != nil {
			return err
		}
	}
	return nil
}

// findOrMake gives the claim of the name. One that is not ours is in no cache, so it is met when it is to be made.
func (r *Reconciler) findOrMake(ctx context.Context, s *scope, want *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	var found corev1.PersistentVolumeClaim
	err := r.Get(ctx, client.ObjectKeyFromObject(want), &found)
	if !apierrors.IsNotFound(err) {
		return &found, err
	}
	made := want.DeepCopy()
	err = r.Create(ctx, made, phase.Owner)
	switch {
	case apierrors.IsAlreadyExists(err):
		err = r.Live.Get(ctx, client.ObjectKeyFromObject(want), &found)
		return &found, err
	case refused(err):
		return nil, phase.Wait(s.retry(), v1alpha1.ReasonClaimPending, "the cluster refuses volume claim %s: %s", want.Name, reasonOf(err))
	}
	return made, err
}

// keepClaim writes on a claim what its workspace's deletion will need, takes off what an earlier one left, and has it
// grow where the version asks for more.
func (r *Reconciler) keepClaim(ctx context.Context, s *scope, claim, want *corev1.PersistentVolumeClaim) error {
	labels, annotations := missing(claim.Labels, want.Labels), missing(claim.Annotations, want.Annotations)
	for _, gone := range []string{v1alpha1.AnnotationDeleteAfter, v1alpha1.AnnotationUndelete} {
		if _, there := claim.Annotations[gone]; there {
			annotations[gone] = nil
		}
	}
	patch := map[string]any{}
	if len(labels)+len(annotations) > 0 {
		patch["metadata"] = map[string]any{"uid": claim.UID, "labels": labels, "annotations": annotations}
	}
	size, asked := claim.Spec.Resources.Requests[corev1.ResourceStorage], want.Spec.Resources.Requests[corev1.ResourceStorage]
	if asked.Cmp(size) > 0 {
		patch["spec"] = map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": asked.String()}}}
	}
	if len(patch) == 0 {
		return nil
	}
	err := phase.MergePatch(ctx, r.Client, claim, patch)
	if refused(err) {
		return phase.Wait(s.retry(), v1alpha1.ReasonClaimPending, "volume claim %s can't become as the version wants it: %s", claim.Name, reasonOf(err))
	}
	return err
}

// claim is a claim as it is made: without an owner, since it outlives its workspace, and found by its labels.
func (r *Reconciler) claim(s *scope, c *render.Claim) *corev1.PersistentVolumeClaim {
	var lifecycle *v1alpha1.Lifecycle
	if s.template != nil {
		lifecycle = s.template.Spec.Lifecycle
	}
	labels := s.labels()
	labels[v1alpha1.LabelVolume] = c.Volume
	annotations := s.annotations()
	annotations[v1alpha1.AnnotationWhenDeleted] = string(c.WhenDeleted)
	annotations[v1alpha1.AnnotationKeepDeletedFor] = string(schedule.FormatDuration(ledger.KeepDeletedFor(lifecycle)))
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.workspace.Namespace, Name: c.Name, Labels: labels, Annotations: annotations},
		Spec:       c.Spec,
	}
}

// labels are those of every object of the workspace.
func (s *scope) labels() map[string]string {
	return map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelID: ledger.ID(&s.workspace)}
}

// annotations are those of every object of the workspace; they hold names, which may be longer than a label.
func (s *scope) annotations() map[string]string {
	return map[string]string{
		v1alpha1.AnnotationWorkspace: s.workspace.Name,
		v1alpha1.AnnotationOwner:     string(s.workspace.Spec.Owner.User),
		v1alpha1.AnnotationTemplate:  string(s.workspace.Spec.TemplateRef.Name),
	}
}

// missing are the wanted entries that are absent or different, as a merge patch holds them.
func missing(have, want map[string]string) map[string]any {
	lacks := map[string]any{}
	for k, v := range maps.All(want) {
		if have[k] != v {
			lacks[k] = v
		}
	}
	return lacks
}
