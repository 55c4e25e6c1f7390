// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/story"
)

// behind is how soon a pass is made again that found its cache behind the cluster.
const behind = time.Second

// maxError is the longest error of a job.
const maxError = 4096

// write changes the ledger's part of the status by an Update at the resourceVersion that the decision was read at. It
// is the one point of serialization: whatever happened to the workspace in between has it refused, and the decision is
// made anew.
func (r *Reconciler) write(ctx context.Context, s *scope, change func(*v1alpha1.WorkspaceStatus)) error {
	next := s.workspace.DeepCopy()
	change(&next.Status)
	err := r.Status().Update(ctx, next, phase.Owner)
	if apierrors.IsConflict(err) {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "the workspace has changed; deciding anew")
	}
	return err
}

// make makes the build that was decided on, and accepts it.
func (r *Reconciler) make(ctx context.Context, s *scope, d ledger.Decision) error {
	slot, err := r.slot(ctx, s, d.Spec)
	if err != nil {
		return err
	}
	build := r.build(s, d.Spec)
	build.Spec.Slot = slot
	if d.Wished {
		if build.Spec.Initiator, err = r.Requesters.Initiator(ctx, &s.workspace); err != nil {
			return err
		}
	}
	err = r.Create(ctx, build, phase.Owner)
	switch {
	case apierrors.IsAlreadyExists(err):
		if build, err = r.answer(ctx, s, d.Spec); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return r.take(ctx, s, build, d.Acted) // it is as the cluster has just answered
}

// build is a build as the manager makes it.
func (r *Reconciler) build(s *scope, spec *v1alpha1.WorkspaceBuildSpec) *v1alpha1.WorkspaceBuild {
	return &v1alpha1.WorkspaceBuild{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.workspace.Namespace, Name: ledger.Name(s.workspace.Name, spec.Number),
			Labels:          map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelID: ledger.ID(&s.workspace)},
			Annotations:     map[string]string{v1alpha1.AnnotationCreatedAt: s.now.UTC().Format(time.RFC3339Nano)},
			OwnerReferences: []metav1.OwnerReference{ledger.OwnerReference(&s.workspace)},
		},
		Spec: *spec,
	}
}

// answer reads the build that has the name already. One that says the same is what was to be made: its creation was
// committed and its reply lost, or another leader made it. A deletion that never deleted its own, earlier object is in the
// way and removed. Anything else is waited for.
func (r *Reconciler) answer(ctx context.Context, s *scope, spec *v1alpha1.WorkspaceBuildSpec) (*v1alpha1.WorkspaceBuild, error) {
	var there v1alpha1.WorkspaceBuild
	key := client.ObjectKey{Namespace: s.workspace.Namespace, Name: ledger.Name(s.workspace.Name, spec.Number)}
	if err := r.Live.Get(ctx, key, &there); err != nil {
		return nil, err
	}
	foreign := there.Spec.WorkspaceRef.UID != s.workspace.UID
	switch {
	case foreign && there.Spec.Transition == v1alpha1.TransitionDelete && ledger.Outcome(&there) != v1alpha1.JobSucceeded:
		return nil, r.clear(ctx, s, &there)
	case foreign:
		return nil, r.report(s, phase.Wait(5*time.Second, v1alpha1.ReasonProgressing, "build %s of an earlier workspace of the same name is "+
			"still there; if nothing collects it: kubectl delete workspacebuilds.berth.dev %s -n %s", there.Name, there.Name, there.Namespace))
	case ledger.Same(&there.Spec, spec) && ledger.InProgress(&there) && there.DeletionTimestamp == nil:
		return &there, nil
	}
	return nil, phase.Wait(behind, v1alpha1.ReasonProgressing, "build %s is there already; deciding anew", there.Name)
}

