// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"

	parser "github.com/scim2/filter-parser/v2"

	"github.com/berth-dev/berth/internal/fault"
)

// The bounds of a filter: its length in bytes, and how many expressions may stand in one another.
const (
	maxFilter = 2048
	maxDepth  = 16
)

// Filter selects accounts. The zero value selects all.
type Filter struct{ expression parser.Expression }

// ParseFilter reads a filter; empty text selects all. One that can't be read, or that asks for an attribute that is not
// kept, is an Invalid fault at "filter".
func ParseFilter(text string) (Filter, error) {
	if text == "" {
		return Filter{}, nil
	}
	if len(text) > maxFilter || strings.Count(text, "(")+strings.Count(text, "[") > maxDepth {
		return Filter{}, wrongFilter("must have at most %d characters and %d brackets", maxFilter, maxDepth)
	}
	expression, err := parser.ParseFilter([]byte(text))
	if err != nil {
		return Filter{}, wrongFilter(`can't be read; it has the form userName eq "ada@example.org"`)
	}
	if err := check("", expression); err != nil {
		return Filter{}, err
	}
	return Filter{expression}, nil
}

// UserName is the name that the filter asks for, where it asks for nothing else.
func (f Filter) UserName() (string, bool) {
	e, ok := f.expression.(*parser.AttributeExpression)
	if !ok || pathOf("", e.AttributePath) != attributeUserName || lower(e.Operator) != parser.EQ {
		return "", false
	}
	name, ok := e.CompareValue.(string)
	return name, ok
}

// Match tells whether the filter selects the account.
func (f Filter) Match(r Resource) bool { return f.expression == nil || match("", f.expression, r) }

// check refuses attributes that are not kept, and comparisons that have no meaning for them.
func check(below string, e parser.Expression) error {
	switch e := e.(type) {
	case *parser.LogicalExpression:
		if err := check(below, e.Left); err != nil {
			return err
		}
		return check(below, e.Right)
	case *parser.NotExpression:
		return check(below, e.Expression)
	case *parser.ValuePath:
		if below != "" || pathOf("", e.AttributePath) != attributeEmails {
			return wrongFilter("only emails has values that can be selected by a filter in brackets")
		}
		return check(attributeEmails, e.ValueFilter)
	case *parser.AttributeExpression:
		return checkComparison(below, e)
	}
	return wrongFilter("holds something that is not known here")
}

func checkComparison(below string, e *parser.AttributeExpression) error {
	path := pathOf(below, e.AttributePath)
	_, isText := Resource{}.text(path)
	if !isText && path != attributeActive && !aside(path) {
		return wrongFilter("there is no attribute %s; there are id, externalId, userName, displayName, name, emails and active", e.AttributePath)
	}
	by := lower(e.Operator)
	_, isTruth := e.CompareValue.(bool)
	_, isText = e.CompareValue.(string)
	equality := by == parser.EQ || by == parser.NE
	switch {
	case by == parser.PR, equality && e.CompareValue == nil, aside(path):
		return nil
	case path == attributeActive && !(equality && isTruth):
		return wrongFilter("active is compared with true or false, by eq or ne")
	case path != attributeActive && !isText:
		return wrongFilter("%s is compared with text in double quotes", e.AttributePath)
	}
	return nil
}

// aside tells whether an attribute is one of an address that says which of several it is. There is only one here, so
// that every such question is answered as for the one.
func aside(path string) bool {
	return path == attributeEmails+".type" || path == attributeEmails+".primary"
}

func match(below string, e parser.Expression, r Resource) bool {
	switch e := e.(type) {
	case *parser.LogicalExpression:
		if strings.EqualFold(string(e.Operator), string(parser.AND)) {
			return match(below, e.Left, r) && match(below, e.Right, r)
		}
		return match(below, e.Left, r) || match(below, e.Right, r)
	case *parser.NotExpression:
		return !match(below, e.Expression, r)
	case *parser.ValuePath:
		return match(attributeEmails, e.ValueFilter, r)
	case *parser.AttributeExpression:
		return compare(pathOf(below, e.AttributePath), lower(e.Operator), e.CompareValue, r)
	}
	return false
}

func compare(path string, by parser.CompareOperator, value any, r Resource) bool {
	if aside(path) {
		return true
	}
	if path == attributeActive {
		want, _ := value.(bool)
		return by == parser.PR || (r.Active == want) == (by == parser.EQ)
	}
	have, _ := r.text(path)
	want, isText := value.(string)
	if by == parser.PR {
		return have != ""
	}
	if !isText { // null
		return (have == "") == (by == parser.EQ)
	}
	if !exact(path) {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	switch by {
	case parser.EQ:
		return have == want
	case parser.NE:
		return have != want
	case parser.CO:
		return strings.Contains(have, want)
	case parser.SW:
		return strings.HasPrefix(have, want)
	case parser.EW:
		return strings.HasSuffix(have, want)
	case parser.GT:
		return have > want
	case parser.GE:
		return have >= want
	case parser.LT:
		return have < want
	case parser.LE:
		return have <= want
	}
	return false
}

// pathOf is an attribute's path in lower case, without the name of its schema.
func pathOf(below string, p parser.AttributePath) string {
	path := strings.ToLower(p.AttributeName)
	if sub := p.SubAttributeName(); sub != "" {
		path += "." + strings.ToLower(sub)
	}
	if below != "" {
		path = below + "." + path
	}
	return path
}

func lower(o parser.CompareOperator) parser.CompareOperator {
	return parser.CompareOperator(strings.ToLower(string(o)))
}

func wrongFilter(format string, args ...any) error {
	return fault.On("filter", format, args...).Because(ReasonFilter)
}
