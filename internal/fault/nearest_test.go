// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/fault"
)

func TestNearest(t *testing.T) {
	tests := map[string]struct {
		name  string
		known []string
		want  string
	}{
		"a letter too many":  {"cpus", []string{"repo", "cpu"}, "cpu"},
		"swapped letters":    {"go-dve", []string{"plain", "go-dev"}, "go-dev"},
		"capitals":           {"Ada", []string{"grace", "ada"}, "ada"},
		"the first of two":   {"b", []string{"a", "c"}, "a"},
		"nothing near":       {"zone", []string{"cpu", "repo"}, ""},
		"nothing known":      {"cpu", nil, ""},
		"nothing asked":      {"", []string{"cpu"}, ""},
		"too long to matter": {strings.Repeat("a", 10_000), []string{strings.Repeat("a", 10_000)}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fault.Nearest(test.name, test.known); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
