// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func escaped(t *testing.T, pieces ...string) string {
	t.Helper()
	var out bytes.Buffer
	e := &escaper{to: &out}
	for _, p := range pieces {
		if n, err := e.Write([]byte(p)); err != nil || n != len(p) {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEscaper(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		want   string
	}{
		"what can be seen":        {[]string{"a\tb\nZürich 日本 💥\n"}, "a\tb\nZürich 日本 💥\n"},
		"a character in pieces":   {[]string{"Z\xc3", "\xbcrich"}, "Zürich"},
		"another system's lines":  {[]string{"a\r\nb\r", "\nc"}, "a\nb\nc"},
		"a carriage return alone": {[]string{"good\rbad"}, `good\u000dbad`},
		"one at the end":          {[]string{"good\r"}, `good\x0d`},
		"no UTF-8":                {[]string{"a\xffb\xc3"}, `a\xffb\xc3`},
		"a tag":                   {[]string{"a\U000e0041b"}, `a\udb40\udc41b`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := escaped(t, c.pieces...); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Colours, the title, the clipboard, links, deletion of what was read before, and text turned around: a log or a name
// can do none of it.
func TestAdvisory_V20_ControlBytesAreEscaped(t *testing.T) {
	for name, evil := range map[string]string{
		"colour":        "\x1b[31mred",
		"link":          "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
		"clipboard":     "\x1b]52;c;cm0gLXJmIC8=\x07",
		"8-bit control": "\u009b2J",
		"bell":          "\a",
		"backspace":     "good\b\b\b\bevil",
		"bidi":          "a\u202eb\u2066c\u200fd",
		"line":          "a\u2028b\u2029c",
		"delete":        "\x7f",
		"null":          "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			got := escaped(t, evil)
			for _, r := range got {
				if r < ' ' || r >= 0x7f {
					t.Errorf("%q lets %U through", got, r)
				}
			}
			if len(got) <= len(strings.Trim(evil, "\x1b\a\x00\x7f")) && !strings.Contains(got, `\u`) {
				t.Errorf("%q says nothing of what was there", got)
			}
		})
	}
}

func FuzzEscaper(f *testing.F) {
	f.Add("a\x1b]52;c;x\x07", "\xc3", "\xbc")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		got := escaped(t, a, b, c)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\r\b\x00\x7f\u202e") {
			t.Errorf("%q", got)
		}
		whole := escaped(t, a+b+c)
		if whole != got {
			t.Errorf("%q in pieces and %q at once", got, whole)
		}
		text, err := json.Marshal(strings.ToValidUTF8(a, ""))
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if json.Unmarshal(text, &before) != nil || json.Unmarshal([]byte(escaped(t, string(text))), &after) != nil || before != after {
			t.Errorf("JSON %q became %q", before, after)
		}
	})
}
