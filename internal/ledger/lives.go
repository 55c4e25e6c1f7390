// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// OfThisLife leaves out the builds of an earlier life of the workspace. A deletion that went through has ended one, and
// its builds stand until the cluster collects them: a workspace that was brought back with its id must not take them for
// its own. A deletion that did not go through, or is still at work, ended nothing, and so the builds beside it count, as in
// a backup; but it was never this object that was to be deleted.
func OfThisLife(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) []*v1alpha1.WorkspaceBuild {
	over := map[types.UID]bool{}
	for _, b := range builds {
		if b.Spec.Transition == v1alpha1.TransitionDelete && Outcome(b) == v1alpha1.JobSucceeded {
			over[b.Spec.WorkspaceRef.UID] = b.Spec.WorkspaceRef.UID != w.UID
		}
	}
	return slices.DeleteFunc(builds, func(b *v1alpha1.WorkspaceBuild) bool {
		another := b.Spec.WorkspaceRef.UID != w.UID
		return over[b.Spec.WorkspaceRef.UID] || another && b.Spec.Transition == v1alpha1.TransitionDelete
	})
}
