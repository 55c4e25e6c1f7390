// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) // a Monday

// at is an instant after nine.
func at(d time.Duration) *metav1.Time { return &metav1.Time{Time: nine.Add(d)} }

// runs is a workspace whose build 3 runs since nine, planned to stop at five.
func runs(change func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	w := &v1alpha1.Workspace{}
	w.Status.Build = &v1alpha1.AcceptedBuild{Number: 3}
	w.Status.Schedule = &v1alpha1.WorkspaceSchedule{Deadline: at(8 * time.Hour)}
	change(w)
	return w
}

func extends(text string) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) { w.Annotations = map[string]string{v1alpha1.AnnotationExtendedTo: text} }
}

func TestDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		w         func(*v1alpha1.Workspace)
		lifecycle *v1alpha1.Lifecycle
		want      time.Duration
	}{
		"as planned":                   {func(*v1alpha1.Workspace) {}, nil, 8 * time.Hour},
		"as planned, and moved before": {func(w *v1alpha1.Workspace) { w.Status.Schedule.PlannedStop = at(7 * time.Hour) }, nil, 7 * time.Hour},
		"extended":                     {extends("3/2026-11-23T20:00:00Z"), nil, 11 * time.Hour},
		"extended in another zone":     {extends("3/2026-11-23T20:00:00.5+01:00"), nil, 10 * time.Hour},
		"drawn nearer":                 {extends("3/2026-11-23T10:00:00Z"), nil, time.Hour},
		"extended for another build":   {extends("2/2026-11-23T20:00:00Z"), nil, 8 * time.Hour},
		"extended with nonsense":       {extends("3/tomorrow"), nil, 8 * time.Hour},
		"used early":                   {func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = at(time.Hour) }, nil, 8 * time.Hour},
		"used late":                    {func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = at(7*time.Hour + time.Minute) }, nil, 8*time.Hour + time.Minute},
		"used late, and long bumped":   {func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = at(7 * time.Hour) }, &v1alpha1.Lifecycle{ActivityBump: "3h"}, 10 * time.Hour},
		"used late, and not bumped":    {func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = at(7*time.Hour + time.Minute) }, &v1alpha1.Lifecycle{ActivityBump: "0s"}, 8 * time.Hour},
		"used before it was started": {func(w *v1alpha1.Workspace) {
			w.Status.Schedule.Deadline, w.Status.LastUsedAt = at(time.Minute), at(-time.Minute)
		}, nil, time.Minute},
		"never beyond the latest": {func(w *v1alpha1.Workspace) {
			extends("3/2026-11-24T20:00:00Z")(w)
			w.Status.LastUsedAt, w.Status.Schedule.MaxDeadline = at(9*time.Hour), at(9*time.Hour)
		}, nil, 9 * time.Hour},
		"without end": {func(w *v1alpha1.Workspace) {
			extends("3/2026-11-23T20:00:00Z")(w)
			w.Status.Schedule = nil
		}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want := nine.Add(c.want)
			if c.want == 0 {
				want = time.Time{}
			}
			if got := schedule.Deadline(runs(c.w), c.lifecycle, nine); !got.Equal(want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestExtension(t *testing.T) {
	for name, c := range map[string]struct {
		w    func(*v1alpha1.Workspace)
		to   time.Duration
		want string
		kind fault.Kind
	}{
		"later":                 {func(*v1alpha1.Workspace) {}, 10 * time.Hour, "3/2026-11-23T19:00:00Z", 0},
		"half an hour ahead":    {func(*v1alpha1.Workspace) {}, 30 * time.Minute, "3/2026-11-23T09:30:00Z", 0},
		"less":                  {func(*v1alpha1.Workspace) {}, 30*time.Minute - time.Second, "", fault.Invalid},
		"in the past":           {func(*v1alpha1.Workspace) {}, -time.Hour, "", fault.Invalid},
		"in a year":             {func(*v1alpha1.Workspace) {}, 8760 * time.Hour, "", fault.Invalid},
		"at the latest":         {func(w *v1alpha1.Workspace) { w.Status.Schedule.MaxDeadline = at(9 * time.Hour) }, 9 * time.Hour, "3/2026-11-23T18:00:00Z", 0},
		"beyond":                {func(w *v1alpha1.Workspace) { w.Status.Schedule.MaxDeadline = at(9 * time.Hour) }, 10 * time.Hour, "", fault.Invalid},
		"where there is no end": {func(w *v1alpha1.Workspace) { w.Status.Schedule = nil }, 10 * time.Hour, "", fault.Conflict},
		"where there is no run": {func(w *v1alpha1.Workspace) { w.Status.Build = nil }, 10 * time.Hour, "", fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := schedule.Extension(runs(c.w), nine.Add(c.to), nine)
			if c.kind == 0 {
				if err != nil || got != c.want {
					t.Errorf("%q, %v, want %q", got, err, c.want)
				}
				return
			}
			f, ok := fault.As(err)
			if !ok || f.Kind != c.kind || c.kind == fault.Invalid && f.Fields[0].Path != "deadline" {
				t.Errorf("%v, want %v", err, c.kind)
			}
		})
	}
}

func TestMissedAndNextStart(t *testing.T) {
	daily := &v1alpha1.Schedule{Schedule: "0 9 * * *"}
	for name, c := range map[string]struct {
		autostart  *v1alpha1.Schedule
		lifecycle  *v1alpha1.Lifecycle
		planned    *metav1.Time
		now        time.Duration
		wantMissed time.Duration // after nine; -1 for none
		wantNext   time.Duration // after nine; -1 for none
	}{
		"not yet":                         {daily, nil, at(0), -time.Minute, -1, 0},
		"at its time":                     {daily, nil, at(0), 0, 0, 0},
		"missed by minutes":               {daily, nil, at(0), 59 * time.Minute, 0, 0},
		"missed by too much":              {daily, nil, at(0), time.Hour, -1, 24 * time.Hour},
		"missed for days":                 {daily, nil, at(0), 50 * time.Hour, -1, 72 * time.Hour},
		"missed for days, and again just": {daily, nil, at(0), 48*time.Hour + 5*time.Minute, 48 * time.Hour, 0},
		"missed often, once":              {&v1alpha1.Schedule{Schedule: "*/10 * * * *"}, nil, at(0), 95 * time.Minute, 40 * time.Minute, 0},
		"nothing was planned":             {daily, nil, nil, time.Minute, -1, 24 * time.Hour},
		"it was planned otherwise":        {&v1alpha1.Schedule{Schedule: "5 9 * * *"}, nil, at(0), 6 * time.Minute, -1, 24*time.Hour + 5*time.Minute},
		"it was planned in another zone":  {&v1alpha1.Schedule{Schedule: "0 9 * * *", TimeZone: "Europe/Zurich"}, nil, at(0), time.Minute, -1, 23 * time.Hour},
		"on no day of the template":       {daily, &v1alpha1.Lifecycle{AutostartDays: []v1alpha1.Weekday{"Tuesday"}}, at(0), time.Minute, -1, 24 * time.Hour},
		"the template forbids it":         {daily, &v1alpha1.Lifecycle{UserAutostart: v1alpha1.PermissionForbid}, at(0), 0, -1, -1},
		"there is none":                   {nil, nil, at(0), 0, -1, -1},
		"it can't be read":                {&v1alpha1.Schedule{Schedule: "nonsense"}, nil, at(0), 0, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &v1alpha1.Workspace{}
			w.Spec.Autostart = c.autostart
			w.Status.Schedule = &v1alpha1.WorkspaceSchedule{NextStart: c.planned}
			instant := func(d time.Duration) time.Time {
				if d < 0 {
					return time.Time{}
				}
				return nine.Add(d)
			}
			if got := schedule.Missed(w, c.lifecycle, nine.Add(c.now)); !got.Equal(instant(c.wantMissed)) {
				t.Errorf("missed %v, want %v", got, instant(c.wantMissed))
			}
			if got := schedule.NextStart(w, c.lifecycle, nine.Add(c.now)); !got.Equal(instant(c.wantNext)) {
				t.Errorf("next %v, want %v", got, instant(c.wantNext))
			}
		})
	}
}

