// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check compares one JSON value with its type and collects all that is wrong, each with the place where it is.
type check struct {
	facts   *Facts
	request bool
	errs    []error
}

// json decodes data, which must be exactly one value, and compares it with t.
func (c *check) json(t *term, data []byte) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		c.errs = append(c.errs, fmt.Errorf("$: not JSON: %w", err))
		return
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		c.bad("$", "more than one JSON value")
	}
	c.value(t, v, "$", false)
}

func (c *check) bad(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: "+format, append([]any{path}, args...)...))
}

func (c *check) value(t *term, v any, path string, nullable bool) {
	kind := jsonKind(v)
	switch {
	case t.kind == kindAny:
		return
	case t.kind == kindNever:
		c.bad(path, "%s, want nothing here", kind)
		return
	case kind == jsonNull:
		if !nullable {
			c.bad(path, "null, want %s", t)
		}
		return
	case t.or != "" && fits(t.or, kind):
		return
	case t.kind == kindRef:
		c.named(c.facts.schemas[t.name], v, path)
		return
	case !fits(wireKind(t.kind), kind):
		c.bad(path, "%s, want %s", kind, t)
		return
	}
	switch t.kind {
	case kindList:
		for i, item := range v.([]any) {
			c.value(t.item, item, path+"["+strconv.Itoa(i)+"]", false)
		}
	case kindMap:
		object := v.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			c.value(t.item, object[key], fmt.Sprintf("%s[%q]", path, key), false)
		}
	case jsonObject:
		if len(t.fields) > 0 {
			c.object(&Schema{Name: "object", Properties: t.fields}, v.(map[string]any), path)
		}
	default:
		c.text(t, v, path)
	}
}

// named compares v with a schema.
func (c *check) named(s *Schema, v any, path string) {
	kind := jsonKind(v)
	switch {
	case s.Kind == "alias":
		c.value(s.alias, v, path, false)
	case s.Kind == "enum":
		c.value(&term{kind: kindEnum, values: s.Values}, v, path, false)
	case s.wire != "" && kind == s.wire:
	case kind != jsonObject:
		c.bad(path, "%s, want %s", kind, s.Name)
	default:
		c.object(s, v.(map[string]any), path)
	}
}

func (c *check) object(s *Schema, object map[string]any, path string) {
	anyCase := s.anyCase && c.request
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		p := s.property(key, anyCase)
		if p == nil && s.also != "" {
			p = c.facts.schemas[s.also].property(key, false)
		}
		if p == nil {
			c.bad(path+"."+key, "unknown: %s has no such property", s.Name)
			continue
		}
		seen[p.Key] = true
		c.value(p.term, object[key], path+"."+key, p.Null || p.Later || c.request && !p.Required)
	}
	for _, p := range s.Properties {
		optional := p.Omitempty || p.Later || s.anyCase || c.request
		if !seen[p.Key] && (p.Required || !optional) {
			c.bad(path+"."+p.Key, "missing")
		}
	}
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// text checks what stands in a string.
func (c *check) text(t *term, v any, path string) {
	s, ok := v.(string)
	if !ok {
		return
	}
	switch t.kind {
	case kindUUID:
		if !uuidText.MatchString(strings.ToLower(s)) || s != strings.ToLower(s) && !c.request {
			c.bad(path, "%q is not a UUID in lower case", s)
		}
	case kindTime:
		if at, err := time.Parse(time.RFC3339Nano, s); err != nil {
			c.bad(path, "%q is not an RFC 3339 time", s)
		} else if !strings.HasSuffix(s, "Z") && !c.request {
			c.bad(path, "%s is not in UTC", at)
		}
	case kindEnum:
		if !slices.Contains(t.values, s) {
			c.bad(path, "%q is none of %q", s, t.values)
		}
	}
}

// wireKind is the JSON kind in which a type travels.
func wireKind(kind string) string {
	switch kind {
	case kindUUID, kindTime, kindEnum:
		return jsonString
	case kindList:
		return jsonArray
	case kindMap:
		return jsonObject
	}
	return kind
}

func fits(want, have string) bool {
	return want == have || want == jsonNumber && have == jsonInteger
}

func jsonKind(v any) string {
	switch v := v.(type) {
	case nil:
		return jsonNull
	case bool:
		return jsonBoolean
	case string:
		return jsonString
	case []any:
		return jsonArray
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return jsonNumber
		}
		return jsonInteger
	}
	return jsonObject
}
