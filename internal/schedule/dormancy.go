// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// DormantSince is since when a workspace is dormant, as its annotation says; the zero time when it is awake.
func DormantSince(w *v1alpha1.Workspace) time.Time {
	at, err := time.Parse(time.RFC3339Nano, w.Annotations[v1alpha1.AnnotationDormantSince])
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// DeletingAt is when a dormant workspace is deleted; the zero time when it is awake, or is kept.
func DeletingAt(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle) time.Time {
	since := DormantSince(w)
	if since.IsZero() || lifecycle == nil {
		return time.Time{}
	}
	after := Duration(lifecycle.DeleteDormantAfter)
	if after == 0 {
		return time.Time{}
	}
	return since.Add(after).Truncate(time.Second)
}

// DormantAt is when a workspace that is awake becomes dormant unless it is used before; the zero time when it does not.
func DormantAt(w *v1alpha1.Workspace, lifecycle *v1alpha1.Lifecycle) time.Time {
	if lifecycle == nil || !DormantSince(w).IsZero() {
		return time.Time{}
	}
	after := Duration(lifecycle.DormantAfter)
	if after == 0 {
		return time.Time{}
	}
	used := w.CreationTimestamp.Time
	if s := w.Status.Schedule; s != nil && s.IdleSince != nil {
		used = later(used, s.IdleSince.Time)
	}
	if w.Status.LastUsedAt != nil {
		used = later(used, w.Status.LastUsedAt.Time)
	}
	return used.Add(after)
}

// FailureStop is when a workspace whose start failed at the time is stopped; the zero time when it is left as it is.
func FailureStop(failed time.Time, lifecycle *v1alpha1.Lifecycle) time.Time {
	if lifecycle == nil {
		return time.Time{}
	}
	after := Duration(lifecycle.FailureStopAfter)
	if after == 0 {
		return time.Time{}
	}
	return failed.Add(after)
}
