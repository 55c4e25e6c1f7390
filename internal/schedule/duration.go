// SPDX-License-Identifier: Apache-2.0

// Package schedule holds the rules of time: how long a workspace may run, when it starts by itself, and how both are
// written in manifests and on the wire. It computes from objects and a time that it is given; it keeps no clock and sets
// no timer, so the API server shows and the manager acts by the same answer.
package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// The bounds of what a person may choose as a workspace's running time.
const (
	MinTTL = time.Minute
	MaxTTL = 30 * 24 * time.Hour
)

// longest is the greatest duration that a manifest may hold.
const longest = 87840 * time.Hour

var durationPattern = regexp.MustCompile(`^([0-9]{1,6}(\.[0-9]{1,3})?(h|m|s))+$`)

// ParseDuration reads a manifest's duration. Absent is 0. Its fault names no field; the caller knows which.
func ParseDuration(text v1alpha1.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || !durationPattern.MatchString(string(text)) || d > longest {
		return 0, fault.New(fault.Invalid, "%q is no duration: write hours, minutes and seconds as in 8h, 1h30m or 90s, at most %s; a week is 168h",
			text, FormatDuration(longest))
	}
	return d, nil
}

// Duration is ParseDuration for those who show what is stored: what can't be read is 0.
func Duration(text v1alpha1.Duration) time.Duration {
	d, err := ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// FormatDuration writes a duration as a manifest holds it, without parts that are zero: 8h, 1h30m, 90.5s, 0s. Parts of a
// millisecond are dropped.
func FormatDuration(d time.Duration) v1alpha1.Duration {
	d = d.Truncate(time.Millisecond)
	if d <= 0 {
		return "0s"
	}
	text := ""
	if h := d / time.Hour; h > 0 {
		text += fmt.Sprintf("%dh", h)
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		text += fmt.Sprintf("%dm", m)
	}
	if s := d % time.Minute; s > 0 {
		text += strconv.FormatFloat(s.Seconds(), 'f', -1, 64) + "s"
	}
	return v1alpha1.Duration(text)
}
