// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A terminal takes some characters for commands: it would move the cursor, change the title, write the clipboard or turn
// text around. Names, messages and logs come from others, so everything that is printed passes through an escaper, which
// lets through what can be seen, line ends and tabs, and writes the rest as \uXXXX (or \xXX where it is no UTF-8).
type escaper struct {
	to io.Writer
	// rest is the beginning of a character, or a carriage return, whose next byte has not come yet.
	rest []byte
}

// Write escapes p. It never says that it wrote less than all unless the writer below fails.
func (e *escaper) Write(p []byte) (int, error) {
	text := append(e.rest, p...)
	e.rest = nil
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		if text[0] == '\r' && len(text) == 1 || !utf8.FullRune(text) {
			e.rest = append([]byte(nil), text...)
			break
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case r == '\r' && text[1] == '\n': // a line end of another system
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
			out = append(out, text[:size]...)
		default:
			out = escape(out, r)
		}
		text = text[size:]
	}
	if _, err := e.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escape writes a character as JSON does, so that JSON stays JSON.
func escape(out []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// Close writes what was kept back.
func (e *escaper) Close() error {
	rest := e.rest
	e.rest = nil
	var out []byte
	for _, b := range rest {
		out = fmt.Appendf(out, `\x%02x`, b)
	}
	_, err := e.to.Write(out)
	return err
}
