// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/warm"
)

// longestMessage is in bytes.
const longestMessage = 1024

// act removes what is not wanted and makes what is missing. What is missing is asked of the live cluster once more, as the
// cache may not have seen what the last pass made.
func (r *Reconciler) act(ctx context.Context, s *scope) error {
	for _, slot := range s.plan.End {
		// at the version that was read: one that is claimed meanwhile is not the pool's to remove
		err := r.Delete(ctx, slot, client.Preconditions{UID: &slot.UID, ResourceVersion: &slot.ResourceVersion})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	if s.plan.Make == 0 {
		return nil
	}
	var live v1alpha1.WarmWorkspaceList
	err := r.Live.List(ctx, &live, client.InNamespace(s.template.Namespace), client.MatchingFields{index.Template: s.template.Name})
	if err != nil {
		return err
	}
	sure := warm.For(live.Items, s.make, s.now)
	for range min(s.plan.Make, sure.Make) {
		if err := r.Create(ctx, s.slot(), phase.Owner); err != nil {
			return fmt.Errorf("making a prepared workspace: %w", err)
		}
		s.plan.Preparing++
	}
	return nil
}

// slot is a prepared workspace as it is made. It goes with its Template until it is claimed.
func (s *scope) slot() *v1alpha1.WarmWorkspace {
	t := &s.template
	slot := &v1alpha1.WarmWorkspace{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: t.Namespace, Name: slotName(t.Name),
			Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			Annotations: map[string]string{
				v1alpha1.AnnotationIntent:    s.make.Intent,
				v1alpha1.AnnotationCreatedAt: s.now.UTC().Format(time.RFC3339Nano),
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "Template", Name: t.Name, UID: t.UID,
				Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(false),
			}},
		},
		Spec: v1alpha1.WarmWorkspaceSpec{
			TemplateRef:  v1alpha1.NameReference{Name: v1alpha1.ObjectName(t.Name)},
			VersionRef:   v1alpha1.UIDReference{Name: v1alpha1.ObjectName(s.version.Name), UID: s.version.UID},
			Parameters:   s.parameters,
			ResolvedHash: s.make.Hash,
		},
	}
	if s.plan.Attempt > 0 {
		slot.Annotations[v1alpha1.AnnotationAttempt] = strconv.Itoa(s.plan.Attempt)
	}
	return slot
}

// slotName is a name that a pod can have too: a DNS label that begins with a letter, with room behind it.
func slotName(template string) string {
	const longest = 40
	stem := strings.ReplaceAll(template, ".", "-")
	if stem[0] < 'a' || stem[0] > 'z' {
		stem = "t-" + stem
	}
	return strings.TrimRight(stem[:min(len(stem), longest)], "-") + "-warm-" + rand.String(6)
}

// say writes how the pool stands, where that has changed, and tells people what newly stands in its way.
func (r *Reconciler) say(ctx context.Context, s *scope, outcome error) error {
	before := s.template.Status.WarmPool
	var after *v1alpha1.WarmPoolStatus
	if s.template.Spec.WarmPool != nil && s.template.DeletionTimestamp == nil {
		after = s.status(outcome)
	}
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	patch := map[string]any{"metadata": map[string]any{"uid": s.template.UID}, "status": map[string]any{"warmPool": whole(after)}}
	if err := phase.PatchStatus(ctx, r.Client, &s.template, patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	reason := v1alpha1.ReasonFailed
	if f, ok := fault.As(outcome); ok && f.Reason != "" {
		reason = f.Reason
	}
	if after != nil && after.Message != "" && decisive(outcome) && (before == nil || before.Message != after.Message) {
		r.Events.Eventf(&s.template, nil, corev1.EventTypeWarning, reason, "Prepare", "warm pool: %s", after.Message)
	}
	return nil
}

// whole is a status as a merge patch must hold it, in which what is absent would stay as it was.
func whole(status *v1alpha1.WarmPoolStatus) any {
	if status == nil {
		return nil
	}
	all := map[string]any{"wanted": status.Wanted, "ready": status.Ready, "preparing": status.Preparing, "message": nil}
	if status.Message != "" {
		all["message"] = status.Message
	}
	return all
}

// status is how the pool stands after a pass. One that came to no decision leaves the counts as they were.
func (s *scope) status(outcome error) *v1alpha1.WarmPoolStatus {
	status := &v1alpha1.WarmPoolStatus{Wanted: int32(s.size), Ready: int32(s.plan.Ready), Preparing: int32(s.plan.Preparing)}
	if was := s.template.Status.WarmPool; !decisive(outcome) && was != nil {
		status.Ready, status.Preparing = was.Ready, was.Preparing
	}
	switch {
	case outcome != nil:
		status.Message = outcome.Error()
	case s.plan.Failed != "":
		status.Message = s.plan.Failed
	}
	status.Message = phase.Shorten(status.Message, longestMessage)
	return status
}
