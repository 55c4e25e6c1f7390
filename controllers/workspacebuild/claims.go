// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
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

// provide has every claim of the workload there, which must be the workspace's by id and owner.
func (r *Reconciler) provide(ctx context.Context, s *scope) error {
	h := s.holder()
	for i := range s.workload.Claims {
		want := r.claim(s, &s.workload.Claims[i])
		claim, err := r.maker().Provide(ctx, h, s.workload.Claims[i].Volume, want)
		if err != nil {
			return err
		}
		if err := r.keepClaim(ctx, s, claim, want); err != nil {
			return err
		}
	}
	return nil
}

// keepClaim writes on a claim what its workspace's deletion will need, takes off what an earlier one left, and has it
// grow where the version asks for more.
func (r *Reconciler) keepClaim(ctx context.Context, s *scope, claim, want *corev1.PersistentVolumeClaim) error {
	want.Annotations[v1alpha1.AnnotationSecrets] = union(claim.Annotations[v1alpha1.AnnotationSecrets], want.Annotations[v1alpha1.AnnotationSecrets])
	labels, annotations := workload.Missing(claim.Labels, want.Labels), workload.Missing(claim.Annotations, want.Annotations)
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
	if workload.Refused(err) {
		return phase.Wait(s.retry(), v1alpha1.ReasonClaimPending, "volume claim %s can't become as the version wants it: %s", claim.Name, workload.ReasonOf(err))
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
	if secrets := secretsOf(s.workload); secrets != "" {
		annotations[v1alpha1.AnnotationSecrets] = secrets
	}
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

// union are the names of two lists, each once: a Secret that a version has no more stays as long as the claims do.
func union(have, more string) string {
	names := strings.FieldsFunc(have+","+more, func(r rune) bool { return r == ',' })
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
