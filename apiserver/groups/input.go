// SPDX-License-Identifier: Apache-2.0

package groups

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
)

// The bounds of what a request may say of a group, as the schema has them.
const (
	maxName        = 36
	maxDisplayName = 64
	maxAvatar      = 2048
	maxAllowance   = 1_000_000_000
)

// input reads what a request says of a group and gathers what is wrong with it, by its field.
type input struct{ wrong []fault.Field }

func (in *input) refuse(field, detail string) {
	in.wrong = append(in.wrong, fault.Field{Path: field, Detail: detail})
}

// err is nil when nothing was wrong.
func (in *input) err() error {
	if len(in.wrong) == 0 {
		return nil
	}
	slices.SortStableFunc(in.wrong, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: in.wrong}
}

func (in *input) name(name string) {
	switch {
	case !policy.IsName(name, maxName):
		in.refuse("name", "must be letters and digits in parts joined by single hyphens, 1 to 36 characters")
	case strings.EqualFold(name, view.Everyone):
		in.refuse("name", "is the name of the group of all members")
	case strings.EqualFold(name, "new") || strings.EqualFold(name, "create"):
		in.refuse("name", "is a word that clients use themselves; choose another")
	}
}

func (in *input) displayName(text string) v1alpha1.DisplayName {
	if utf8.RuneCountInString(text) > maxDisplayName || !utf8.ValidString(text) || strings.TrimSpace(text) != text {
		in.refuse("display_name", "must be at most 64 characters, without blanks around them")
	}
	return v1alpha1.DisplayName(text)
}

func (in *input) avatar(text string) string {
	if len(text) > maxAvatar || !utf8.ValidString(text) {
		in.refuse("avatar_url", "must be at most 2048 characters")
	}
	return text
}

func (in *input) allowance(credits int) int64 {
	if credits < 0 || credits > maxAllowance {
		in.refuse("quota_allowance", "must be 0 to 1000000000 credits a day")
	}
	return int64(credits)
}
