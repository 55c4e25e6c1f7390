// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the processes run in an image without time zones, and must read them as any other machine does

	"github.com/robfig/cron/v3"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// ScheduleField is the wire's name of a workspace's autostart.
const ScheduleField = "schedule"

// zonePrefix stands before a cron line on the wire and names its time zone.
const zonePrefix = "CRON_TZ="

// ParseCron reads a workspace's autostart from the wire: CRON_TZ=Europe/Zurich 30 9 * * 1-5, or the same without a zone,
// which is UTC. Nil and "" turn autostart off and give nil. The fault names schedule.
func ParseCron(text *string) (*v1alpha1.Schedule, error) {
	if text == nil || strings.TrimSpace(*text) == "" {
		return nil, nil
	}
	s := v1alpha1.Schedule{Schedule: strings.TrimSpace(*text)}
	if rest, ok := strings.CutPrefix(s.Schedule, zonePrefix); ok {
		zone, fields, _ := strings.Cut(rest, " ")
		if zone == "" {
			return nil, refuseCron("a time zone must follow " + zonePrefix + ", as in " + zonePrefix + "Europe/Zurich 30 9 * * 1-5")
		}
		s = v1alpha1.Schedule{Schedule: fields, TimeZone: zone}
	}
	s.Schedule = strings.Join(strings.Fields(s.Schedule), " ")
	if err := CheckCron(s); err != nil {
		if f, ok := fault.As(err); ok {
			return nil, refuseCron(f.Message)
		}
		return nil, err
	}
	return &s, nil
}

func refuseCron(detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Invalid autostart schedule.", Fields: []fault.Field{{Path: ScheduleField, Detail: detail}}}
}

// FormatCron writes an autostart as the wire has it, with the zone where one was given; nil for none.
func FormatCron(s *v1alpha1.Schedule) *string {
	if s == nil {
		return nil
	}
	text := s.Schedule
	if s.TimeZone != "" {
		text = zonePrefix + s.TimeZone + " " + text
	}
	return &text
}

// CheckCron tells whether an autostart can be kept. Its fault names no field.
func CheckCron(s v1alpha1.Schedule) error {
	_, err := compile(s)
	return err
}

// Next is the first time after the given one at which an autostart starts its workspace, on one of the days; no days are
// all seven. Days and hours are those of the schedule's own time zone. It is the zero time when there is none: the
// schedule can't be read, or never falls on such a day.
func Next(s v1alpha1.Schedule, days []v1alpha1.Weekday, after time.Time) time.Time {
	c, err := compile(s)
	if err != nil {
		return time.Time{}
	}
	return c.next(after, func(day time.Time) bool { return on(days, day) })
}

// on tells whether a day is one of the days; no days are all seven.
func on(days []v1alpha1.Weekday, day time.Time) bool {
	return len(days) == 0 || slices.Contains(days, v1alpha1.Weekday(day.Weekday().String()))
}

// compile reads the five fields and the zone. The zone is never left to the cron library, which panics on some of them
// and fires twice, or not at all, in the hours in which clocks are moved.
func compile(s v1alpha1.Schedule) (calendar, error) {
	fields := strings.Fields(s.Schedule)
	if len(fields) != 5 {
		return calendar{}, fault.New(fault.Invalid, "must have five fields (minute, hour, day of month, month, day of week), as in 30 9 * * 1-5; this has %d", len(fields))
	}
	if fields[2] != "*" || fields[3] != "*" {
		return calendar{}, fault.New(fault.Invalid, "day of month and month must be *: workspaces start by the day of the week")
	}
	if strings.ContainsRune(fields[0], '=') {
		return calendar{}, fault.New(fault.Invalid, "the first field is the minute; a time zone does not belong there")
	}
	zone, err := location(s.TimeZone)
	if err != nil {
		return calendar{}, err
	}
	line, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(strings.Join(fields, " "))
	if err != nil {
		return calendar{}, &fault.Error{Kind: fault.Invalid, Cause: err, Message: "can't be read: minute is 0-59, hour 0-23, day of week 0-6 with Sunday first; lists (1,3), ranges (1-5) and steps (*/15) may be used"}
	}
	return calendar{line: line, zone: zone}, nil
}

// location reads a time zone's name. Local is refused: it would be the server's.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if zone, ok := read.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return nil, &fault.Error{Kind: fault.Invalid, Cause: err, Message: "time zone " + name + " is unknown: use an IANA name such as Europe/Zurich, or UTC"}
	}
	read.Store(name, zone)
	return zone, nil
}

// read holds the zones that were read, by name. There are some hundreds, and reading one takes as long as all else here.
var read sync.Map
