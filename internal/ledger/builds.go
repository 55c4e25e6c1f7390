// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Name is the metadata.name of a workspace's build. Both processes use it, so that etcd refuses the second of a number.
func Name(workspace string, number int64) string { return fmt.Sprintf("%s-%d", workspace, number) }

// Next is the number of a workspace's next build: one above the accepted one, above every build that is seen, and above
// those of an earlier life that it was brought back from.
func Next(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) int64 {
	highest := max(acceptedNumber(w), w.LastBuild())
	for _, b := range builds {
		highest = max(highest, b.Spec.Number)
	}
	return highest + 1
}

// Outcome is how a build ended; empty while it has not. The annotation counts where the status was lost.
func Outcome(b *v1alpha1.WorkspaceBuild) v1alpha1.JobPhase {
	if p := b.Phase(); p.Ended() {
		return p
	}
	if p := v1alpha1.JobPhase(b.Annotations[v1alpha1.AnnotationOutcome]); p.Ended() {
		return p
	}
	return ""
}

// Remembered is the outcome that a build must carry beside its status; empty where it needs none. A start or stop that went
// well needs none, as that is what is believed of a build that a restore brings back without a word: see Forgotten.
func Remembered(b *v1alpha1.WorkspaceBuild) v1alpha1.JobPhase {
	outcome := Outcome(b)
	if outcome == v1alpha1.JobSucceeded && b.Spec.Transition != v1alpha1.TransitionDelete {
		return ""
	}
	return outcome
}

// restoredAfter is how much younger than it says a build must be to have been made anew. It is far more than clocks differ.
const restoredAfter = 10 * time.Minute

// Forgotten tells whether a build was made anew without its status, as from a backup, and carries no word of how it ended:
// the object of its workspace that it names is another one by now, or its number was accepted before and it is younger than
// it says. It went well, or was at work when the backup was made, and is held to what it asks for either way. A deletion is
// never believed to have ended, and neither is what nobody has accepted yet.
func Forgotten(w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild) bool {
	if b.Status.Job != nil || !InProgress(b) || b.Spec.Transition == v1alpha1.TransitionDelete {
		return false
	}
	young := b.CreationTimestamp.Sub(v1alpha1.CreatedAt(b)) > restoredAfter
	return b.Spec.WorkspaceRef.UID != w.UID || young && b.Spec.Number <= acceptedNumber(w)
}

// InProgress tells whether a build has not ended.
func InProgress(b *v1alpha1.WorkspaceBuild) bool { return Outcome(b) == "" }

// OfManager tells whether the manager made a build. What the API server makes carries the id of its call.
func OfManager(b *v1alpha1.WorkspaceBuild) bool { return b.Spec.RequestID == "" }

// Accepted is the build that the workspace is held to; nil when none was accepted or it is gone.
func Accepted(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) *v1alpha1.WorkspaceBuild {
	for _, b := range builds {
		if IsAccepted(w, b) {
			return b
		}
	}
	return nil
}

// IsAccepted tells whether the workspace is held to the build: that very object, not one of its name or number.
func IsAccepted(w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild) bool {
	return w.Status.Build != nil && w.Status.Build.UID == b.UID
}

// Superseded tells whether a build will never be acted upon, because one of its number or a later one was accepted.
func Superseded(w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild) bool {
	return !IsAccepted(w, b) && b.Spec.Number <= acceptedNumber(w)
}

func acceptedNumber(w *v1alpha1.Workspace) int64 {
	if w.Status.Build == nil {
		return 0
	}
	return w.Status.Build.Number
}

// sorted gives the builds by number, lowest first.
func sorted(builds []*v1alpha1.WorkspaceBuild) []*v1alpha1.WorkspaceBuild {
	return slices.SortedFunc(slices.Values(builds), func(a, b *v1alpha1.WorkspaceBuild) int {
		return cmp.Compare(a.Spec.Number, b.Spec.Number)
	})
}

// LastStart is the newest of the builds that are starts which went well; nil when there is none.
func LastStart(builds []*v1alpha1.WorkspaceBuild) *v1alpha1.WorkspaceBuild {
	var last *v1alpha1.WorkspaceBuild
	for _, b := range builds {
		started := b.Spec.Transition == v1alpha1.TransitionStart && Outcome(b) == v1alpha1.JobSucceeded
		if started && (last == nil || b.Spec.Number > last.Spec.Number) {
			last = b
		}
	}
	return last
}

// Keep is how many builds of a workspace are kept.
const Keep = 5

// Prune gives the builds to remove, oldest first, so that Keep remain. The accepted one, the last start that succeeded,
// the newest two and those in progress are never among them.
func Prune(w *v1alpha1.Workspace, builds []*v1alpha1.WorkspaceBuild) []*v1alpha1.WorkspaceBuild {
	byNumber, lastStart := sorted(builds), LastStart(builds)
	var old []*v1alpha1.WorkspaceBuild
	for i, b := range byNumber {
		newest := i >= len(byNumber)-2
		if len(byNumber)-len(old) > Keep && !newest && b != lastStart && !IsAccepted(w, b) && !InProgress(b) {
			old = append(old, b)
		}
	}
	return old
}
