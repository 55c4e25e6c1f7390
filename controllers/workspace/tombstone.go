// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
)

const (
	// rememberedFor is how long a deleted workspace is remembered at least; longer where its claims are kept longer.
	rememberedFor = 7 * 24 * time.Hour
	// rememberedBuilds is how many of its builds are remembered.
	rememberedBuilds = 3
)

// tombstoneName is the name of the record of a deleted workspace: one for each Workspace object, as an id may be deleted
// again after it was brought back.
func tombstoneName(w *v1alpha1.Workspace) string {
	return w.Name[:min(len(w.Name), 200)] + "-" + string(w.UID)
}

// remember writes the record of the deletion before the workspace is let go, so that who follows it sees its end. A
// record that is there was written by a pass that went no further, and stays as it is. A namespace that takes no new objects goes with all
// that could be remembered.
func (r *Reconciler) remember(ctx context.Context, s *scope, record *v1alpha1.WorkspaceBuild) error {
	var namespace corev1.Namespace
	err := r.Get(ctx, client.ObjectKey{Name: s.workspace.Namespace}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || namespace.DeletionTimestamp != nil {
		return nil
	}
	var there v1alpha1.DeletedWorkspace
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: s.workspace.Namespace, Name: tombstoneName(&s.workspace)}, &there)
	if !apierrors.IsNotFound(err) {
		return err
	}
	tombstone, err := r.tombstone(ctx, s, record)
	if err != nil {
		return err
	}
	err = r.Create(ctx, tombstone, phase.Owner)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return ignoreRefused(err)
}

// tombstone is the record as it is made now.
func (r *Reconciler) tombstone(ctx context.Context, s *scope, record *v1alpha1.WorkspaceBuild) (*v1alpha1.DeletedWorkspace, error) {
	w := s.workspace.DeepCopy()
	plain(w)
	w.Finalizers = nil
	w.Status.Build = &v1alpha1.AcceptedBuild{
		UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(record.Name), UID: record.UID}, Number: record.Spec.Number,
	}
	last, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	deletion, expires := w.Status.Deletion, s.now.Add(rememberedFor)
	spec := v1alpha1.DeletedWorkspaceSpec{
		ID: v1alpha1.ID(ledger.ID(w)), Name: w.WireName(), ObjectName: v1alpha1.ObjectName(w.Name), UID: string(w.UID),
		Owner: w.Spec.Owner, TemplateRef: w.Spec.TemplateRef, Orphan: deletion.Orphan,
		DeletedAt: stamp(s.now), Workspace: runtime.RawExtension{Raw: last},
	}
	if until := deletion.KeepClaimsUntil; until != nil {
		spec.KeepClaimsUntil = stamp(until.Time)
		expires = later(expires, until.Time)
	}
	spec.ExpiresAt = stamp(expires)
	for _, v := range w.Status.Volumes {
		if deletion.Orphan || deletion.KeepClaimsUntil != nil || v.WhenDeleted == v1alpha1.WhenDeletedRetain {
			spec.Volumes = append(spec.Volumes, v)
		}
	}
	if spec.Builds, err = r.lastBuilds(ctx, s, record); err != nil {
		return nil, err
	}
	at := metav1.NewTime(s.now.Truncate(time.Second))
	return &v1alpha1.DeletedWorkspace{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Namespace, Name: tombstoneName(w),
			Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelID: ledger.ID(w)},
		},
		Spec: spec,
		Status: v1alpha1.DeletedWorkspaceStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonKept, ObservedGeneration: 1,
			LastTransitionTime: at, Message: "the record is kept until " + spec.ExpiresAt,
		}}},
	}, nil
}

// lastBuilds are the builds that are remembered, the deletion's the first.
func (r *Reconciler) lastBuilds(ctx context.Context, s *scope, record *v1alpha1.WorkspaceBuild) ([]v1alpha1.DeletedBuild, error) {
	builds := []*v1alpha1.WorkspaceBuild{record}
	older := slices.DeleteFunc(slices.Clone(s.builds), func(b *v1alpha1.WorkspaceBuild) bool { return b.Spec.Number >= record.Spec.Number })
	slices.SortFunc(older, func(a, b *v1alpha1.WorkspaceBuild) int { return int(b.Spec.Number - a.Spec.Number) })
	builds = append(builds, older...)
	var kept []v1alpha1.DeletedBuild
	for _, b := range builds[:min(len(builds), rememberedBuilds)] {
		b, err := r.told(ctx, b)
		if err != nil {
			return nil, err
		}
		plain(b)
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		kept = append(kept, v1alpha1.DeletedBuild{Number: b.Spec.Number, Build: runtime.RawExtension{Raw: text}})
	}
	return kept, nil
}

// told is a build with its log, which the cache leaves out once the build has ended.
func (r *Reconciler) told(ctx context.Context, b *v1alpha1.WorkspaceBuild) (*v1alpha1.WorkspaceBuild, error) {
	if !b.Phase().Ended() || len(b.Status.Log) > 0 || b.UID == "" {
		return b.DeepCopy(), nil
	}
	var live v1alpha1.WorkspaceBuild
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(b), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if err != nil || live.UID != b.UID {
		return b.DeepCopy(), nil // a collector has taken it
	}
	return &live, nil
}

// plain takes off what nobody needs to read an object later.
func plain(o client.Object) {
	o.SetManagedFields(nil)
	annotations := o.GetAnnotations()
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	o.SetAnnotations(annotations)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// revive has a workspace that was brought back go on where its record ended: a build's id follows from the workspace's and
// its number, and those of the earlier life are remembered. Only an object that is made with an id can be one.
func (r *Reconciler) revive(ctx context.Context, s *scope) error {
	w := &s.workspace
	if w.Status.Build != nil || len(s.builds) > 0 || string(w.Spec.ID) == string(w.UID) || w.LastBuild() > 0 {
		return nil
	}
	var records v1alpha1.DeletedWorkspaceList
	err := r.List(ctx, &records, client.InNamespace(w.Namespace), client.MatchingFields{index.ID: ledger.ID(w)})
	if err != nil {
		return err
	}
	var last int64
	for _, d := range records.Items {
		for _, b := range d.Spec.Builds {
			last = max(last, b.Number)
		}
	}
	if last == 0 {
		return nil
	}
	s.moved = true
	err = phase.MergePatch(ctx, r.Client, w, map[string]any{"metadata": map[string]any{
		"uid": w.UID, "resourceVersion": w.ResourceVersion, "annotations": map[string]any{v1alpha1.AnnotationLastBuild: strconv.FormatInt(last, 10)},
	}})
	if err == nil {
		err = phase.Wait(0, v1alpha1.ReasonProgressing, "the workspace was brought back")
	}
	return err
}