func TestDormancy(t *testing.T) {
	month := &v1alpha1.Lifecycle{DormantAfter: "720h", DeleteDormantAfter: "240h"}
	asleep := func(text string) func(*v1alpha1.Workspace) {
		return func(w *v1alpha1.Workspace) { w.Annotations = map[string]string{v1alpha1.AnnotationDormantSince: text} }
	}
	for name, c := range map[string]struct {
		w            func(*v1alpha1.Workspace)
		lifecycle    *v1alpha1.Lifecycle
		wantDormant  time.Duration
		wantDeleting time.Duration
	}{
		"from its creation":       {func(*v1alpha1.Workspace) {}, month, 720 * time.Hour, 0},
		"from its last start":     {func(w *v1alpha1.Workspace) { w.Status.Schedule = &v1alpha1.WorkspaceSchedule{IdleSince: at(time.Hour)} }, month, 721 * time.Hour, 0},
		"from its last use":       {func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = at(2 * time.Hour) }, month, 722 * time.Hour, 0},
		"never":                   {func(*v1alpha1.Workspace) {}, &v1alpha1.Lifecycle{DormantAfter: "0s"}, 0, 0},
		"never, without template": {func(*v1alpha1.Workspace) {}, nil, 0, 0},
		"it is already":           {asleep("2026-11-23T10:00:00.5Z"), month, 0, 241 * time.Hour},
		"and is kept":             {asleep("2026-11-23T10:00:00Z"), &v1alpha1.Lifecycle{DormantAfter: "720h"}, 0, 0},
		"a mark that is none":     {asleep("yes"), month, 720 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *at(0)}}
			c.w(w)
			check := func(what string, got time.Time, want time.Duration) {
				if want == 0 != got.IsZero() || want != 0 && !got.Equal(nine.Add(want)) {
					t.Errorf("%s at %v, want %v after nine", what, got, want)
				}
			}
			check("dormant", schedule.DormantAt(w, c.lifecycle), c.wantDormant)
			check("deleted", schedule.DeletingAt(w, c.lifecycle), c.wantDeleting)
		})
	}
}
