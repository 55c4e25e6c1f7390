// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// QuietHours shows when a person's day ends.
func QuietHours(u *v1alpha1.User, now time.Time) codersdk.UserQuietHoursScheduleResponse {
	s := schedule.QuietHours(u.Spec.QuietHours)
	next := schedule.NextQuietHours(s, now)
	return codersdk.UserQuietHoursScheduleResponse{
		RawSchedule: *schedule.FormatCron(&s),
		UserSet:     u.Spec.QuietHours != nil,
		UserCanSet:  true,
		Time:        schedule.WallTime(s, next),
		Timezone:    s.TimeZone,
		Next:        next.UTC(),
	}
}
