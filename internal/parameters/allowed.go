// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// violation says in which way a value of the right type is not allowed; nothing when it is.
func violation(p *v1alpha1.Parameter, x any) string {
	for _, check := range []func(*v1alpha1.Parameter, any) string{outOfBounds, notAnOption, notOfPattern} {
		if v := check(p, x); v != "" {
			return v
		}
	}
	return ""
}

func outOfBounds(p *v1alpha1.Parameter, x any) string {
	if order, ok := compareTo(p, x, p.Minimum); ok && order < 0 {
		return fmt.Sprintf("%s is below %s, the minimum", show(x), p.Minimum)
	}
	if order, ok := compareTo(p, x, p.Maximum); ok && order > 0 {
		return fmt.Sprintf("%s is above %s, the maximum", show(x), p.Maximum)
	}
	return ""
}

// compareTo orders a value and a bound, where there is a bound of the value's type.
func compareTo(p *v1alpha1.Parameter, x any, bound *v1alpha1.Value) (order int, ok bool) {
	if bound == nil {
		return 0, false
	}
	b, err := Decode(p.Type, *bound)
	if err != nil {
		return 0, false
	}
	return compare(x, b)
}

// compare orders two values of one numeric type.
func compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case int64:
		b, ok := b.(int64)
		return cmp.Compare(a, b), ok
	case float64:
		b, ok := b.(float64)
		return cmp.Compare(a, b), ok
	}
	return 0, false
}

func notAnOption(p *v1alpha1.Parameter, x any) string {
	if len(p.Options) == 0 {
		return ""
	}
	value := encode(x)
	texts := make([]string, 0, len(p.Options))
	for _, o := range p.Options {
		allowed, err := Decode(p.Type, o.Value)
		if err == nil && same(allowed, x) {
			return ""
		}
		texts = append(texts, shorten(o.Value.String(), 64))
	}
	message := fmt.Sprintf("%s is none of %s", show(x), list(texts))
	if near := fault.Nearest(value.String(), texts); near != "" && p.Type == v1alpha1.TypeString {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}

func notOfPattern(p *v1alpha1.Parameter, x any) string {
	text, isText := x.(string)
	if p.Pattern == "" || !isText {
		return ""
	}
	// A version whose pattern does not compile is never promoted; should one get here, nothing matches it.
	pattern, err := regexp.Compile(p.Pattern)
	if err == nil && pattern.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("%s is refused: %s", show(x), cmp.Or(p.PatternMessage, "it must match "+p.Pattern))
}

// against says that a change goes the wrong way.
func against(direction v1alpha1.Monotonic, before, after any) string {
	order, ok := compare(after, before)
	switch {
	case !ok:
		return ""
	case direction == v1alpha1.MonotonicIncreasing && order < 0:
		return fmt.Sprintf("%s is below %s, the present value, and it may only grow", show(after), show(before))
	case direction == v1alpha1.MonotonicDecreasing && order > 0:
		return fmt.Sprintf("%s is above %s, the present value, and it may only shrink", show(after), show(before))
	}
	return ""
}

// reserved are the words of the expression language, which cannot follow a dot everywhere.
func reserved(name string) bool {
	words := strings.Fields("true false null in as break const continue else for function if import let loop package namespace return var void while")
	return slices.Contains(words, name)
}
