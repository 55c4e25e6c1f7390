// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/story"
)

// delete carries out a deletion, whichever way it was asked for. How far it is stands in status.deletion; a delete build
// is a record of it, made where one can be. Nothing that is missing stops it: not a template, an owner, a version or an
// organization, and neither a namespace that takes no new objects nor a collector that takes builds and pods at once.
func (r *Reconciler) delete(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !slices.Contains(s.workspace.Finalizers, v1alpha1.FinalizerWorkspace) {
		return ctrl.Result{}, nil
	}
	outcome := phase.Run(ctx, s, r.observe, r.sentenced, r.mark, r.begin, r.endPods, r.settleClaims, r.close)
	if s.moved {
		return phase.Result(outcome)
	}
	after := s.workspace.DeepCopy()
	s.goes(&after.Status, outcome)
	if err := r.say(ctx, s, after); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, &s.workspace, after)
	return phase.At(s.again(), outcome)
}

// goes has a status say that the workspace is being deleted, and what that waits for.
func (s *scope) goes(status *v1alpha1.WorkspaceStatus, outcome error) {
	generation := s.workspace.Generation
	status.ObservedGeneration, status.Phase = generation, v1alpha1.PhaseDeleting
	status.Pod, status.Agents = nil, nil
	if len(s.pods) > 0 {
		status.Pod = &v1alpha1.PodStatus{Name: s.pods[0].Name, UID: s.pods[0].UID, Node: s.pods[0].Spec.NodeName}
	}
	phase.Set(&status.Conditions, generation, v1alpha1.ConditionRunning, metav1.ConditionFalse,
		v1alpha1.ReasonDeleting, "the workspace is being deleted", s.now)
	status.Conditions = phase.Conclude(status.Conditions, generation, outcome, phase.Ready{}, s.now)
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = generation
	}
}

// sentenced accepts the deletion with one Update, which cancels every start by the same write: from it on no pod is made
// for the workspace. Where it can, it makes and accepts a delete build along with it. What the next pass waits for is said
// in the same write.
func (r *Reconciler) sentenced(ctx context.Context, s *scope) error {
	orphan, err := r.orphaned(ctx, s)
	if err != nil {
		return err
	}
	d := s.workspace.Status.Deletion
	if d != nil && (d.Orphan || !orphan) {
		return nil
	}
	r.templateIfThere(ctx, s)
	record, err := r.recordOf(ctx, s, orphan)
	if err != nil {
		return err
	}
	accepted := phase.Wait(0, v1alpha1.ReasonDeleting, "the deletion was accepted")
	after := s.workspace.DeepCopy()
	s.moved = true
	err = r.write(ctx, s, func(status *v1alpha1.WorkspaceStatus) {
		status.Deletion = s.sentence(orphan)
		if d != nil {
			status.Deletion.StartedAt = d.StartedAt
		}
		status.Schedule = nil
		if record != nil {
			status.Build = &v1alpha1.AcceptedBuild{
				UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(record.Name), UID: record.UID}, Number: record.Spec.Number,
			}
		}
		s.goes(status, cmp.Or(s.ending(), accepted))
		after.Status = *status
	})
	if err != nil {
		return err
	}
	phase.Announce(r.Events, &s.workspace, after)
	return accepted
}

// sentence is a deletion as it is accepted now.
func (s *scope) sentence(orphan bool) *v1alpha1.DeletionStatus {
	at := metav1.NewTime(s.now.Truncate(time.Second))
	d := &v1alpha1.DeletionStatus{StartedAt: at, Orphan: orphan}
	if keep := s.keepDeletedFor(); keep > 0 && !orphan {
		d.KeepClaimsUntil = &metav1.Time{Time: at.Add(keep)}
	}
	return d
}

// keepDeletedFor is how long the claims are kept: as the claims recorded it at the last accepted build, else as the
// template says now, else a week.
func (s *scope) keepDeletedFor() time.Duration {
	for _, c := range s.claims {
		if text := c.Annotations[v1alpha1.AnnotationKeepDeletedFor]; text != "" {
			return ledger.KeepDeletedFor(&v1alpha1.Lifecycle{KeepDeletedFor: v1alpha1.Duration(text)})
		}
	}
	if s.template != nil {
		return ledger.KeepDeletedFor(s.template.Spec.Lifecycle)
	}
	return ledger.DefaultKeepDeletedFor
}

// templateIfThere reads the template where it can be read.
func (r *Reconciler) templateIfThere(ctx context.Context, s *scope) {
	organization, err := phase.Organization(ctx, r, &s.workspace, "Workspace")
	if err != nil {
		return
	}
	var template v1alpha1.Template
	ref := s.workspace.Spec.TemplateRef
	key := client.ObjectKey{Namespace: ref.Home(organization.Name), Name: string(ref.Name)}
	if r.Get(ctx, key, &template) == nil && policy.Counts(&template, &s.workspace, organization.Name) {
		s.template = &template
	}
}

