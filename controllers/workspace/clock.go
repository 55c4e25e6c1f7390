// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/schedule"
)

// rules are what the workspace's times follow from, as far as template and owner are there.
func (s *scope) rules() schedule.Rules {
	var rules schedule.Rules
	if s.template != nil {
		rules.Lifecycle = s.template.Spec.Lifecycle
	}
	if s.owner != nil {
		rules.QuietHours = s.owner.Spec.QuietHours
	}
	return rules
}

// sleep makes the workspace dormant. The mark is an annotation: neither spec, which is git's, nor status, which a restore
// drops.
func (r *Reconciler) sleep(ctx context.Context, s *scope) error {
	return r.markDormant(ctx, s, s.now.UTC().Format(time.RFC3339Nano))
}

// wake takes the mark away.
func (r *Reconciler) wake(ctx context.Context, s *scope) error { return r.markDormant(ctx, s, nil) }

// markDormant writes the mark at the resourceVersion that the decision was read at: whoever used or woke the workspace in
// between is right.
func (r *Reconciler) markDormant(ctx context.Context, s *scope, since any) error {
	err := phase.MergePatch(ctx, r.Client, &s.workspace, map[string]any{"metadata": map[string]any{
		"uid": s.workspace.UID, "resourceVersion": s.workspace.ResourceVersion,
		"annotations": map[string]any{v1alpha1.AnnotationDormantSince: since},
	}})
	return decideAnew(client.IgnoreNotFound(err))
}

// expire deletes a dormant workspace whose time is over, as it was when that was decided. Its claims are kept as those of
// any other.
func (r *Reconciler) expire(ctx context.Context, s *scope) error {
	err := r.Delete(ctx, &s.workspace, client.PropagationPolicy("Background"),
		client.Preconditions{UID: &s.workspace.UID, ResourceVersion: &s.workspace.ResourceVersion})
	return decideAnew(client.IgnoreNotFound(err))
}

// decideAnew has a decision made again that met a workspace that has changed.
func decideAnew(err error) error {
	if apierrors.IsConflict(err) {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "the workspace has changed; deciding anew")
	}
	return err
}

// dormant says that the workspace is left alone, and how it is woken.
func (s *scope) dormant(conditions *[]metav1.Condition, generation int64) {
	since := schedule.DormantSince(&s.workspace)
	if since.IsZero() {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionDormant)
		return
	}
	message := "dormant since " + since.Format(time.RFC3339) + "; starting it wakes it"
	if at := schedule.DeletingAt(&s.workspace, s.rules().Lifecycle); !at.IsZero() {
		message += ", else it is deleted at " + at.Format(time.RFC3339)
	}
	phase.Set(conditions, generation, v1alpha1.ConditionDormant, metav1.ConditionTrue, v1alpha1.ReasonNotUsed, message, s.now)
}

// forbidden says which words of the manifest its template forbids, so that they are not acted on.
func (s *scope) forbidden(conditions *[]metav1.Condition, generation int64) {
	lifecycle := s.rules().Lifecycle
	if lifecycle == nil {
		return
	}
	var fields []string
	if s.workspace.Spec.Autostart != nil && lifecycle.UserAutostart == v1alpha1.PermissionForbid {
		fields = append(fields, "spec.autostart")
	}
	if s.workspace.Spec.Autostop != nil && lifecycle.UserAutostop == v1alpha1.PermissionForbid {
		fields = append(fields, "spec.autostop")
	}
	if len(fields) > 0 {
		phase.Set(conditions, generation, v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotAllowed,
			"the template forbids it, so it is not acted on: "+strings.Join(fields, ", "), s.now)
	}
}

// newer is the active version that the workspace does not take; empty where it has it, or takes it with its next start.
func (s *scope) newer() string {
	if s.template == nil || s.template.Status.ActiveVersion == nil || s.template.Status.ActiveVersion.UID == s.start.Version.UID {
		return ""
	}
	return string(s.template.Status.ActiveVersion.Name)
}

// held says what keeps the workspace at its version.
func (s *scope) held() string {
	if s.workspace.Spec.VersionRef != nil {
		return "spec.versionRef names it"
	}
	return "spec.updates is Manual"
}
