// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

func TestQuietHours(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC) // half an hour after 23:30 in Zürich, in the night in which clocks are moved
	for text, want := range map[string]struct {
		kept *v1alpha1.Schedule
		next time.Time
	}{
		"":            {nil, time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)},
		"30 23 * * *": {&v1alpha1.Schedule{Schedule: "30 23 * * *"}, time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC)},
		"CRON_TZ=Europe/Zurich 30 2 * * *": {&v1alpha1.Schedule{Schedule: "30 2 * * *", TimeZone: "Europe/Zurich"},
			time.Date(2026, 3, 29, 3, 30, 0, 0, zurich)},
		"CRON_TZ=Europe/Zurich 30  23 * * *": {&v1alpha1.Schedule{Schedule: "30 23 * * *", TimeZone: "Europe/Zurich"},
			time.Date(2026, 3, 29, 23, 30, 0, 0, zurich)},
	} {
		kept, err := schedule.ParseQuietHours(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want.kept, kept); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if next := schedule.NextQuietHours(schedule.QuietHours(kept), now); !next.Equal(want.next) {
			t.Errorf("%q: next at %v, want %v", text, next, want.next)
		}
	}
	for _, text := range []string{"* 23 * * *", "30 22,23 * * *", "30 23 * * 1-5", "*/5 1 * * *", "30 24 * * *", "CRON_TZ=Nowhere 0 0 * * *", "midnight", "CRON_TZ="} {
		_, err := schedule.ParseQuietHours(text)
		if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || f.Fields[0].Path != "schedule" {
			t.Errorf("%q: %v", text, err)
		}
	}
	for line, want := range map[string]string{"5 2 * * *": "02:05", "30 23 * * *": "23:30", "0 4 * * 1": "04:00"} {
		s := v1alpha1.Schedule{Schedule: line, TimeZone: "Europe/Zurich"}
		if got := schedule.WallTime(s, schedule.NextQuietHours(s, now)); got != want {
			t.Errorf("%q is at %s, want %s", line, got, want)
		}
	}
	if got := schedule.QuietHours(&v1alpha1.Schedule{Schedule: "x"}); got != (v1alpha1.Schedule{Schedule: "0 0 * * *", TimeZone: "UTC"}) {
		t.Errorf("what can't be read is %v", got)
	}
}
