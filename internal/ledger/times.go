// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

const (
	// defaultStartTimeout is how long a start may take where neither version nor template says.
	defaultStartTimeout = 10 * time.Minute
	// DefaultKeepDeletedFor is how long the claims of a deleted workspace are kept where nothing says otherwise.
	DefaultKeepDeletedFor = 168 * time.Hour
)

// StartTimeout is how long a start may take: the version's word, else the template's, else ten minutes.
func StartTimeout(content *v1alpha1.TemplateContent, lifecycle *v1alpha1.Lifecycle) time.Duration {
	if content != nil && content.StartTimeout != "" {
		if d := schedule.Duration(content.StartTimeout); d > 0 {
			return d
		}
	}
	if lifecycle != nil {
		if d := schedule.Duration(lifecycle.StartTimeout); d > 0 {
			return d
		}
	}
	return defaultStartTimeout
}

// Instants are the absolute times that a build's acceptance fixes. They are computed once, so that a later change of the
// template or a restart of the manager moves none of them. Other transitions than a start have no deadlines.
func Instants(w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild, content *v1alpha1.TemplateContent, rules schedule.Rules, now time.Time) *v1alpha1.WorkspaceSchedule {
	now = now.Truncate(time.Second)
	var s v1alpha1.WorkspaceSchedule
	if old := w.Status.Schedule; old != nil {
		s.NextStart, s.IdleSince, s.DormantAt, s.DeletingAt = old.NextStart, old.IdleSince, old.DormantAt, old.DeletingAt
	}
	if b.Spec.Transition == v1alpha1.TransitionStart {
		deadline, latest := schedule.Deadlines(&w.Spec, rules, now)
		s.Deadline, s.MaxDeadline = instant(deadline), instant(latest)
		s.StartDeadline = instant(now.Add(StartTimeout(content, rules.Lifecycle)))
	}
	if b.Spec.Reason == v1alpha1.BuildReasonInitiator {
		s.IdleSince = instant(now)
	}
	held := w.DeepCopy()
	held.Status.Build = &v1alpha1.AcceptedBuild{Number: b.Spec.Number, UIDReference: v1alpha1.UIDReference{UID: b.UID}}
	held.Status.Schedule = orNil(s)
	return read(View{Workspace: held, Builds: []*v1alpha1.WorkspaceBuild{b}, Rules: rules, Now: now}).plan()
}

// orNil is a schedule as the status holds it: absent where it says nothing.
func orNil(s v1alpha1.WorkspaceSchedule) *v1alpha1.WorkspaceSchedule {
	if s == (v1alpha1.WorkspaceSchedule{}) {
		return nil
	}
	return &s
}

func instant(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

// KeepDeletedFor is how long a template keeps the claims of a deleted workspace; 0 removes them at once. A text that
// can't be read keeps them as long as if there were none.
func KeepDeletedFor(lifecycle *v1alpha1.Lifecycle) time.Duration {
	if lifecycle == nil || lifecycle.KeepDeletedFor == "" {
		return DefaultKeepDeletedFor
	}
	d, err := schedule.ParseDuration(lifecycle.KeepDeletedFor)
	if err != nil {
		return DefaultKeepDeletedFor
	}
	return d
}