// orphaned tells whether the claims are to be left behind: an accepted delete build says so, or the deletion was asked
// for with --cascade=orphan. That one leaves a finalizer, which the collector takes away once it has stripped the owner
// from what the workspace owns, and then the stripped builds tell: all of them are, so one that is not says that none is.
func (r *Reconciler) orphaned(ctx context.Context, s *scope) (bool, error) {
	if d := s.workspace.Status.Deletion; d != nil && d.Orphan || slices.Contains(s.workspace.Finalizers, metav1.FinalizerOrphanDependents) {
		return true, nil
	}
	if s.workspace.Status.Deletion != nil {
		return false, nil
	}
	if held := s.workspace.Status.Build; held != nil {
		var one v1alpha1.WorkspaceBuild
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.workspace.Namespace, Name: string(held.Name)}, &one)
		if err == nil && one.Spec.WorkspaceRef.UID == s.workspace.UID && ledger.Owns(&s.workspace, &one) {
			return false, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
	}
	var live v1alpha1.WorkspaceBuildList
	err := r.Live.List(ctx, &live, client.InNamespace(s.workspace.Namespace), client.MatchingLabels{v1alpha1.LabelID: ledger.ID(&s.workspace)})
	if err != nil {
		return false, err
	}
	stripped := false
	for _, b := range live.Items {
		if b.Spec.WorkspaceRef.UID != s.workspace.UID {
			continue
		}
		if ledger.Owns(&s.workspace, &b) {
			return false, nil
		}
		stripped = true
	}
	return stripped, nil
}

// recordOf gives the delete build that records the deletion: one that was asked for, or a new one. It is nil where none
// can be made: under foreground deletion the collector would take it at once, and a terminating namespace refuses it.
func (r *Reconciler) recordOf(ctx context.Context, s *scope, orphan bool) (*v1alpha1.WorkspaceBuild, error) {
	if s.accepted != nil && s.accepted.Spec.Transition == v1alpha1.TransitionDelete {
		return s.accepted, nil
	}
	for _, b := range s.builds {
		if b.Spec.Transition == v1alpha1.TransitionDelete && ledger.InProgress(b) && !ledger.Superseded(&s.workspace, b) {
			return b, nil
		}
	}
	var namespace corev1.Namespace
	err := r.Get(ctx, client.ObjectKey{Name: s.workspace.Namespace}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if err != nil || namespace.DeletionTimestamp != nil || slices.Contains(s.workspace.Finalizers, metav1.FinalizerDeleteDependents) || orphan {
		return nil, nil
	}
	build := r.build(s, ledger.DeleteBuild(&s.workspace, s.builds))
	err = r.Create(ctx, build, phase.Owner)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			build = nil
		}
		return build, ignoreRefused(err)
	}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(build), build); err != nil {
		return nil, err
	}
	switch {
	case build.Spec.WorkspaceRef.UID != s.workspace.UID:
		return nil, nil // of an earlier workspace of the name; the deletion goes on without a record
	case build.Spec.Transition != v1alpha1.TransitionDelete:
		s.moved = true
		return nil, phase.Wait(behind, v1alpha1.ReasonDeleting, "build %s has come in between; deciding anew", build.Name)
	}
	return build, nil
}

// endPods ends every pod of the workspace and waits until they are gone: nothing may hold a claim when it is removed. The
// cache may not know the last one yet, made just before the deletion was accepted, so its end is looked at live, by the one
// name that a new pod can have.
func (r *Reconciler) endPods(ctx context.Context, s *scope) error {
	if len(s.pods) == 0 {
		last, err := r.lastPod(ctx, s)
		if err != nil {
			return err
		}
		s.pods = last
	}
	for i := range s.pods {
		pod := &s.pods[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		if err := client.IgnoreNotFound(r.Delete(ctx, pod, client.Preconditions{UID: &pod.UID})); err != nil {
			return err
		}
	}
	return s.ending()
}

// lastPod is the workspace's own pod past the cache.
func (r *Reconciler) lastPod(ctx context.Context, s *scope) ([]corev1.Pod, error) {
	var pod corev1.Pod
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.workspace.Namespace, Name: render.PodName(&s.workspace)}, &pod)
	if err != nil || !ledger.OwnsPod(&s.workspace, &pod) {
		return nil, client.IgnoreNotFound(err)
	}
	return []corev1.Pod{pod}, nil
}

// ending is what the deletion waits for while there are pods; nil when there are none.
func (s *scope) ending() error {
	if len(s.pods) == 0 {
		return nil
	}
	return phase.Wait(lingering, v1alpha1.ReasonDeleting, "pod %s is ending", s.pods[0].Name)
}

// lingering is how soon a pod that is ending is looked at again where no event comes.
const lingering = 10 * time.Second

