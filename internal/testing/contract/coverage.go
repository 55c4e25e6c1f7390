// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Coverage says how many endpoints were seen to answer.
type Coverage struct {
	// Tags lists the API's chapters by name.
	Tags []TagCoverage
	// Seen of All endpoints answered.
	Seen, All int
}

// TagCoverage is Coverage of one chapter.
type TagCoverage struct {
	Tag       string
	Seen, All int
}

// Coverage counts a recorders' log. A line that is no sighting, or names an endpoint that the contract lacks, is an
// error: a wrong number is worse than none.
func (f *Facts) Coverage(log io.Reader) (Coverage, error) {
	seen := map[string]bool{}
	lines := bufio.NewScanner(log)
	for number := 1; lines.Scan(); number++ {
		var s Sighting
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return Coverage{}, fmt.Errorf("line %d: %w", number, err)
		}
		e, ok := f.Endpoint(s.Method, s.Path)
		if !ok || e.Path != s.Path {
			return Coverage{}, fmt.Errorf("line %d: %s %s is not in the contract", number, s.Method, s.Path)
		}
		seen[e.String()] = true
	}
	if err := lines.Err(); err != nil {
		return Coverage{}, err
	}
	return f.count(seen), nil
}

func (f *Facts) count(seen map[string]bool) Coverage {
	var c Coverage
	tags := map[string]*TagCoverage{}
	for _, e := range f.endpoints {
		tag := tags[e.Tag]
		if tag == nil {
			tag = &TagCoverage{Tag: e.Tag}
			tags[e.Tag] = tag
		}
		tag.All++
		c.All++
		if seen[e.String()] {
			tag.Seen++
			c.Seen++
		}
	}
	for _, tag := range tags {
		c.Tags = append(c.Tags, *tag)
	}
	slices.SortFunc(c.Tags, func(a, b TagCoverage) int { return strings.Compare(a.Tag, b.Tag) })
	return c
}

// String is a line a chapter, such as "Templates 6 of 32", and last a line for all, "N of 208 endpoints".
func (c Coverage) String() string {
	var b strings.Builder
	for _, tag := range c.Tags {
		fmt.Fprintf(&b, "%s %d of %d\n", tag.Tag, tag.Seen, tag.All)
	}
	fmt.Fprintf(&b, "%d of %d endpoints\n", c.Seen, c.All)
	return b.String()
}
