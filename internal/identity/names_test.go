// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"strings"
	"testing"
)

func TestUsernameFor(t *testing.T) {
	for text, want := range map[string]string{
		"ada":                          "ada",
		"Ada.Lovelace@example.org":     "Ada-Lovelace",
		"_ada__b_":                     "ada-b",
		"me@example.org":               "me-1",
		"@example.org":                 "user",
		"Ünïcode":                      "n-code",
		"日本":                           "user",
		strings.Repeat("a", 31) + ".b": strings.Repeat("a", 31),
		strings.Repeat("b", 99):        strings.Repeat("b", 32),
		"a@b@c":                        "a",
	} {
		got := UsernameFor(text)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if f := CheckUsername("username", got); f != nil {
			t.Errorf("%q becomes %q, which is none: %v", text, got, f)
		}
	}
}
