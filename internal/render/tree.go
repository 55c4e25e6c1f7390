// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// What is read of a podTemplate at all.
const (
	largestPod = 256 << 10
	deepestPod = 32
)

// node is a part of a schemaless object, compiled: a mapping, a list or a leaf.
type node struct {
	names  []string
	fields map[string]*node
	items  []*node
	leaf   *leaf
}

// parse reads schemaless JSON, refusing what is too large, too deep, or names one field twice.
func (c *compiler) parse(path string, raw []byte) (map[string]any, bool) {
	if len(raw) > largestPod {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "is %d KiB large; at most %d are allowed", len(raw)>>10, largestPod>>10)
		return nil, false
	}
	if depth(raw) > deepestPod {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "is nested more than %d deep", deepestPod)
		return nil, false
	}
	var tree map[string]any
	strict, err := kjson.UnmarshalStrict(raw, &tree)
	if err != nil || tree == nil {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "must be a mapping with metadata and spec")
		return nil, false
	}
	for _, e := range strict {
		at := path
		if field, ok := e.(kjson.FieldError); ok {
			at += "." + field.FieldPath()
		}
		c.wrong(at, v1alpha1.ReasonPodInvalid, "stands there twice; keep one")
	}
	return tree, len(strict) == 0
}

// depth is how deep braces and brackets nest outside of strings.
func depth(raw []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '{' || b == '[':
			now++
			deepest = max(deepest, now)
		case b == '}' || b == ']':
			now--
		}
	}
	return deepest
}

// node compiles a value that stands where the Kubernetes API has a field of type t. where are the field names from the
// root, without indexes. Its result is nil for what is absent or wrong.
func (c *compiler) node(path string, where []string, value any, t reflect.Type) *node {
	s, t := shapeOf(t)
	if value == nil {
		return nil
	}
	if text, ok := value.(string); ok && holdsExpression(text) {
		if part := secretPart(where); part != "" {
			return newLeaf(c.secretText(path, text, part))
		}
		if why := c.rules.fixed(where); why != "" {
			c.wrong(path, v1alpha1.ReasonNotAllowed, "holds an expression, and must not: %s", why)
			return nil
		}
		return newLeaf(c.text(path, text, s, c.rules.expands(where)))
	}
	switch s {
	case objectShape:
		return c.object(path, where, value, t)
	case objectListShape, listShape:
		return c.list(path, where, value, t)
	case textMapShape, quantityMapShape:
		return c.mapping(path, where, value, t)
	}
	return c.scalar(path, s, value, t)
}

func newLeaf(l *leaf) *node {
	if l == nil {
		return nil
	}
	return &node{leaf: l}
}

func (c *compiler) object(path string, where []string, value any, t reflect.Type) *node {
	entries, ok := value.(map[string]any)
	if !ok {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "must be %s", objectShape)
		return nil
	}
	c.shellText(child(path, "command"), commandOf(entries))
	types := fieldsOf(t)
	n := &node{fields: map[string]*node{}}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		at := child(path, name)
		field, known := types[name]
		if !known {
			c.wrong(at, v1alpha1.ReasonPodInvalid, "%s", didYouMean(fmt.Sprintf("there is no field %q here", shorten(name)), name, slices.Sorted(maps.Keys(types))))
			continue
		}
		n.set(name, c.node(at, append(slices.Clone(where), name), entries[name], field))
	}
	return n
}

func (c *compiler) mapping(path string, where []string, value any, t reflect.Type) *node {
	entries, ok := value.(map[string]any)
	if !ok {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "must be %s", objectShape)
		return nil
	}
	n := &node{fields: map[string]*node{}}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		at := child(path, name)
		if holdsExpression(name) {
			c.wrong(at, v1alpha1.ReasonNotAllowed, "holds an expression in its name; expressions stand in values only")
			continue
		}
		n.set(name, c.node(at, append(slices.Clone(where), name), entries[name], t.Elem()))
	}
	return n
}

func (c *compiler) list(path string, where []string, value any, t reflect.Type) *node {
	entries, ok := value.([]any)
	if !ok {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "must be a list")
		return nil
	}
	n := &node{items: []*node{}}
	for i, entry := range entries {
		at := fmt.Sprintf("%s[%d]", path, i)
		if entry == nil {
			c.wrong(at, v1alpha1.ReasonPodInvalid, "is empty")
			continue
		}
		if item := c.node(at, where, entry, t.Elem()); item != nil {
			n.items = append(n.items, item)
		}
	}
	return n
}

// scalar checks a literal against its field.
func (c *compiler) scalar(path string, s shape, value any, t reflect.Type) *node {
	fits, hint := true, ""
	switch v := value.(type) {
	case string:
		fits = s == textShape || s == portShape || s == otherShape
		if s == quantityShape {
			_, err := resource.ParseQuantity(v)
			fits = err == nil
		}
		if s == wholeShape || s == decimalShape || s == truthShape {
			hint = ", without quotes"
		}
		value = literalText(v)
	case bool:
		fits, hint = s == truthShape || s == otherShape, ", in quotes"
	case int64:
		fits = s == wholeShape && !overflows(t, v) || s == decimalShape || s == quantityShape || s == portShape && v == int64(int32(v)) || s == otherShape
		hint = ", in quotes"
	case float64:
		fits, hint = s == decimalShape || s == quantityShape || s == otherShape, ", in quotes"
	default:
		fits = s == otherShape
	}
	if s != textShape && hint == ", in quotes" {
		hint = ""
	}
	if fits && s == otherShape {
		fits = decodes(value, t)
	}
	if !fits {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "must be %s%s", s, hint)
		return nil
	}
	return newLeaf(&leaf{path: path, shape: s, literal: value})
}

// literalText undoes the escape of ${ in a text without expressions.
func literalText(text string) string {
	pieces, err := split(text)
	if err != nil {
		return text
	}
	return literal(pieces)
}

func overflows(t reflect.Type, v int64) bool { return reflect.Zero(t).OverflowInt(v) }

func decodes(value any, t reflect.Type) bool {
	text, err := json.Marshal(value)
	return err == nil && json.Unmarshal(text, reflect.New(t).Interface()) == nil
}

func (n *node) set(name string, value *node) {
	if value != nil {
		n.names = append(n.names, name)
		n.fields[name] = value
	}
}

// render is the node as plain JSON values. With a nil evaluation it lacks the fields that hold expressions.
func (n *node) render(e *evaluation) any {
	switch {
	case n.leaf != nil:
		return e.value(n.leaf)
	case n.fields != nil:
		object := map[string]any{}
		for _, name := range n.names {
			if value := n.fields[name].render(e); value != nil {
				object[name] = value
			}
		}
		return object
	}
	list := []any{}
	for _, item := range n.items {
		value := item.render(e)
		if value == nil {
			value = "" // only texts in a list can be missing: the place is kept, so that indexes stay true
		}
		list = append(list, value)
	}
	return list
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// child is the path of a field: a.b, or a["b/c"] where the name is no plain one.
func child(path, name string) string {
	if plainName.MatchString(name) {
		return path + "." + name
	}
	return fmt.Sprintf("%s[%q]", path, shorten(name))
}

// shorten cuts a text for a sentence.
func shorten(text string) string {
	const most = 128
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// wholeNumber reads a JSON number that must be whole.
func wholeNumber(n json.Number) (int64, bool) {
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53
}