// begin has the delete build at work while pods end, so that who follows it sees that it goes on. Pods that end within a
// moment need no such word, so that it waits as a start's does.
func (r *Reconciler) begin(ctx context.Context, s *scope) error {
	b := s.accepted
	if b == nil || b.Spec.Transition != v1alpha1.TransitionDelete || b.Status.Job != nil || len(s.pods) == 0 || !ledger.InProgress(b) {
		return nil
	}
	if told := v1alpha1.CreatedAt(b).Add(r.Brief); s.now.Before(told) && told.Sub(s.now) <= r.Brief {
		s.until = told
		return nil
	}
	after := b.DeepCopy()
	status, started := &after.Status, s.workspace.Status.Deletion.StartedAt
	status.Job = &v1alpha1.Job{Phase: v1alpha1.JobRunning, StartedAt: &started}
	status.ObservedGeneration = after.Generation
	status.Conditions = phase.Conclude(status.Conditions, after.Generation,
		phase.Wait(0, v1alpha1.ReasonDeleting, "the workspace is being deleted"), phase.Ready{}, s.now)
	status.Log = joblog.Append(status.Log, story.Tell(story.Scene{Build: after, Pods: s.pods, Now: s.now})...)
	_, err := phase.ApplyStatus(ctx, r.Client, b, after)
	return client.IgnoreNotFound(err)
}

// close ends the delete build, leaves a record of the workspace, and lets it go. What a collector will not take, since its
// owner was stripped off, is removed here.
func (r *Reconciler) close(ctx context.Context, s *scope) error {
	record, err := r.ended(ctx, s)
	if err != nil {
		return err
	}
	if err := r.remember(ctx, s, record); err != nil {
		return err
	}
	for _, b := range s.builds {
		if s.workspace.Status.Deletion.Orphan || !ledger.Owns(&s.workspace, b) {
			if err := client.IgnoreNotFound(r.Delete(ctx, b, client.Preconditions{UID: &b.UID})); err != nil {
				return err
			}
		}
	}
	s.moved = true
	return phase.RemoveFinalizer(ctx, r.Client, &s.workspace, v1alpha1.FinalizerWorkspace)
}

// ended is the delete build as it ended. Where none could be made, or a collector has taken it, it is what the build would
// have been: no object of the cluster, and remembered all the same.
func (r *Reconciler) ended(ctx context.Context, s *scope) (*v1alpha1.WorkspaceBuild, error) {
	for _, b := range s.builds {
		switch {
		case !ledger.IsAccepted(&s.workspace, b) || b.Spec.Transition != v1alpha1.TransitionDelete:
		case ledger.InProgress(b):
			return r.succeed(ctx, b, s)
		default:
			return b, nil
		}
	}
	never := r.build(s, ledger.DeleteBuild(&s.workspace, s.builds))
	unrecorded := s.workspace.Status.Deletion.Orphan || slices.Contains(s.workspace.Finalizers, metav1.FinalizerDeleteDependents)
	if held := s.workspace.Status.Build; held != nil && s.accepted == nil && !unrecorded {
		never.Spec.Number = held.Number // it was the deletion's, and somebody has removed it
		never.Name = ledger.Name(s.workspace.Name, held.Number)
	}
	never.CreationTimestamp = s.workspace.Status.Deletion.StartedAt
	s.succeeded(never)
	return never, nil
}

// succeed ends the delete build.
func (r *Reconciler) succeed(ctx context.Context, b *v1alpha1.WorkspaceBuild, s *scope) (*v1alpha1.WorkspaceBuild, error) {
	after := b.DeepCopy()
	s.succeeded(after)
	if _, err := phase.ApplyStatus(ctx, r.Client, b, after); err != nil {
		return after, client.IgnoreNotFound(err)
	}
	return after, phase.Record(ctx, r.Client, after)
}

// succeeded makes a delete build one that has ended well.
func (s *scope) succeeded(b *v1alpha1.WorkspaceBuild) {
	status := &b.Status
	started, at := s.workspace.Status.Deletion.StartedAt, metav1.NewTime(s.now.Truncate(time.Second))
	status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: &started, CompletedAt: &at}
	status.ObservedGeneration = b.Generation
	status.Took = at.Sub(started.Time).Round(time.Second).String()
	status.Conditions = phase.Conclude(status.Conditions, b.Generation, nil,
		phase.Ready{Reason: v1alpha1.ReasonSucceeded, Message: "the workspace was deleted"}, s.now)
	status.Log = joblog.Append(status.Log, story.Tell(story.Scene{Build: b, Also: s.farewell(), Now: s.now})...)
}

// farewell says what became of the claims.
func (s *scope) farewell() []joblog.Entry {
	deletion := s.workspace.Status.Deletion
	var entries []joblog.Entry
	for _, c := range s.claims {
		volume := c.Labels[v1alpha1.LabelVolume]
		what := "is removed"
		switch {
		case deletion.Orphan:
			what = "is left behind, unlabelled"
		case c.Annotations[v1alpha1.AnnotationWhenDeleted] == string(v1alpha1.WhenDeletedRetain):
			what = "is kept for good"
		case deletion.KeepClaimsUntil != nil:
			what = "is kept until " + stamp(deletion.KeepClaimsUntil.Time)
		}
		entries = append(entries, joblog.Entryf(s.now, story.Cleaning, "claim/"+string(c.UID), "Volume %s: claim %s %s.", volume, c.Name, what))
	}
	return entries
}
