// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// Build shows one build of a workspace. Where the parts hold none, it shows the build that is coming, under the id that
// it will have; where the workspace is going and no build says so, the deletion.
func Build(p WorkspaceParts, now time.Time) codersdk.WorkspaceBuild {
	b := buildOf(p)
	w := p.Workspace
	id := ids.Build(ids.Of(w), b.Spec.Number)
	created := v1alpha1.CreatedAt(b)
	j := job(id, created, buildJob(b, p.Begun), p.Version)
	if j.Status == codersdk.ProvisionerJobPending {
		j.QueuePosition, j.QueueSize = p.QueuePosition, p.QueueSize
	}
	transition := wireTransition(b.Spec.Transition)
	shown := codersdk.WorkspaceBuild{
		ID:                      id,
		CreatedAt:               created,
		UpdatedAt:               lastChange(j),
		WorkspaceID:             ids.Of(w),
		WorkspaceName:           w.WireName(),
		WorkspaceOwnerID:        ids.Of(p.Owner),
		WorkspaceOwnerName:      p.Owner.WireName(),
		WorkspaceOwnerAvatarURL: p.Owner.Spec.AvatarURL,
		BuildNumber:             b.Spec.Number,
		Transition:              transition,
		Job:                     j,
		Reason:                  wireReason(b.Spec.Reason),
		Status:                  status(j.Status, transition),
	}
	shown.TemplateVersionID, shown.TemplateVersionName = version(p, b)
	shown.InitiatorID, shown.InitiatorName = initiator(p, b)
	shown.Resources = resources(p, b, shown, now)
	for _, r := range shown.Resources {
		shown.DailyCost += r.DailyCost
	}
	if shown.Status == codersdk.WorkspaceStatusRunning && accepted(p, b) {
		shown.Deadline, shown.MaxDeadline = deadlines(p, b)
	}
	return shown
}

// accepted tells whether the build is the one that the workspace is held to.
func accepted(p WorkspaceParts, b *v1alpha1.WorkspaceBuild) bool {
	held := p.Workspace.Status.Build
	return held != nil && held.Number == b.Spec.Number
}

// buildOf is the build of the parts, or the one that the workspace's state tells of.
func buildOf(p WorkspaceParts) *v1alpha1.WorkspaceBuild {
	w := p.Workspace
	switch {
	case p.Build == nil:
		b := comingBuild(w, comingNumber(w))
		b.CreationTimestamp, b.Annotations = w.CreationTimestamp, w.Annotations
		return b
	case w.DeletionTimestamp != nil && p.Build.Spec.Transition != v1alpha1.TransitionDelete && accepted(p, p.Build):
		b := comingBuild(w, p.Build.Spec.Number+1)
		b.CreationTimestamp = *w.DeletionTimestamp
		return b
	}
	return p.Build
}

// comingNumber is the number of the build that a workspace without builds shows.
func comingNumber(w *v1alpha1.Workspace) int64 {
	if w.Status.Build == nil {
		return w.LastBuild() + 1
	}
	return w.Status.Build.Number
}

// comingBuild is what a workspace's own status says of a build that has no object: it is yet to be made, or it was
// removed by hand.
func comingBuild(w *v1alpha1.Workspace, number int64) *v1alpha1.WorkspaceBuild {
	b := &v1alpha1.WorkspaceBuild{Spec: v1alpha1.WorkspaceBuildSpec{
		Number: number, Transition: v1alpha1.TransitionStart, Reason: v1alpha1.BuildReasonInitiator,
	}}
	phase := v1alpha1.JobPending
	switch w.Status.Phase {
	case v1alpha1.PhaseStarting:
		phase = v1alpha1.JobRunning
	case v1alpha1.PhaseRunning:
		phase = v1alpha1.JobSucceeded
	case v1alpha1.PhaseFailed:
		phase = v1alpha1.JobFailed
	case v1alpha1.PhaseStopping:
		b.Spec.Transition, phase = v1alpha1.TransitionStop, v1alpha1.JobRunning
	case v1alpha1.PhaseStopped:
		b.Spec.Transition, phase = v1alpha1.TransitionStop, v1alpha1.JobSucceeded
	}
	if w.DeletionTimestamp != nil {
		b.Spec.Transition, phase = v1alpha1.TransitionDelete, v1alpha1.JobRunning
	}
	b.Status.Job = &v1alpha1.Job{Phase: phase}
	if phase != v1alpha1.JobPending {
		b.Status.Job.StartedAt = firstTime(w.DeletionTimestamp, &w.CreationTimestamp)
	}
	if phase.Ended() {
		b.Status.Job.CompletedAt = b.Status.Job.StartedAt
	}
	return b
}

func firstTime(of ...*metav1.Time) *metav1.Time {
	for _, t := range of {
		if t != nil {
			return t
		}
	}
	return nil
}

