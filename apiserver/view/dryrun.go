// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// DryRunJob shows a dry run of a version.
func DryRunJob(d *v1alpha1.DryRun, v *v1alpha1.TemplateVersion) codersdk.ProvisionerJob {
	return job(ids.Of(d), v1alpha1.CreatedAt(d), asked(d.Status.Job, d.Spec.Cancel), v)
}

// DryRunResources shows what a start like the dry run would make.
func DryRunResources(d *v1alpha1.DryRun, v *v1alpha1.TemplateVersion) []codersdk.WorkspaceResource {
	return planned(ids.Of(d), v1alpha1.CreatedAt(d), DryRunJob(d, v), v, d.Status.Resources)
}

// VersionResources shows what a workspace of the version consists of.
func VersionResources(p VersionParts) []codersdk.WorkspaceResource {
	v := p.Version
	return planned(ids.Of(v), v1alpha1.CreatedAt(v), Version(p).Job, v, v.Status.Resources)
}

// planned shows resources that nobody has made: their agents are those of the version, and none has connected.
func planned(of uuid.UUID, created time.Time, j codersdk.ProvisionerJob, v *v1alpha1.TemplateVersion, resources []v1alpha1.BuildResource) []codersdk.WorkspaceResource {
	j.CompletedAt = nil // an agent that has not come is late only where one was started
	shown := codersdk.WorkspaceBuild{ID: of, CreatedAt: created, Job: j, Transition: codersdk.WorkspaceTransitionStart}
	parts := WorkspaceParts{Workspace: &v1alpha1.Workspace{}, Version: v}
	start := &v1alpha1.WorkspaceBuild{Spec: v1alpha1.WorkspaceBuildSpec{Transition: v1alpha1.TransitionStart}}
	all := make([]codersdk.WorkspaceResource, 0, len(resources))
	for _, r := range resources {
		all = append(all, resource(parts, start, r, shown, created))
	}
	return all
}

// asked is how far a job is, where somebody may have asked it to end early: that shows before the manager has seen it.
func asked(work *v1alpha1.Job, cancel *v1alpha1.BuildCancel) v1alpha1.Job {
	j := v1alpha1.Job{Phase: v1alpha1.JobPending}
	if work != nil {
		j = *work
	}
	if cancel == nil {
		return j
	}
	if at, err := time.Parse(time.RFC3339Nano, cancel.RequestedAt); err == nil && j.CanceledAt == nil {
		when := metav1.NewTime(at)
		j.CanceledAt = &when
	}
	if !j.Phase.Ended() {
		j.Phase = v1alpha1.JobCanceling
	}
	return j
}
