// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	letters := strings.Split("a b c d e f g h i j k l m n o p q r s t", " ")
	text := func(words ...string) string { return strings.Join(words, "\n") + "\n" }
	changed := append([]string{}, letters...)
	changed[4], changed[18] = "E", "S"
	for name, c := range map[string]struct{ a, b, want string }{
		"alike":    {"a\n", "a\n", ""},
		"all new":  {"", "a\n", "--- old\n+++ new\n@@ -0,0 +1,1 @@\n+a\n"},
		"all gone": {"a\nb\n", "", "--- old\n+++ new\n@@ -1,2 +0,0 @@\n-a\n-b\n"},
		"two places": {text(letters...), text(changed...), "--- old\n+++ new\n" +
			"@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n" +
			"@@ -16,5 +16,5 @@\n p\n q\n r\n-s\n+S\n t\n"},
		"one place": {text("a", "b", "c", "d"), text("a", "x", "c", "d", "e"), "--- old\n+++ new\n@@ -1,4 +1,5 @@\n a\n-b\n+x\n c\n d\n+e\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Diff("old", "new", c.a, c.b)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The edits make b of a, whatever the two are.
func TestCompareIsComplete(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := func() []string {
		var all []string
		for range random.IntN(12) {
			all = append(all, string(rune('a'+random.IntN(4))))
		}
		return all
	}
	for range 2000 {
		a, b := words(), words()
		var before, after []string
		for _, e := range compare(a, b) {
			if e.op != '+' {
				before = append(before, e.text)
			}
			if e.op != '-' {
				after = append(after, e.text)
			}
		}
		if !cmp.Equal(before, a) || !cmp.Equal(after, b) {
			t.Fatalf("%v and %v: the edits are of %v and %v", a, b, before, after)
		}
	}
}
