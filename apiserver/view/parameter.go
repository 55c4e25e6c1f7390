// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
)

// Parameters shows the parameters of a version, in the order that its author wants.
func Parameters(v *v1alpha1.TemplateVersion) []codersdk.TemplateVersionParameter {
	declared := slices.Clone(v.Spec.Content.Parameters)
	slices.SortStableFunc(declared, func(a, b v1alpha1.Parameter) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
	all := make([]codersdk.TemplateVersionParameter, 0, len(declared))
	for _, p := range declared {
		all = append(all, parameter(p))
	}
	return all
}

func parameter(p v1alpha1.Parameter) codersdk.TemplateVersionParameter {
	wire := codersdk.TemplateVersionParameter{
		Name:                 p.Name,
		DisplayName:          string(p.DisplayName),
		Description:          p.Description,
		DescriptionPlaintext: plaintext(p.Description),
		Type:                 parameterType(p.Type),
		Mutable:              p.Mutable,
		Ephemeral:            p.Ephemeral,
		Icon:                 string(p.Icon),
		Options:              []codersdk.TemplateVersionParameterOption{},
		ValidationError:      p.PatternMessage,
		ValidationRegex:      p.Pattern,
		ValidationMin:        bound(p.Minimum, math.Ceil),
		ValidationMax:        bound(p.Maximum, math.Floor),
		ValidationMonotonic:  codersdk.ValidationMonotonicOrder(strings.ToLower(string(p.Monotonic))),
		Required:             p.Default == nil || p.Default.IsNull(),
	}
	if !wire.Required {
		wire.DefaultValue = parameters.ToWire(p, *p.Default)
	}
	for _, o := range p.Options {
		value := parameters.ToWire(p, o.Value)
		wire.Options = append(wire.Options, codersdk.TemplateVersionParameterOption{
			Name: orText(string(o.DisplayName), value), Description: o.Description, Value: value, Icon: string(o.Icon),
		})
	}
	return wire
}

func parameterType(t v1alpha1.ParameterType) codersdk.ParameterType {
	switch t {
	case v1alpha1.TypeInteger, v1alpha1.TypeNumber:
		return codersdk.ParameterTypeNumber
	case v1alpha1.TypeBoolean:
		return codersdk.ParameterTypeBool
	case v1alpha1.TypeArray:
		return codersdk.ParameterTypeListString
	}
	return codersdk.ParameterTypeString
}

// bound is a number's bound as the wire has it, which knows whole ones only: rounded to the inside.
func bound(v *v1alpha1.Value, round func(float64) float64) *int64 {
	if v == nil || v.IsNull() {
		return nil
	}
	f, err := strconv.ParseFloat(v.String(), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return nil
	}
	whole := int64(round(f))
	return &whole
}

var (
	markdownLink   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	markdownPrefix = regexp.MustCompile(`(?m)^[ \t]*(#{1,6}|>|[-*+])[ \t]+`)
	markdownMarks  = regexp.MustCompile("\\*\\*|__|~~|`")
	markdownStress = regexp.MustCompile(`\*([^*\s][^*\n]*)\*`)
)

// plaintext is a description without Markdown's marks, for clients that show plain text: links leave their text,
// headings, quotes and lists their lines.
func plaintext(markdown string) string {
	text := markdownLink.ReplaceAllString(markdown, "$1")
	text = markdownPrefix.ReplaceAllString(text, "")
	text = markdownMarks.ReplaceAllString(text, "")
	return strings.TrimSpace(markdownStress.ReplaceAllString(text, "$1"))
}
