// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/schedule"
)

// The bounds of what a request may say of a template. Those of text are the fields' in the schema, but for that of a new
// description, which clients know.
const (
	maxName           = 32
	maxDisplayName    = 64
	maxDescription    = 1024
	maxNewDescription = 127
	maxIcon           = 8192
	maxDeprecation    = 1024
	maxWeeks          = 16
	maxDuration       = 87840 * time.Hour
)

// input reads what a request says of a template and gathers what is wrong with it, by its field.
type input struct{ wrong []fault.Field }

func (in *input) refuse(field, detail string) {
	in.wrong = append(in.wrong, fault.Field{Path: field, Detail: detail})
}

// err is nil when nothing was wrong.
func (in *input) err() error {
	if len(in.wrong) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: in.wrong}
}

func (in *input) name(name string) {
	switch lower := strings.ToLower(name); {
	case name == "":
		in.refuse("name", "is required")
	case len(name) > maxName:
		in.refuse("name", "must have at most 32 characters")
	case !policy.IsName(name, maxName):
		in.refuse("name", "must be letters and digits in parts joined by single hyphens, such as go-dev")
	case lower == "new" || lower == "create":
		in.refuse("name", "is a word that clients use themselves; choose another")
	}
}

// displayName is a name for people, without blanks around it.
func (in *input) displayName(text string) v1alpha1.DisplayName {
	if strings.TrimSpace(text) != text {
		in.refuse("display_name", "must not begin or end with a blank")
	}
	return v1alpha1.DisplayName(in.text("display_name", text, maxDisplayName))
}

func (in *input) text(field, text string, limit int) string {
	switch {
	case !utf8.ValidString(text):
		in.refuse(field, "must be valid UTF-8")
	case utf8.RuneCountInString(text) > limit:
		in.refuse(field, "is too long: "+itoa(utf8.RuneCountInString(text))+" characters of at most "+itoa(limit))
	}
	return text
}

// duration is a length of time; 0 is absent.
func (in *input) duration(field string, ms int64) v1alpha1.Duration {
	switch {
	case ms == 0:
		return ""
	case ms < 0:
		in.refuse(field, "must be 0, which is off, or more milliseconds")
		return ""
	case ms > maxDuration.Milliseconds():
		in.refuse(field, "must be at most "+itoa(int(maxDuration.Milliseconds()))+" milliseconds, which is ten years")
		return ""
	}
	return schedule.FormatDuration(time.Duration(ms) * time.Millisecond)
}

// autostopRequirement is none where no day is named.
func (in *input) autostopRequirement(r *codersdk.TemplateAutostopRequirement) *v1alpha1.AutostopRequirement {
	if r == nil {
		return nil
	}
	if r.Weeks < 0 || r.Weeks > maxWeeks {
		in.refuse("autostop_requirement.weeks", "must be 0 to 16")
		return nil
	}
	days := in.days("autostop_requirement.days_of_week", r.DaysOfWeek)
	if len(days) == 0 {
		return nil
	}
	requirement := &v1alpha1.AutostopRequirement{DaysOfWeek: days}
	if weeks := int32(r.Weeks); weeks > 1 {
		requirement.Weeks = &weeks
	}
	return requirement
}

// autostartDays are absent where all are named.
func (in *input) autostartDays(r *codersdk.TemplateAutostartRequirement) []v1alpha1.Weekday {
	if r == nil {
		return nil
	}
	days := in.days("autostart_requirement.days_of_week", r.DaysOfWeek)
	if len(r.DaysOfWeek) == 0 {
		in.refuse("autostart_requirement.days_of_week", "must name a day; set allow_user_autostart to false where nothing may start by itself")
	}
	if len(days) == len(week()) {
		return nil
	}
	return days
}

// days reads names of days, Monday first, each once.
func (in *input) days(field string, names []string) []v1alpha1.Weekday {
	var days []v1alpha1.Weekday
	for _, name := range names {
		if !slices.ContainsFunc(week(), func(d v1alpha1.Weekday) bool { return strings.ToLower(string(d)) == name }) {
			in.refuse(field, "must name days of the week in lower case, such as monday")
			return nil
		}
	}
	for _, d := range week() {
		if slices.Contains(names, strings.ToLower(string(d))) {
			days = append(days, d)
		}
	}
	return days
}

func week() []v1alpha1.Weekday {
	return []v1alpha1.Weekday{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
}

// within refuses a default running time beyond the maximum, where there is one.
func (in *input) within(l *v1alpha1.Lifecycle) {
	limit := schedule.Duration(l.AutostopMax)
	if limit > 0 && l.AutostopRequirement == nil && schedule.Duration(l.AutostopAfter) > limit {
		in.refuse("default_ttl_ms", "must be at most max_ttl_ms, which is "+itoa(int(limit.Milliseconds())))
	}
}

// permission is Forbid, or absent where owners may.
func permission(allowed bool) v1alpha1.Permission {
	if allowed {
		return ""
	}
	return v1alpha1.PermissionForbid
}
