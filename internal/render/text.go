// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"strings"
)

// piece is a part of a text: either literal text, or the source of an expression as it stands between ${ and }.
type piece struct {
	text       string
	expression bool
}

// split takes a text apart at its expressions. $${ is a literal ${. An expression ends at the first } that belongs to
// neither a brace nor a string nor a comment within it. An error says where an expression begins that does not end.
func split(text string) ([]piece, error) {
	var pieces []piece
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			pieces = append(pieces, piece{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			literal.WriteString("${")
			i += len("$${")
		case strings.HasPrefix(text[i:], "${"):
			length, ok := expressionLength(text[i+2:])
			if !ok {
				return nil, fmt.Errorf("the expression that begins at character %d does not end; close it with }, or write $${ for a literal ${", len([]rune(text[:i]))+1)
			}
			flush()
			pieces = append(pieces, piece{text: text[i+2 : i+2+length], expression: true})
			i += 2 + length + 1
		default:
			literal.WriteByte(text[i])
			i++
		}
	}
	flush()
	return pieces, nil
}

// expressionLength counts the bytes up to the brace that closes an expression.
func expressionLength(text string) (length int, closed bool) {
	depth := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"' || c == '\'':
			i += quotedLength(text, i)
		case strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return 0, false
			}
			i += end
		case c == '{':
			depth++
			i++
		case c == '}' && depth == 0:
			return i, true
		case c == '}':
			depth--
			i++
		default:
			i++
		}
	}
	return 0, false
}

// quotedLength counts the bytes of the string literal whose opening quote stands at start: plain or tripled, and raw
// when an r stands before it. One that does not end takes all that is left.
func quotedLength(text string, start int) int {
	raw := start > 0 && strings.ContainsRune("rR", rune(text[start-1]))
	quote := text[start : start+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[start:], triple) {
		quote = triple
	}
	for i := start + len(quote); i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote) - start
		case text[i] == '\\' && !raw:
			i += 2
		default:
			i++
		}
	}
	return len(text) - start
}

// holdsExpression tells whether any expression stands in the text, also one that is broken.
func holdsExpression(text string) bool {
	pieces, err := split(text)
	if err != nil {
		return true
	}
	for _, p := range pieces {
		if p.expression {
			return true
		}
	}
	return false
}
