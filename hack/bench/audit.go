// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

var tenGiB = resource.MustParse("10Gi")

// writes are the writes of one user: all that were answered but conflicts, which are counted apart, and each kind of them.
type writes struct {
	total, conflicts int
	of               map[string]int
}

// record is what of a line of the audit log is read.
type record struct {
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	ObjectRef  struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// readWrites counts a user's writes in an audit log so far. Dry runs write nothing, and a review of rights is a question.
func readWrites(path, user string) (writes, error) {
	w := writes{of: map[string]int{}}
	f, err := os.Open(path)
	if err != nil {
		return w, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	mine := []byte(`"` + user + `"`)
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return w, nil // a line without its end is still being written
		}
		if err != nil {
			return w, err
		}
		if !bytes.Contains(line, mine) {
			continue
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return w, fmt.Errorf("audit log: %w", err)
		}
		switch {
		case r.User.Username != user || strings.Contains(r.RequestURI, "dryRun=") || strings.HasSuffix(r.ObjectRef.Resource, "accessreviews"):
		case r.ResponseStatus.Code == 409:
			w.conflicts++
		default:
			w.total++
			what := r.Verb + " " + r.ObjectRef.Resource
			if r.ObjectRef.Subresource != "" {
				what += "/" + r.ObjectRef.Subresource
			}
			w.of[what]++
		}
	}
}

// since is what was written after an earlier reading.
func (w writes) since(before writes) writes {
	d := writes{total: w.total - before.total, conflicts: w.conflicts - before.conflicts, of: map[string]int{}}
	for what, n := range w.of {
		if n > before.of[what] {
			d.of[what] = n - before.of[what]
		}
	}
	return d
}

// each says what was written for each of n things.
func (w writes) each(n int) string {
	var kinds []string
	for what := range w.of {
		kinds = append(kinds, what)
	}
	slices.Sort(kinds)
	var b strings.Builder
	for _, what := range kinds {
		fmt.Fprintf(&b, "%s %.2f, ", what, float64(w.of[what])/float64(n))
	}
	fmt.Fprintf(&b, "conflicts %.2f", float64(w.conflicts)/float64(n))
	return b.String()
}
