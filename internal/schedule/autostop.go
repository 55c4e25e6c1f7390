// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"math"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// TTLField is the wire's name of a workspace's running time.
const TTLField = "ttl_ms"

// ParseTTL reads a running time in milliseconds from the wire. Nil and 0 turn autostop off, which is written as 0s:
// leaving autostop out of the spec would follow the template instead. The fault names ttl_ms.
func ParseTTL(millis *int64, lifecycle *v1alpha1.Lifecycle) (v1alpha1.Duration, error) {
	if millis == nil || *millis == 0 {
		return "0s", nil
	}
	if *millis < MinTTL.Milliseconds() {
		return "", refuseTTL("time until shutdown must be at least one minute")
	}
	if *millis > math.MaxInt64/int64(time.Millisecond) || time.Duration(*millis)*time.Millisecond > MaxTTL {
		return "", refuseTTL("time until shutdown must be less than 30 days")
	}
	ttl := time.Duration(*millis) * time.Millisecond
	if limit := maximum(lifecycle); limit > 0 && ttl > limit {
		return "", refuseTTL("time until shutdown must be at most " + string(FormatDuration(limit)) + ", the template's maximum")
	}
	return FormatDuration(ttl), nil
}

func refuseTTL(detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Invalid workspace time until shutdown.", Fields: []fault.Field{{Path: TTLField, Detail: detail}}}
}

// TTL is how long a workspace runs after a start: its own choice, where the template lets it have one, else the
// template's; 0 is for ever, as far as the template's maximum allows.
func TTL(w *v1alpha1.WorkspaceSpec, lifecycle *v1alpha1.Lifecycle) time.Duration {
	forbidden := lifecycle != nil && lifecycle.UserAutostop == v1alpha1.PermissionForbid
	if w.Autostop != nil && !forbidden {
		return Duration(w.Autostop.After)
	}
	if lifecycle == nil {
		return 0
	}
	return Duration(lifecycle.AutostopAfter)
}

// Deadlines are when a workspace that was started at the time is stopped, and what that can't be moved beyond; the zero
// time where there is none. A running time longer than the template's maximum is cut to it, since the template may have
// been changed after the workspace. A requirement to stop on some days replaces the maximum.
func Deadlines(w *v1alpha1.WorkspaceSpec, rules Rules, started time.Time) (deadline, latest time.Time) {
	latest = rules.required(started)
	if limit := maximum(rules.Lifecycle); limit > 0 {
		latest = started.Add(limit)
	}
	if ttl := TTL(w, rules.Lifecycle); ttl > 0 {
		deadline = started.Add(ttl)
	}
	if !latest.IsZero() {
		deadline = earlier(deadline, latest)
	}
	return deadline, latest
}

// maximum is the longest running time that a template allows; 0 is no limit. A requirement to stop on some days replaces
// it.
func maximum(lifecycle *v1alpha1.Lifecycle) time.Duration {
	if lifecycle == nil || lifecycle.AutostopRequirement != nil {
		return 0
	}
	return Duration(lifecycle.AutostopMax)
}

// Check tells whether a workspace's schedule can be kept: its autostart is readable and its autostop is a duration within
// the bounds. The faults name fields of the manifest.
func Check(w *v1alpha1.WorkspaceSpec) error {
	if w.Autostop != nil {
		ttl, err := ParseDuration(w.Autostop.After)
		if f, ok := fault.As(err); ok {
			return fault.On("spec.autostop.after", "%s", f.Message).Because(v1alpha1.ReasonScheduleInvalid)
		}
		if ttl != 0 && (ttl < MinTTL || ttl > MaxTTL) {
			return fault.On("spec.autostop.after", "must be 0s for never, or between %s and %s",
				FormatDuration(MinTTL), FormatDuration(MaxTTL)).Because(v1alpha1.ReasonScheduleInvalid)
		}
	}
	if w.Autostart != nil {
		if f, ok := fault.As(CheckCron(*w.Autostart)); ok {
			return fault.On("spec.autostart.schedule", "%s", f.Message).Because(v1alpha1.ReasonScheduleInvalid)
		}
	}
	return nil
}
