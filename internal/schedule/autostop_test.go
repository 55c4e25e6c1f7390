// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

func ptr[T any](x T) *T { return &x }

func TestParseTTL(t *testing.T) {
	limited := &v1alpha1.Lifecycle{AutostopMax: "12h"}
	for name, c := range map[string]struct {
		millis     *int64
		lifecycle  *v1alpha1.Lifecycle
		want       v1alpha1.Duration
		wantDetail string
	}{
		"null turns it off":            {nil, nil, "0s", ""},
		"zero turns it off":            {ptr(int64(0)), limited, "0s", ""},
		"eight hours":                  {ptr(int64(28800000)), nil, "8h", ""},
		"one minute":                   {ptr(int64(60000)), nil, "1m", ""},
		"below a minute":               {ptr(int64(59999)), nil, "", "time until shutdown must be at least one minute"},
		"negative":                     {ptr(int64(-1)), nil, "", "time until shutdown must be at least one minute"},
		"thirty days":                  {ptr(int64(2592000000)), nil, "720h", ""},
		"more than thirty days":        {ptr(int64(2592000001)), nil, "", "time until shutdown must be less than 30 days"},
		"an overflow":                  {ptr(int64(1<<63 - 1)), nil, "", "time until shutdown must be less than 30 days"},
		"the template's maximum":       {ptr(int64(43200000)), limited, "12h", ""},
		"above the template's maximum": {ptr(int64(43200001)), limited, "", "time until shutdown must be at most 12h, the template's maximum"},
		"a requirement in its place": {ptr(int64(43200001)), &v1alpha1.Lifecycle{AutostopMax: "12h",
			AutostopRequirement: &v1alpha1.AutostopRequirement{}}, "12h0.001s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := schedule.ParseTTL(c.millis, c.lifecycle)
			if c.wantDetail == "" {
				if err != nil || got != c.want {
					t.Errorf("%q, %v, want %q", got, err, c.want)
				}
				return
			}
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0] != (fault.Field{Path: "ttl_ms", Detail: c.wantDetail}) {
				t.Errorf("%v, want ttl_ms: %s", err, c.wantDetail)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	start := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	own := func(after v1alpha1.Duration) *v1alpha1.Autostop { return &v1alpha1.Autostop{After: after} }
	for name, c := range map[string]struct {
		autostop                 *v1alpha1.Autostop
		lifecycle                *v1alpha1.Lifecycle
		wantDeadline, wantLatest time.Duration
	}{
		"nothing said":             {nil, nil, 0, 0},
		"the template's":           {nil, &v1alpha1.Lifecycle{AutostopAfter: "8h"}, 8 * time.Hour, 0},
		"its own":                  {own("2h"), &v1alpha1.Lifecycle{AutostopAfter: "8h"}, 2 * time.Hour, 0},
		"its own is not for it":    {own("2h"), &v1alpha1.Lifecycle{AutostopAfter: "8h", UserAutostop: v1alpha1.PermissionForbid}, 8 * time.Hour, 0},
		"never":                    {own("0s"), &v1alpha1.Lifecycle{AutostopAfter: "8h"}, 0, 0},
		"never, within a maximum":  {own("0s"), &v1alpha1.Lifecycle{AutostopMax: "12h"}, 12 * time.Hour, 12 * time.Hour},
		"cut to the maximum":       {own("20h"), &v1alpha1.Lifecycle{AutostopMax: "12h"}, 12 * time.Hour, 12 * time.Hour},
		"within the maximum":       {own("2h"), &v1alpha1.Lifecycle{AutostopMax: "12h"}, 2 * time.Hour, 12 * time.Hour},
		"what can't be read: none": {own("2 days"), nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			deadline, latest := schedule.Deadlines(&v1alpha1.WorkspaceSpec{Autostop: c.autostop}, schedule.Rules{Lifecycle: c.lifecycle}, start)
			want := func(after time.Duration) time.Time {
				if after == 0 {
					return time.Time{}
				}
				return start.Add(after)
			}
			if !deadline.Equal(want(c.wantDeadline)) || !latest.Equal(want(c.wantLatest)) {
				t.Errorf("%v and %v, want %v and %v", deadline, latest, want(c.wantDeadline), want(c.wantLatest))
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		spec      v1alpha1.WorkspaceSpec
		wantField string
	}{
		"nothing said":    {v1alpha1.WorkspaceSpec{}, ""},
		"all right":       {v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "8h"}, Autostart: &v1alpha1.Schedule{Schedule: "30 9 * * 1-5"}}, ""},
		"never":           {v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "0s"}}, ""},
		"two days":        {v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "2 days"}}, "spec.autostop.after"},
		"half a minute":   {v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "30s"}}, "spec.autostop.after"},
		"half a year":     {v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "4000h"}}, "spec.autostop.after"},
		"a bad autostart": {v1alpha1.WorkspaceSpec{Autostart: &v1alpha1.Schedule{Schedule: "30 9 1 * 1-5"}}, "spec.autostart.schedule"},
	} {
		t.Run(name, func(t *testing.T) {
			err := schedule.Check(&c.spec)
			if c.wantField == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f, ok := fault.As(err)
			if !ok || f.Reason != v1alpha1.ReasonScheduleInvalid || f.Fields[0].Path != c.wantField {
				t.Errorf("%v, want a fault about %s", err, c.wantField)
			}
		})
	}
}
