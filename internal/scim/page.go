// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strconv"

	"github.com/berth-dev/berth/internal/fault"
)

// Page is the part of a list that is asked for.
type Page struct {
	// Start is the number of the first item, from 1.
	Start int
	// Count is how many items are wished at most; 0 asks for their number alone.
	Count int
}

// ParsePage reads startIndex and count, either of which may be empty; most bounds the count. As SCIM has it, a start below
// 1 is 1, and a count below 0 is 0.
func ParsePage(start, count string, most int) (Page, error) {
	p := Page{Start: 1, Count: most}
	for _, v := range []struct {
		name, text string
		into       *int
	}{{"startIndex", start, &p.Start}, {"count", count, &p.Count}} {
		if v.text == "" {
			continue
		}
		n, err := strconv.ParseInt(v.text, 10, 32)
		if err != nil {
			return p, fault.On(v.name, "must be a whole number").Because(ReasonValue)
		}
		*v.into = int(n)
	}
	p.Start, p.Count = max(p.Start, 1), min(max(p.Count, 0), most)
	return p, nil
}

// Cut gives the page's part of a list.
func Cut[T any](items []T, p Page) []T {
	items = items[min(p.Start-1, len(items)):]
	return items[:min(p.Count, len(items))]
}