// buildJob is how far a build is. A status that a restore has dropped is told by the annotation; a wish to cancel shows
// before the manager has seen it, and so does that it is begun.
func buildJob(b *v1alpha1.WorkspaceBuild, begun bool) v1alpha1.Job {
	j := v1alpha1.Job{Phase: v1alpha1.JobPending}
	if b.Status.Job != nil {
		j = *b.Status.Job
	} else if outcome := v1alpha1.JobPhase(b.Annotations[v1alpha1.AnnotationOutcome]); outcome.Ended() {
		created := metav1.NewTime(v1alpha1.CreatedAt(b))
		j = v1alpha1.Job{Phase: outcome, StartedAt: &created, CompletedAt: &created}
	} else if begun {
		created := metav1.NewTime(v1alpha1.CreatedAt(b))
		j = v1alpha1.Job{Phase: v1alpha1.JobRunning, StartedAt: &created}
	}
	if c := b.Spec.Cancel; c != nil {
		if at, err := time.Parse(time.RFC3339Nano, c.RequestedAt); err == nil && j.CanceledAt == nil {
			asked := metav1.NewTime(at)
			j.CanceledAt = &asked
		}
		if !j.Phase.Ended() {
			j.Phase = v1alpha1.JobCanceling
		}
	}
	return j
}

// lastChange is the newest of a job's times.
func lastChange(j codersdk.ProvisionerJob) time.Time {
	last := j.CreatedAt
	for _, t := range []*time.Time{j.StartedAt, j.CanceledAt, j.CompletedAt} {
		if t != nil && t.After(last) {
			last = *t
		}
	}
	return last
}

// status is the one word for a job with its transition.
func status(j codersdk.ProvisionerJobStatus, t codersdk.WorkspaceTransition) codersdk.WorkspaceStatus {
	type words struct{ running, succeeded codersdk.WorkspaceStatus }
	of := map[codersdk.WorkspaceTransition]words{
		codersdk.WorkspaceTransitionStart:  {codersdk.WorkspaceStatusStarting, codersdk.WorkspaceStatusRunning},
		codersdk.WorkspaceTransitionStop:   {codersdk.WorkspaceStatusStopping, codersdk.WorkspaceStatusStopped},
		codersdk.WorkspaceTransitionDelete: {codersdk.WorkspaceStatusDeleting, codersdk.WorkspaceStatusDeleted},
	}[t]
	switch j {
	case codersdk.ProvisionerJobRunning:
		return of.running
	case codersdk.ProvisionerJobSucceeded:
		return of.succeeded
	case codersdk.ProvisionerJobFailed:
		return codersdk.WorkspaceStatusFailed
	case codersdk.ProvisionerJobCanceling:
		return codersdk.WorkspaceStatusCanceling
	case codersdk.ProvisionerJobCanceled:
		return codersdk.WorkspaceStatusCanceled
	}
	return codersdk.WorkspaceStatusPending
}

func wireTransition(t v1alpha1.Transition) codersdk.WorkspaceTransition {
	switch t {
	case v1alpha1.TransitionStop:
		return codersdk.WorkspaceTransitionStop
	case v1alpha1.TransitionDelete:
		return codersdk.WorkspaceTransitionDelete
	}
	return codersdk.WorkspaceTransitionStart
}

// wireReason is the nearest of the three causes that clients know.
func wireReason(r v1alpha1.BuildReason) codersdk.BuildReason {
	switch r {
	case v1alpha1.BuildReasonAutostart:
		return codersdk.BuildReasonAutostart
	case v1alpha1.BuildReasonAutostop, v1alpha1.BuildReasonDormancy, v1alpha1.BuildReasonFailure:
		return codersdk.BuildReasonAutostop
	}
	return codersdk.BuildReasonInitiator
}

// version names the build's version, also when it is gone.
func version(p WorkspaceParts, b *v1alpha1.WorkspaceBuild) (uuid.UUID, string) {
	if p.Version != nil {
		return ids.Of(p.Version), p.Version.WireName()
	}
	if ref := b.Spec.VersionRef; ref != nil {
		id, err := uuid.Parse(string(ref.UID))
		if err == nil {
			return id, string(ref.Name)
		}
	}
	return uuid.Nil, ""
}

// initiator is who asked for the build: the owner where it was the manager, by a schedule or a manifest.
func initiator(p WorkspaceParts, b *v1alpha1.WorkspaceBuild) (uuid.UUID, string) {
	if id, err := uuid.Parse(b.Spec.Initiator.ID); err == nil {
		return id, b.Spec.Initiator.Name
	}
	if name := b.Spec.Initiator.Name; name != "" && name != v1alpha1.InitiatorSystem {
		return kubernetesID, name // who is no User
	}
	return ids.Of(p.Owner), p.Owner.WireName()
}
