// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Role says in which direction a Go type travels: what must always be in an answer may be absent from a request.
type Role int

// The directions.
const (
	// Answer is a type that the server sends.
	Answer Role = iota
	// Request is a type that the server reads.
	Request
)

// CheckType compares how encoding/json treats a Go type with a named schema, nested types included, and returns all
// that differs: a property without a field, a field without a property, another JSON kind, and, in answers, a field that
// can be left out or null where the schema does not allow it, or that is sent empty where clients expect it left out.
// Properties of later editions may lack their field. That lists and maps are not nil is for those who fill them.
func (f *Facts) CheckType(t reflect.Type, schema string, role Role) []error {
	s := f.schemas[schema]
	if s == nil {
		return []error{fmt.Errorf("no schema %s", schema)}
	}
	c := &typeCheck{facts: f, role: role, seen: map[typeAt]bool{}}
	c.term(&term{kind: kindRef, name: schema}, t, schema)
	return c.errs
}

type typeCheck struct {
	facts *Facts
	role  Role
	seen  map[typeAt]bool // ends recursion
	errs  []error
}

type typeAt struct {
	goType reflect.Type
	schema string
}

func (c *typeCheck) bad(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: "+format, append([]any{path}, args...)...))
}

// term compares a Go type with a type of the facts.
func (c *typeCheck) term(want *term, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	have := goKind(t)
	if want.kind == kindAny || have == kindAny || want.or != "" && have == want.or {
		return
	}
	if want.kind == kindRef {
		c.named(c.facts.schemas[want.name], t, path)
		return
	}
	switch {
	case (want.kind == kindUUID || want.kind == kindTime) && have != want.kind:
		c.bad(path, "%s encodes as %s, want %s", t, have, want)
	case !fits(wireKind(want.kind), wireKind(have)):
		c.bad(path, "%s encodes as %s, want %s", t, have, want)
	case want.kind == kindList || want.kind == kindMap:
		c.term(want.item, t.Elem(), path+"[]")
	}
}

func (c *typeCheck) named(s *Schema, t reflect.Type, path string) {
	at := typeAt{t, s.Name}
	if c.seen[at] {
		return
	}
	c.seen[at] = true
	have := wireKind(goKind(t))
	switch {
	case s.Kind == "alias":
		c.term(s.alias, t, path)
	case s.Kind == "enum":
		if have != jsonString {
			c.bad(path, "%s encodes as %s, want %s", t, have, s.Name)
		}
	case s.wire != "" && have == s.wire:
	case t.Kind() != reflect.Struct:
		c.bad(path, "%s encodes as %s, want %s", t, have, s.Name)
	default:
		c.object(s, t, path)
	}
}

func (c *typeCheck) object(s *Schema, t reflect.Type, path string) {
	fields := jsonFields(t)
	for _, p := range s.Properties {
		field, ok := fields[p.Key]
		if !ok {
			if !p.Later {
				c.bad(path+"."+p.Key, "%s has no field for it", t)
			}
			continue
		}
		delete(fields, p.Key)
		c.term(p.term, field.Type, path+"."+p.Key)
		if c.role == Answer {
			c.presence(p, field, path+"."+p.Key)
		}
	}
	for key := range fields {
		if s.also == "" || c.facts.schemas[s.also].property(key, false) == nil {
			c.bad(path+"."+key, "%s has a field that %s has not", t, s.Name)
		}
	}
}

// presence compares when a field is left out or null.
func (c *typeCheck) presence(p Property, field jsonField, path string) {
	if field.omits && !p.Omitempty && !p.Later {
		c.bad(path, "can be left out, but callers expect it always")
	}
	if field.nulls && !p.Null && !p.Later {
		c.bad(path, "can be null, but callers expect %s", p.term)
	}
	// An id or a time that is left out when empty has to be a pointer; as a plain value it is always there, which is
	// what clients of this API see too.
	plain := p.term.kind == kindUUID || p.term.kind == kindTime
	if p.Omitempty && !field.omits && !p.Null && !plain {
		c.bad(path, "is always sent, but is left out while empty")
	}
}

// jsonField is a struct's field as encoding/json sees it.
type jsonField struct {
	reflect.Type
	omits bool // is left out while empty
	nulls bool // is null while empty
}

// jsonFields lists the fields that encoding/json encodes by their keys, those of embedded structs included.
func jsonFields(t reflect.Type) map[string]jsonField {
	fields := map[string]jsonField{}
	for _, f := range reflect.VisibleFields(t) {
		tag, hasTag := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || tag == "-" || f.Anonymous && !hasTag {
			continue
		}
		if name == "" {
			name = f.Name
		}
		field := jsonField{Type: f.Type}
		field.omits = strings.Contains(options, "omitzero") || strings.Contains(options, "omitempty") && canBeEmpty(f.Type)
		field.nulls = !field.omits && encodesNull(f.Type)
		fields[name] = field
	}
	return fields
}

// canBeEmpty reports whether omitempty has an effect on a field of this type.
func canBeEmpty(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return false
	case reflect.Array:
		return t.Len() == 0
	}
	return true
}

// encodesNull reports whether the zero value is null on the wire. Lists and maps are left to those who fill them.
func encodesNull(t reflect.Type) bool {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		return false
	}
	data, err := json.Marshal(reflect.Zero(t).Interface())
	return err == nil && string(data) == "null"
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// goKind is the type of the facts that a Go type has on the wire.
func goKind(t reflect.Type) string {
	switch {
	case t == timeType || t.Kind() == reflect.Struct && t.NumField() == 1 && t.Field(0).Type == timeType:
		return kindTime
	case t == rawType || t.Kind() == reflect.Interface:
		return kindAny
	case t.Kind() == reflect.Array && t.Len() == 16 && t.Implements(textMarshaler):
		return kindUUID
	case t.Implements(textMarshaler):
		return jsonString
	}
	switch t.Kind() {
	case reflect.Bool:
		return jsonBoolean
	case reflect.String:
		return jsonString
	case reflect.Float32, reflect.Float64:
		return jsonNumber
	case reflect.Map:
		return kindMap
	case reflect.Struct:
		return jsonObject
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return jsonString
		}
		return kindList
	}
	if t.ConvertibleTo(reflect.TypeFor[int64]()) {
		return jsonInteger
	}
	return t.String()
}