// clear removes a deletion of an earlier object, which counts for nothing and holds the number of the next build: left by a
// leader whose cache still showed that object, or by a backup. That the workspace is still the one of this pass is asked
// after the build was read, as to a leader of the past the present deletion would look like another object's.
func (r *Reconciler) clear(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild) error {
	var live v1alpha1.Workspace
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.workspace), &live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if live.UID == s.workspace.UID {
		if err := r.Delete(ctx, build, client.Preconditions{UID: &build.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return phase.Wait(behind, v1alpha1.ReasonProgressing, "build %s of an earlier workspace of the same name was in the way; deciding anew", build.Name)
}

// report has the outcome of a pass shown that wrote nothing after all.
func (r *Reconciler) report(s *scope, outcome error) error {
	s.moved = false
	return outcome
}

// accept takes a build that the cache shows. It is read live first, as it may have been refused or removed meanwhile.
func (r *Reconciler) accept(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild, acted *v1alpha1.Wish) error {
	var live v1alpha1.WorkspaceBuild
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(build), &live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || live.UID != build.UID || ledger.Outcome(&live) != ledger.Outcome(build) ||
		live.Spec.Cancel != nil && build.Spec.Cancel == nil {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "build %s has changed; deciding anew", build.Name)
	}
	return r.take(ctx, s, build, acted)
}

// take names the build in the status: from then on it is what the workspace is held to.
func (r *Reconciler) take(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild, acted *v1alpha1.Wish) error {
	var err error
	var version v1alpha1.TemplateVersion
	if ref := build.Spec.VersionRef; ref != nil {
		err := r.Get(ctx, s.ofTemplate(ref.Name), &version)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		foreign := err != nil || version.UID != ref.UID || version.Spec.TemplateRef == nil ||
			version.Spec.TemplateRef.Name != s.workspace.Spec.TemplateRef.Name
		if foreign && build.Spec.Transition == v1alpha1.TransitionStart && ledger.InProgress(build) {
			return r.fail(ctx, build, fault.On("spec.versionRef", "no version %s of template %s", ref.Name, s.workspace.Spec.TemplateRef.Name), s)
		}
	}
	var cost *int64
	if build.Spec.Transition == v1alpha1.TransitionStart && ledger.InProgress(build) {
		if cost, err = r.reserve(ctx, s, build); err != nil {
			if _, refused := fault.As(err); refused {
				return r.tooDear(ctx, s, build, err)
			}
			return err
		}
	}
	return r.write(ctx, s, func(status *v1alpha1.WorkspaceStatus) {
		status.Build = &v1alpha1.AcceptedBuild{
			UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(build.Name), UID: build.UID}, Number: build.Spec.Number,
			Transition: build.Spec.Transition, DailyCost: cost,
		}
		status.Acted = acted
		status.Schedule = ledger.Instants(&s.workspace, build, &version.Spec.Content, s.rules(), s.now)
		if build.Spec.Transition == v1alpha1.TransitionDelete {
			status.Deletion = s.sentence(build.Spec.Orphan)
		}
		s.shows(status, build)
	})
}

// discard removes a build that the manager made and does not want any more, after the live workspace has said that it
// was not accepted meanwhile.
func (r *Reconciler) discard(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild) error {
	var live v1alpha1.Workspace
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.workspace), &live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if live.ResourceVersion != s.workspace.ResourceVersion {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "the workspace has changed; deciding anew")
	}
	return client.IgnoreNotFound(r.Delete(ctx, build, client.Preconditions{UID: &build.UID}))
}

// fail ends a build that is not, or no longer, the accepted one.
func (r *Reconciler) fail(ctx context.Context, build *v1alpha1.WorkspaceBuild, why error, s *scope) error {
	after := build.DeepCopy()
	status := &after.Status
	if status.Job == nil {
		status.Job = &v1alpha1.Job{}
	}
	at := metav1.NewTime(s.now.Truncate(time.Second))
	status.Job.Phase, status.Job.CompletedAt, status.Job.Error = v1alpha1.JobFailed, &at, phase.Shorten(why.Error(), maxError)
	if f, ok := fault.As(why); ok && f.Reason == v1alpha1.ReasonCanceled {
		status.Job.Phase, status.Job.CanceledAt, status.Job.Error = v1alpha1.JobCanceled, &at, ""
	}
	status.ObservedGeneration, status.Stage = after.Generation, ""
	status.Conditions = phase.Conclude(status.Conditions, after.Generation, asFault(why), phase.Ready{}, s.now)
	status.Log = joblog.Append(status.Log, story.Tell(story.Scene{Build: after, Now: s.now})...)
	if _, err := phase.ApplyStatus(ctx, r.Client, build, after); err != nil {
		return client.IgnoreNotFound(err)
	}
	return phase.Record(ctx, r.Client, after)
}

// asFault has a refusal stall the build whose refusal it is, whatever it was to others.
func asFault(why error) error {
	f, ok := fault.As(why)
	if !ok {
		f = fault.New(fault.Conflict, "%s", fmt.Sprint(why))
	}
	if f.Reason == "" {
		f = f.Because(v1alpha1.ReasonFailed)
	}
	return f
}
