// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// Zones that move their clocks in every way: by an hour at night, by half an hour, at midnight, for a month, to the other
// side of the date line.
var zones = []string{
	"UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Beirut", "Africa/Casablanca",
	"America/St_Johns", "Pacific/Apia",
}

// Whatever the clocks do, a line of one time a day has each day once, at that time, or where that time is skipped, later
// on the same day or, if that is skipped whole, at what would have been it.
func TestEachDayHasItsStartOnce(t *testing.T) {
	begin, end := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, clock := range []string{"0 0", "30 0", "15 1", "0 2", "30 2", "45 2", "30 3", "0 12"} {
			s := v1alpha1.Schedule{Schedule: clock + " * * *", TimeZone: name}
			var minute, hour int
			if _, err := fmt.Sscan(clock, &minute, &hour); err != nil {
				t.Fatal(err)
			}
			last := schedule.Next(s, nil, begin)
			for at := last; at.Before(end); {
				next := schedule.Next(s, nil, at)
				a, b := at.In(zone), next.In(zone)
				days := time.Date(b.Year(), b.Month(), b.Day(), 0, 0, 0, 0, time.UTC).Sub(time.Date(a.Year(), a.Month(), a.Day(), 0, 0, 0, 0, time.UTC))
				if days != 24*time.Hour && !(name == "Pacific/Apia" && a.Year() == 2011) {
					t.Fatalf("%v: %v is followed by %v", s, a, b)
				}
				if b.Hour() != hour || b.Minute() != minute {
					if missing := time.Date(b.Year(), b.Month(), b.Day(), hour, minute, 0, 0, zone); missing.Hour() == hour && missing.Minute() == minute && missing.Day() == b.Day() {
						t.Fatalf("%v: %v, and the time is there that day", s, b)
					}
				}
				at = next
			}
		}
	}
}

// The next start lies ahead, and is the same seen from anywhere between.
func TestNextDoesNotMove(t *testing.T) {
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"*/15 * * * *", "45,0 2,3 * * *", "20,35 2 * * *", "30 2 * * 0", "* 0,2 * * *"} {
			s := v1alpha1.Schedule{Schedule: line, TimeZone: name}
			// the days about each change of a year: those of other years fall on other dates and are the same else
			for day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2026; day = day.Add(24 * time.Hour) {
				_, before := day.In(zone).Zone()
				if _, after := day.Add(24 * time.Hour).In(zone).Zone(); before == after {
					continue
				}
				var next time.Time
				for at := day.Add(-6 * time.Hour); at.Before(day.Add(30 * time.Hour)); at = at.Add(17 * time.Minute) {
					got := schedule.Next(s, nil, at)
					if !got.After(at) {
						t.Fatalf("%v: %v does not follow %v", s, got, at)
					}
					if at.Before(next) && !got.Equal(next) {
						t.Fatalf("%v: from before it is %v, from %v it is %v", s, next, at, got)
					}
					next = got
				}
			}
		}
	}
}

func TestRequirement(t *testing.T) {
	zurich := &v1alpha1.Schedule{Schedule: "0 22 * * *", TimeZone: "Europe/Zurich"}
	requires := func(weeks int32, days ...v1alpha1.Weekday) *v1alpha1.Lifecycle {
		return &v1alpha1.Lifecycle{AutostopMax: "1h", AutostopRequirement: &v1alpha1.AutostopRequirement{DaysOfWeek: days, Weeks: &weeks}}
	}
	for name, c := range map[string]struct {
		lifecycle *v1alpha1.Lifecycle
		quiet     *v1alpha1.Schedule
		started   string
		want      string
	}{
		"none":                                {&v1alpha1.Lifecycle{}, zurich, "2026-11-23T09:00:00Z", ""},
		"no days":                             {requires(1), zurich, "2026-11-23T09:00:00Z", ""},
		"today":                               {requires(1, "Monday"), zurich, "2026-11-23T09:00:00Z", "2026-11-23T21:00:00Z"},
		"today, an hour before":               {requires(1, "Monday"), zurich, "2026-11-23T20:00:00Z", "2026-11-23T21:00:00Z"},
		"too late for today":                  {requires(1, "Monday"), zurich, "2026-11-23T20:00:01Z", "2026-11-30T21:00:00Z"},
		"the day of the owner's zone":         {requires(1, "Tuesday"), &v1alpha1.Schedule{Schedule: "30 0 * * *", TimeZone: "Europe/Zurich"}, "2026-11-23T09:00:00Z", "2026-11-23T23:30:00Z"},
		"midnight where nothing is said":      {requires(1, "Sunday"), nil, "2026-11-23T09:00:00Z", "2026-11-29T00:00:00Z"},
		"midnight where it can't be read":     {requires(1, "Sunday"), &v1alpha1.Schedule{Schedule: "nonsense at all to be"}, "2026-11-23T09:00:00Z", "2026-11-29T00:00:00Z"},
		"the first week, an even one":         {requires(2, "Monday"), zurich, "2023-01-02T09:00:00Z", "2023-01-02T21:00:00Z"},
		"not in the second":                   {requires(2, "Monday"), zurich, "2023-01-03T09:00:00Z", "2023-01-16T21:00:00Z"},
		"its Sunday is still the first":       {requires(2, "Sunday"), zurich, "2023-01-02T09:00:00Z", "2023-01-08T21:00:00Z"},
		"sixteen weeks":                       {requires(16, "Friday"), zurich, "2023-01-07T09:00:00Z", "2023-04-28T20:00:00Z"},
		"quiet hours that are skipped":        {requires(1, "Sunday"), &v1alpha1.Schedule{Schedule: "30 2 * * *", TimeZone: "Europe/Zurich"}, "2026-03-27T09:00:00Z", "2026-03-29T01:30:00Z"},
		"quiet hours that come twice":         {requires(1, "Sunday"), &v1alpha1.Schedule{Schedule: "30 2 * * *", TimeZone: "Europe/Zurich"}, "2026-10-24T09:00:00Z", "2026-10-25T00:30:00Z"},
		"every minute does not get around it": {requires(16, "Friday"), &v1alpha1.Schedule{Schedule: "* * * * *"}, "2023-01-07T09:00:00Z", "2023-04-28T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			started, err := time.Parse(time.RFC3339, c.started)
			if err != nil {
				t.Fatal(err)
			}
			deadline, latest := schedule.Deadlines(&v1alpha1.WorkspaceSpec{Autostop: &v1alpha1.Autostop{After: "0s"}}, schedule.Rules{Lifecycle: c.lifecycle, QuietHours: c.quiet}, started)
			got := ""
			if !latest.IsZero() {
				got = latest.Format(time.RFC3339)
			}
			if got != c.want || !deadline.Equal(latest) {
				t.Errorf("%s, stopped at %v, want %s", got, deadline, c.want)
			}
		})
	}
}
