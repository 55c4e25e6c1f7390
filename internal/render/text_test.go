// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	text := func(s string) piece { return piece{text: s} }
	expression := func(s string) piece { return piece{text: s, expression: true} }
	tests := map[string]struct {
		text string
		want []piece
	}{
		"nothing":                   {"", nil},
		"text":                      {"a $ { } $x", []piece{text("a $ { } $x")}},
		"whole":                     {"${a}", []piece{expression("a")}},
		"within":                    {"x${a}y${b}", []piece{text("x"), expression("a"), text("y"), expression("b")}},
		"escaped":                   {"a $${b} ${c}", []piece{text("a ${b} "), expression("c")}},
		"escaped behind a dollar":   {"$$${b}", []piece{text("$${b}")}},
		"map":                       {"${ {'a': 1}['a'] }", []piece{expression(" {'a': 1}['a'] ")}},
		"brace in quotes":           {`${a + "}"}`, []piece{expression(`a + "}"`)}},
		"brace in single quotes":    {`${a + '}'}`, []piece{expression(`a + '}'`)}},
		"escaped quote":             {`${"\"}"}`, []piece{expression(`"\"}"`)}},
		"quote of the other kind":   {`${'"'}`, []piece{expression(`'"'`)}},
		"raw text":                  {`${r"\"}`, []piece{expression(`r"\"`)}},
		"three quotes":              {`${"""a"}"b"""}`, []piece{expression(`"""a"}"b"""`)}},
		"comment":                   {"${a // }\n}", []piece{expression("a // }\n")}},
		"expression in a literal":   {"${'${b}'}", []piece{expression("'${b}'")}},
		"characters, not bytes":     {"é${'}é'}é", []piece{text("é"), expression("'}é'"), text("é")}},
		"dollar before the closing": {"${a}$", []piece{expression("a"), text("$")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := split(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(piece{})); diff != "" {
				t.Errorf("pieces (-want +got):\n%s", diff)
			}
		})
	}
	for _, open := range []string{"${", "é${a", "${'}", `${"\"}`, "${{}", "${a // }", `${"""}`} {
		if _, err := split(open); err == nil || !strings.Contains(err.Error(), "does not end") {
			t.Errorf("%q: got %v", open, err)
		}
	}
}
