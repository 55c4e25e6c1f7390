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

func TestCronFromAndToTheWire(t *testing.T) {
	for text, want := range map[string]v1alpha1.Schedule{
		"CRON_TZ=Europe/Zurich 30 9 * * 1-5":   {Schedule: "30 9 * * 1-5", TimeZone: "Europe/Zurich"},
		"CRON_TZ=UTC 0 0 * * 0":                {Schedule: "0 0 * * 0", TimeZone: "UTC"},
		"30 9 * * 1-5":                         {Schedule: "30 9 * * 1-5"},
		"*/15 8-17 * * MON,WED":                {Schedule: "*/15 8-17 * * MON,WED"},
		"CRON_TZ=America/New_York 5 4 * * */2": {Schedule: "5 4 * * */2", TimeZone: "America/New_York"},
	} {
		got, err := schedule.ParseCron(&text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if back := schedule.FormatCron(got); *back != text {
			t.Errorf("%q comes back as %q", text, *back)
		}
	}
	blanks := "  30   9 *  * 1-5 "
	if got, err := schedule.ParseCron(&blanks); err != nil || got.Schedule != "30 9 * * 1-5" {
		t.Errorf("blanks: %v, %v", got, err)
	}
	for _, off := range []*string{nil, ptr(""), ptr("  ")} {
		if got, err := schedule.ParseCron(off); got != nil || err != nil {
			t.Errorf("%v: %v, %v, want nothing", off, got, err)
		}
	}
	if schedule.FormatCron(nil) != nil {
		t.Error("no autostart is shown")
	}
}

func TestCronRefused(t *testing.T) {
	for name, text := range map[string]string{
		"four fields":            "30 9 * *",
		"six fields":             "0 30 9 * * 1-5",
		"a day of the month":     "30 9 1 * 1-5",
		"a month":                "30 9 * 1 1-5",
		"a question mark":        "30 9 ? * 1-5",
		"Sunday as 7":            "30 9 * * 7",
		"hour 24":                "30 24 * * *",
		"minute 60":              "60 9 * * *",
		"a descriptor":           "@daily",
		"an interval":            "@every 1h",
		"step zero":              "*/0 9 * * *",
		"an unknown zone":        "CRON_TZ=Mars/Olympus 30 9 * * 1-5",
		"the server's own zone":  "CRON_TZ=Local 30 9 * * 1-5",
		"the same in small":      "CRON_TZ=local 30 9 * * 1-5",
		"no zone":                "CRON_TZ= 30 9 * * 1-5",
		"a zone and nothing":     "CRON_TZ=Europe/Zurich",
		"the short prefix":       "TZ=Europe/Zurich 9 * * 1-5",
		"a prefix in a field":    "TZ=0 9 * * 1",
		"a zone that is a path":  "CRON_TZ=../../etc/passwd 30 9 * * 1-5",
		"a zone from the root":   "CRON_TZ=/etc/localtime 30 9 * * 1-5",
		"text":                   "every morning at nine please",
		"a huge step":            "*/99999999999999999999 9 * * *",
		"a bad range":            "30 9 * * 5-1",
		"a colon where no blank": "30:9:*:*:1-5",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := schedule.ParseCron(&text)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Path != "schedule" {
				t.Errorf("%q: %v, %v, want a fault about schedule", text, got, err)
			}
		})
	}
}

func TestNext(t *testing.T) {
	weekdays := v1alpha1.Schedule{Schedule: "30 9 * * 1-5", TimeZone: "Europe/Zurich"}
	friday := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		schedule v1alpha1.Schedule
		days     []v1alpha1.Weekday
		after    time.Time
		want     string
	}{
		"over the weekend":             {weekdays, nil, friday, "2026-02-02T08:30:00Z"},
		"in summer":                    {weekdays, nil, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), "2026-07-01T07:30:00Z"},
		"not at the very moment":       {weekdays, nil, time.Date(2026, 2, 2, 8, 30, 0, 0, time.UTC), "2026-02-03T08:30:00Z"},
		"on the template's days":       {weekdays, []v1alpha1.Weekday{"Wednesday"}, friday, "2026-02-04T08:30:00Z"},
		"on no such day":               {weekdays, []v1alpha1.Weekday{"Sunday"}, friday, "0001-01-01T00:00:00Z"},
		"each minute, on a Saturday":   {v1alpha1.Schedule{Schedule: "* * * * *"}, []v1alpha1.Weekday{"Saturday"}, friday, "2026-01-31T00:00:00Z"},
		"what can't be read":           {v1alpha1.Schedule{Schedule: "nonsense"}, nil, friday, "0001-01-01T00:00:00Z"},
		"an hour that the clocks skip": {v1alpha1.Schedule{Schedule: "30 2 * * *", TimeZone: "Europe/Zurich"}, nil, time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), "2026-03-29T01:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := schedule.Next(c.schedule, c.days, c.after).Format(time.RFC3339); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// FuzzCron: whatever is read survives the wire, and its next time lies ahead and does not move.
func FuzzCron(f *testing.F) {
	for _, text := range []string{"CRON_TZ=Europe/Zurich 30 9 * * 1-5", "*/15 8-17 * * 0", "TZ=0", "CRON_TZ=", "@every 1h", "0 0 * * 6#2", "? ? * * ?"} {
		f.Add(text, int64(1770000000))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		s, err := schedule.ParseCron(&text)
		if err != nil || s == nil {
			return
		}
		again, err := schedule.ParseCron(schedule.FormatCron(s))
		if err != nil || *again != *s {
			t.Fatalf("%q reads as %v, and that as %v, %v", text, s, again, err)
		}
		after := time.Unix(unix%(1<<33), 0)
		next := schedule.Next(*s, nil, after)
		if next.IsZero() {
			return
		}
		if !next.After(after) {
			t.Fatalf("%q: %v is not after %v", text, next, after)
		}
		if between := after.Add(next.Sub(after) / 2); !schedule.Next(*s, nil, between).Equal(next) {
			t.Fatalf("%q: from %v it is %v, from %v another", text, after, next, between)
		}
	})
}
