// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"regexp"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// midnight is when the day ends of somebody who has not said otherwise.
func midnight() v1alpha1.Schedule { return v1alpha1.Schedule{Schedule: "0 0 * * *", TimeZone: "UTC"} }

// oneTime is a cron line of one time of every day.
var oneTime = regexp.MustCompile(`^[0-9]{1,2} [0-9]{1,2} \* \* \*$`)

// ParseQuietHours reads from the wire when a person's day ends: CRON_TZ=Europe/Zurich 30 23 * * *, or the same without a
// zone, which is UTC. It is one time a day, every day. "" is the default and gives nil. The fault names schedule.
func ParseQuietHours(text string) (*v1alpha1.Schedule, error) {
	s, err := ParseCron(&text)
	if err != nil {
		if f, ok := fault.As(err); ok {
			return nil, refuseQuietHours(f.Fields[0].Detail)
		}
		return nil, err
	}
	if s != nil && !oneTime.MatchString(s.Schedule) {
		return nil, refuseQuietHours("must be one minute and one hour of every day, as in " + zonePrefix + "Europe/Zurich 30 23 * * *")
	}
	return s, nil
}

func refuseQuietHours(detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Invalid quiet hours schedule.", Fields: []fault.Field{{Path: ScheduleField, Detail: detail}}}
}

// QuietHours is when a person's day ends, by what the person said; nil, and what can't be read, is midnight in UTC. The
// time zone is always given.
func QuietHours(own *v1alpha1.Schedule) v1alpha1.Schedule {
	if own == nil || CheckCron(*own) != nil {
		return midnight()
	}
	s := *own
	if s.TimeZone == "" {
		s.TimeZone = "UTC"
	}
	return s
}

// NextQuietHours is when they begin next after a time, in their own zone.
func NextQuietHours(s v1alpha1.Schedule, after time.Time) time.Time {
	at := Next(s, nil, after)
	zone, err := location(strings.TrimSpace(s.TimeZone))
	if err != nil {
		return at
	}
	return at.In(zone)
}

// WallTime is the time of day of quiet hours as HH:mm, by their zone's clocks; of those that are not one time a day, that
// of the next.
func WallTime(s v1alpha1.Schedule, next time.Time) string {
	if oneTime.MatchString(s.Schedule) {
		fields := strings.Fields(s.Schedule)
		return twoDigits(fields[1]) + ":" + twoDigits(fields[0])
	}
	return next.Format("15:04")
}

func twoDigits(n string) string {
	if len(n) < 2 {
		return "0" + n
	}
	return n
}
