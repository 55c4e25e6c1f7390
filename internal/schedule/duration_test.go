// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[v1alpha1.Duration]time.Duration{
		"": 0, "0s": 0, "8h": 8 * time.Hour, "1h30m": 90 * time.Minute, "90s": 90 * time.Second, "1.5h": 90 * time.Minute, "87840h": 87840 * time.Hour,
	} {
		if got, err := schedule.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []v1alpha1.Duration{
		"2 days", "1w", "8 h", "P1D", "-8h", "+8h", "8", "5ms", "1us", "99999999999h", "87841h", "8h ", "1e3h", ".5h", "∞",
	} {
		if got, err := schedule.ParseDuration(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, %v, want a fault", text, got, err)
		}
		if got := schedule.Duration(text); got != 0 {
			t.Errorf("%q is shown as %v, want 0", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]v1alpha1.Duration{
		0: "0s", -time.Hour: "0s", 8 * time.Hour: "8h", 90 * time.Minute: "1h30m", 90*time.Second + 500*time.Millisecond: "1m30.5s",
		30 * 24 * time.Hour: "720h", time.Microsecond: "0s", time.Hour + time.Second: "1h1s",
	} {
		if got := schedule.FormatDuration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, text := range []string{"8h", "1h30m", "2 days", "999999h999999h", "1.999h", "0s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := schedule.ParseDuration(v1alpha1.Duration(text))
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is %v", text, d)
		}
		again, err := schedule.ParseDuration(schedule.FormatDuration(d))
		if err != nil || again != d.Truncate(time.Millisecond) {
			t.Fatalf("%q: %v, written as %q, reads as %v, %v", text, d, schedule.FormatDuration(d), again, err)
		}
	})
}
