// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// WorkspaceParts is a workspace, or one of its builds, with what its answer joins. The fields are those of
// store.WorkspaceParts, so that one converts to the other.
type WorkspaceParts struct {
	Workspace    *v1alpha1.Workspace
	Owner        *v1alpha1.User
	Organization *v1alpha1.Organization
	Template     *v1alpha1.Template
	// Active is the version that new starts take by the rollout: for this workspace, while another one comes out.
	Active *v1alpha1.TemplateVersion
	// Build is the build to show; nil shows the one that is coming.
	Build *v1alpha1.WorkspaceBuild
	// Version is the build's version; nil when it is gone.
	Version *v1alpha1.TemplateVersion
	// QueuePosition is a pending build's place among QueueSize that wait; both are 0 once it is at work.
	QueuePosition, QueueSize int
	// Begun is true where the build is pending only as the manager tells a moment later that it has taken it up.
	Begun bool
	// Deleted is true where the workspace is gone and this is what is remembered of it.
	Deleted bool
}

// Workspace shows a workspace with its newest build, which stands in the parts.
func Workspace(p WorkspaceParts, now time.Time) codersdk.Workspace {
	w, t := p.Workspace, p.Template
	latest := Build(p, now)
	return codersdk.Workspace{
		ID:                                   ids.Of(w),
		CreatedAt:                            v1alpha1.CreatedAt(w),
		UpdatedAt:                            updatedAt(w),
		OwnerID:                              ids.Of(p.Owner),
		OwnerName:                            p.Owner.WireName(),
		OwnerAvatarURL:                       p.Owner.Spec.AvatarURL,
		OrganizationID:                       ids.Of(p.Organization),
		OrganizationName:                     p.Organization.WireName(),
		TemplateID:                           ids.Of(t),
		TemplateName:                         t.WireName(),
		TemplateDisplayName:                  string(t.Spec.DisplayName),
		TemplateIcon:                         string(t.Spec.Icon),
		TemplateAllowUserCancelWorkspaceJobs: lifecycle(t).UserCancel != v1alpha1.PermissionForbid,
		TemplateActiveVersionID:              ids.Of(p.Active),
		TemplateRequireActiveVersion:         t.Spec.RequireActiveVersion,
		LatestBuild:                          latest,
		Outdated:                             outdated(p),
		Name:                                 w.WireName(),
		AutostartSchedule:                    schedule.FormatCron(w.Spec.Autostart),
		TTLMillis:                            ttl(p),
		LastUsedAt:                           orZero(utc(w.Status.LastUsedAt)),
		DeletingAt:                           codersdk.NullTime{Time: schedule.DeletingAt(w, t.Spec.Lifecycle)},
		DormantAt:                            codersdk.NullTime{Time: schedule.DormantSince(w)},
		Health:                               health(latest),
		AutomaticUpdates:                     automaticUpdates(w.Spec.Updates),
	}
}

// lifecycle is a template's, never nil.
func lifecycle(t *v1alpha1.Template) v1alpha1.Lifecycle {
	if t.Spec.Lifecycle == nil {
		return v1alpha1.Lifecycle{}
	}
	return *t.Spec.Lifecycle
}

// outdated: the newest build is of another version than the one that new starts take.
func outdated(p WorkspaceParts) bool {
	return p.Build != nil && p.Build.Spec.VersionRef != nil && p.Build.Spec.VersionRef.UID != p.Active.UID
}

// ttl is how long a start runs, in milliseconds; nil when it has no end.
func ttl(p WorkspaceParts) *int64 {
	millis := schedule.TTL(&p.Workspace.Spec, p.Template.Spec.Lifecycle).Milliseconds()
	if millis == 0 {
		return nil
	}
	return &millis
}

func automaticUpdates(u v1alpha1.Updates) codersdk.AutomaticUpdates {
	if u == v1alpha1.UpdatesManual {
		return codersdk.AutomaticUpdatesNever
	}
	return codersdk.AutomaticUpdatesAlways
}

// deadlines are when the run of the accepted build ends, and what that can't be moved beyond.
func deadlines(p WorkspaceParts, b *v1alpha1.WorkspaceBuild) (deadline, latest codersdk.NullTime) {
	deadline.Time = schedule.Deadline(p.Workspace, p.Template.Spec.Lifecycle, v1alpha1.CreatedAt(b))
	if s := p.Workspace.Status.Schedule; s != nil {
		latest.Time = orZero(utc(s.MaxDeadline))
	}
	return deadline, latest
}

// health sums up the agents of the newest build. What is stopped is well.
func health(b codersdk.WorkspaceBuild) codersdk.WorkspaceHealth {
	h := codersdk.WorkspaceHealth{Healthy: true, FailingAgents: []uuid.UUID{}}
	if b.Transition != codersdk.WorkspaceTransitionStart {
		return h
	}
	for _, r := range b.Resources {
		for _, a := range r.Agents {
			if !a.Health.Healthy {
				h.Healthy = false
				h.FailingAgents = append(h.FailingAgents, a.ID)
			}
		}
	}
	return h
}
