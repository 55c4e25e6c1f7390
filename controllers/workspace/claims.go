// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// settleClaims does with the claims of a deleted workspace what was decided at its last accepted build. In a namespace
// that is going, the namespace takes them.
func (r *Reconciler) settleClaims(ctx context.Context, s *scope) error {
	var namespace corev1.Namespace
	err := r.Get(ctx, client.ObjectKey{Name: s.workspace.Namespace}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && namespace.DeletionTimestamp != nil {
		return nil
	}
	claims, err := ownClaims(ctx, r.Live, &s.workspace, labelled)
	if err != nil {
		return err
	}
	for i := range claims {
		claim := &claims[i]
		if claim.DeletionTimestamp != nil {
			continue
		}
		if err := r.settle(ctx, s, claim); err != nil {
			return err
		}
	}
	return nil
}

// settle leaves one claim behind, keeps it for a while or for ever, or removes it. Whatever removes a claim first writes
// delete-after on it, by that very object's uid.
func (r *Reconciler) settle(ctx context.Context, s *scope, claim *corev1.PersistentVolumeClaim) error {
	deletion := s.workspace.Status.Deletion
	if deletion.Orphan {
		return r.release(ctx, claim)
	}
	memory, err := undelete(&s.workspace)
	if err != nil {
		return err
	}
	annotations := map[string]string{v1alpha1.AnnotationUndelete: memory}
	retain := claim.Annotations[v1alpha1.AnnotationWhenDeleted] == string(v1alpha1.WhenDeletedRetain)
	if !retain {
		until := deletion.StartedAt.Time
		if deletion.KeepClaimsUntil != nil {
			until = deletion.KeepClaimsUntil.Time
		}
		annotations[v1alpha1.AnnotationDeleteAfter] = until.UTC().Format(time.RFC3339)
	}
	if err := r.annotate(ctx, claim, annotations); err != nil {
		return err
	}
	if retain || deletion.KeepClaimsUntil != nil {
		return nil
	}
	if err := ignoreGone(r.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})); err != nil {
		return err
	}
	return forget(ctx, r.Client, r.Live, claim)
}

// annotate writes what is not there yet.
func (r *Reconciler) annotate(ctx context.Context, claim *corev1.PersistentVolumeClaim, want map[string]string) error {
	lacks := map[string]any{}
	for k, v := range want {
		if claim.Annotations[k] != v {
			lacks[k] = v
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return client.IgnoreNotFound(phase.MergePatch(ctx, r.Client, claim, map[string]any{"metadata": map[string]any{
		"uid": claim.UID, "annotations": lacks,
	}}))
}

// release makes a claim nobody's: its labels go into an annotation, so that nothing of ours finds it again.
func (r *Reconciler) release(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	taken, gone := map[string]string{}, map[string]any{}
	for _, label := range []string{v1alpha1.LabelManagedBy, v1alpha1.LabelID, v1alpha1.LabelVolume} {
		if value, there := claim.Labels[label]; there {
			taken[label], gone[label] = value, nil
		}
	}
	text, err := json.Marshal(taken)
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(phase.MergePatch(ctx, r.Client, claim, map[string]any{"metadata": map[string]any{
		"uid": claim.UID, "labels": gone, "annotations": map[string]any{v1alpha1.AnnotationOrphan: string(text)},
	}}))
}

// undelete is what bringing a workspace back needs: its name and its spec.
func undelete(w *v1alpha1.Workspace) (string, error) {
	text, err := json.Marshal(struct {
		Name string                 `json:"name"`
		Spec v1alpha1.WorkspaceSpec `json:"spec"`
	}{w.Name, w.Spec})
	return string(text), err
}

// ignoreGone drops the errors of an object that went, or that another took the place of.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// ignoreRefused drops the error of a creation that the cluster does not allow.
func ignoreRefused(err error) error {
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return nil
	}
	return err
}
