// SPDX-License-Identifier: Apache-2.0

// Package quota says what workspaces may take: a budget of credits a day for each person, and caps on how many workspaces
// of a person, a group, an organization or a template run or are kept at once. It counts what workspaces take now, judges
// what a start would add, and writes the refusal that people see.
//
// It reads the objects that it is given. That two starts never get the last credit both is package workspace's of the
// controllers.
package quota

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// Use is what a workspace takes.
type Use struct {
	// UID is the workspace's, Owner its User's metadata.name, Name its name on the wire, Template its template: the key
	// of the reference to it.
	UID      types.UID
	Owner    string
	Name     string
	Template string
	// Running is true from the acceptance of a start to that of a stop, or to the start's failure.
	Running bool
	// Kept is true while it runs or has volumes.
	Kept bool
	// Cost is what it costs in credits a day, Idle what would be left of that once it is stopped.
	Cost, Idle int64
}

// Of names a workspace, as one that takes nothing yet.
func Of(w *v1alpha1.Workspace) Use {
	return Use{UID: w.UID, Owner: string(w.Spec.Owner.User), Name: w.WireName(), Template: w.Spec.TemplateRef.Key()}
}

// Count is what a workspace takes now, by its accepted build. The builds may be older than the workspace: what they add is
// which of them ended without success, which never changes again, and what their objects cost. A workspace that is being
// deleted takes nothing.
func Count(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) Use {
	u := Of(w)
	if w.DeletionTimestamp != nil || w.Status.Build == nil {
		return u
	}
	accepted := ledger.Accepted(w, builds)
	transition := w.Status.Build.Transition
	switch {
	case transition != "":
	case accepted != nil:
		transition = accepted.Spec.Transition
	default:
		transition = v1alpha1.TransitionStart // nobody knows: better one too many than a cap that does not hold
	}
	ended := v1alpha1.JobPhase("")
	if accepted != nil {
		ended = ledger.Outcome(accepted)
	}
	u.Running = transition == v1alpha1.TransitionStart && ended != v1alpha1.JobFailed && ended != v1alpha1.JobCanceled
	u.Kept = u.Running || len(w.Status.Volumes) > 0
	all, idle := costs(builds)
	if !u.Kept {
		return u
	}
	u.Cost, u.Idle = idle, idle
	if u.Running {
		u.Cost = all
		if recorded := w.Status.Build.DailyCost; recorded != nil {
			u.Cost, u.Idle = *recorded, min(idle, *recorded)
		}
	}
	return u
}

// costs are those of the newest build that knows its objects: of all of them, and of the volumes alone.
func costs(builds []*v1alpha1.WorkspaceBuild) (all, idle int64) {
	var newest *v1alpha1.WorkspaceBuild
	for _, b := range builds {
		if len(b.Status.Resources) > 0 && (newest == nil || b.Spec.Number > newest.Spec.Number) {
			newest = b
		}
	}
	if newest == nil {
		return 0, 0
	}
	return Cost(newest.Status.Resources)
}

// Cost is what the objects of a build cost in credits a day: all of them, and the volumes alone.
func Cost(resources []v1alpha1.BuildResource) (all, idle int64) {
	for _, r := range resources {
		all += r.DailyCost
		if r.Kind == "PersistentVolumeClaim" {
			idle += r.DailyCost
		}
	}
	return all, idle
}
