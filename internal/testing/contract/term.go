// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"strconv"
	"strings"
)

// The kinds of a type that hold others or need a check of their own. The other kinds are JSON's own names.
const (
	kindAny   = "any"
	kindNever = "never"
	kindUUID  = "uuid"
	kindTime  = "time"
	kindRef   = "ref"
	kindList  = "list"
	kindMap   = "map"
	kindEnum  = "enum"
)

// The kinds that JSON has, as they are called in messages.
const (
	jsonNull    = "null"
	jsonString  = "string"
	jsonInteger = "integer"
	jsonNumber  = "number"
	jsonBoolean = "boolean"
	jsonArray   = "array"
	jsonObject  = "object"
)

// term is a type of the facts.
type term struct {
	kind   string
	name   string     // of a ref
	item   *term      // of a list or map
	values []string   // of an enum
	fields []Property // of an object that has no name
	or     string     // another JSON kind that will do
}

func (t *term) String() string {
	if t == nil {
		return "nothing"
	}
	text := t.kind
	switch t.kind {
	case kindRef:
		text = t.name
	case kindList:
		text = "[]" + t.item.String()
	case kindMap:
		text = "map[" + t.item.String() + "]"
	}
	if t.or != "" {
		text += "|" + t.or
	}
	return text
}

// refs calls fn with the name of every schema that t uses.
func (t *term) refs(fn func(name string)) {
	if t == nil {
		return
	}
	if t.kind == kindRef {
		fn(t.name)
	}
	t.item.refs(fn)
	for _, field := range t.fields {
		field.term.refs(fn)
	}
}

// parseTerm reads a type in the notation of the package comment.
func parseTerm(text string) (*term, error) {
	p := &termParser{rest: text}
	t, err := p.term()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("type %q: %w", text, err)
	}
	return t, nil
}

type termParser struct{ rest string }

func (p *termParser) term() (*term, error) {
	t, err := p.single()
	if err != nil {
		return nil, err
	}
	if p.take("|") {
		t.or = p.word()
	}
	return t, nil
}

func (p *termParser) single() (t *term, err error) {
	switch {
	case p.take("[]"):
		t = &term{kind: kindList}
		t.item, err = p.single() // what follows a | is another kind for the list
		return t, err
	case p.take("map["):
		t = &term{kind: kindMap}
		if t.item, err = p.term(); err != nil {
			return nil, err
		}
		return t, p.expect("]")
	case p.take("enum("):
		return p.enum()
	case p.take("object("):
		return p.fields()
	}
	switch word := p.word(); word {
	case "":
		return nil, fmt.Errorf("want a type at %q", p.rest)
	case kindAny, kindNever, kindUUID, kindTime, jsonString, jsonInteger, jsonNumber, jsonBoolean, jsonObject:
		return &term{kind: word}, nil
	default:
		if !strings.Contains(word, ".") {
			return nil, fmt.Errorf("unknown type %q", word)
		}
		return &term{kind: kindRef, name: word}, nil
	}
}

func (p *termParser) enum() (*term, error) {
	t := &term{kind: kindEnum}
	for {
		quoted, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return nil, err
		}
		p.rest = p.rest[len(quoted):]
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		t.values = append(t.values, value)
		if !p.take(",") {
			return t, p.expect(")")
		}
	}
}

func (p *termParser) fields() (*term, error) {
	t := &term{kind: jsonObject}
	for {
		field := Property{Key: p.word(), Omitempty: true, Null: true}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		var err error
		if field.term, err = p.term(); err != nil {
			return nil, err
		}
		t.fields = append(t.fields, field)
		if !p.take(",") {
			return t, p.expect(")")
		}
	}
}

// word takes a name: letters, digits and what schema names hold beside them.
func (p *termParser) word() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune("[](){},:|\" ", r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

func (p *termParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

func (p *termParser) expect(text string) error {
	if p.take(text) {
		return nil
	}
	return fmt.Errorf("want %q at %q", text, p.rest)
}
