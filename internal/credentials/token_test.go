// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"strings"
	"testing"
)

func TestTokensAreReadAsTheyWereMade(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		made := newToken()
		text := made.String()
		if seen[text] || len(text) != 33 {
			t.Fatalf("%q: a token has 33 characters and comes once", text)
		}
		seen[text] = true
		if read, ok := parseToken(text); !ok || read != made {
			t.Fatalf("%q reads as %v, %v", text, read, ok)
		}
	}
}

func TestWhatIsNoToken(t *testing.T) {
	good := newToken().String()
	for name, text := range map[string]string{
		"nothing":          "",
		"cut":              good[:32],
		"too long":         good + "x",
		"no hyphen":        strings.Replace(good, "-", "x", 1),
		"two hyphens":      good[:20] + "-" + good[21:],
		"the hyphen early": good[:9] + "-" + good[9:10] + good[11:],
		"blanks around":    " " + good[1:],
		"another alphabet": good[:32] + "_",
		"a byte beyond":    good[:32] + "\xff",
		"a letter of two":  good[:31] + "é",
		"a NUL":            good[:32] + "\x00",
		"a path":           "../../../..-" + strings.Repeat("a", 21),
	} {
		t.Run(name, func(t *testing.T) {
			if read, ok := parseToken(text); ok {
				t.Errorf("%q reads as %v", text, read)
			}
		})
	}
}

// FuzzToken: whatever is sent as a token, it reads as one only in the one form.
func FuzzToken(f *testing.F) {
	f.Add(newToken().String())
	f.Add("")
	f.Add("-")
	f.Add(strings.Repeat("-", 33))
	f.Fuzz(func(t *testing.T, text string) {
		read, ok := parseToken(text)
		if !ok {
			return
		}
		if read.String() != text || len(read.id) != idLength || len(read.secret) != secretLength || strings.ContainsAny(text, "/.\x00 ") {
			t.Errorf("%q reads as %v", text, read)
		}
	})
}
