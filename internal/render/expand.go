// SPDX-License-Identifier: Apache-2.0

package render

import "strings"

// expand replaces each $(NAME) in a variable's value by what is known of NAME, as Kubernetes does: a name that is not
// known stays as it stands, and $$ is a plain $.
func expand(text string, known map[string]string) string {
	var out strings.Builder
	walk(text, func(literal string) { out.WriteString(literal) }, func(name string) {
		value, is := known[name]
		if !is {
			value = "$(" + name + ")"
		}
		out.WriteString(value)
	})
	return out.String()
}

// referred are the names that a text uses as $(NAME).
func referred(text string) []string {
	var names []string
	walk(text, func(string) {}, func(name string) { names = append(names, name) })
	return names
}

// walk takes a text apart as Kubernetes reads it.
func walk(text string, literal, reference func(string)) {
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i+1 == len(text) {
			literal(text)
			return
		}
		literal(text[:i])
		text = text[i:]
		end := strings.IndexByte(text, ')')
		switch {
		case text[1] == '$':
			literal("$")
			text = text[2:]
		case text[1] == '(' && end > 0:
			reference(text[2:end])
			text = text[end+1:]
		default:
			literal(text[:2])
			text = text[2:]
		}
	}
}
