// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// maxNesting is how deep a manifest may go.
	maxNesting = 64
	// maxNodes is how many values and keys it may have.
	maxNodes = 50_000
)

// positions are the lines of a manifest's fields, by path.
type positions struct {
	// root is what the manifest's top is in a version; empty where it is a whole Template.
	root string
	of   map[string]position
}

// position is where a value begins, and what it is in JSON's words.
type position struct {
	line int
	kind string
}

// locate finds the lines of all fields, and refuses what makes a short text a long one: aliases and merge keys. They are
// refused before anything is decoded.
func locate(file string, text []byte) (positions, *fault.Error) {
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return positions{}, fault.New(fault.Invalid, "%s: is empty", file)
	case err != nil:
		return positions{}, fault.New(fault.Invalid, "%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return positions{}, fault.New(fault.Invalid, "%s: holds more than one document; keep one", file)
	}
	l := &locator{file: file, positions: positions{of: map[string]position{}}}
	for _, node := range document.Content {
		if refusal := l.walk(node, "", 0); refusal != nil {
			return positions{}, refusal
		}
	}
	return l.positions, nil
}

type locator struct {
	positions
	file  string
	nodes int
}

func (l *locator) walk(node *yaml.Node, path string, depth int) *fault.Error {
	l.nodes++
	switch {
	case l.nodes > maxNodes:
		return fault.New(fault.Invalid, "%s: has more than %d values", l.file, maxNodes)
	case depth > maxNesting:
		return wrong(node.Line, l.file, "", fmt.Sprintf("is nested more than %d levels deep", maxNesting))
	case node.Kind == yaml.AliasNode:
		return wrong(node.Line, l.file, path, "is an alias (*"+node.Value+"); write the value out")
	}
	l.of[path] = position{node.Line, kindOf(node)}
	switch node.Kind {
	case yaml.SequenceNode:
		for i, item := range node.Content {
			if refusal := l.walk(item, fmt.Sprintf("%s[%d]", path, i), depth+1); refusal != nil {
				return refusal
			}
		}
	case yaml.MappingNode:
		return l.mapping(node, path, depth)
	}
	return nil
}

func (l *locator) mapping(node *yaml.Node, path string, depth int) *fault.Error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			return wrong(key.Line, l.file, path, "has a key that is no text")
		case key.ShortTag() == "!!merge":
			return wrong(key.Line, l.file, path, "has a merge key (<<); write the fields out")
		case seen[key.Value]:
			return wrong(key.Line, l.file, child(path, key.Value), "stands there twice")
		}
		seen[key.Value] = true
		if refusal := l.walk(value, child(path, key.Value), depth+1); refusal != nil {
			return refusal
		}
	}
	return nil
}

func child(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// kindOf is what a node is in the words of encoding/json.
func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "object"
	case yaml.SequenceNode:
		return "array"
	}
	switch node.ShortTag() {
	case "!!bool":
		return "bool"
	case "!!int", "!!float":
		return "number"
	case "!!null":
		return "null"
	}
	return "string"
}

// kinds are the words of encoding/json for people.
var kinds = map[string]string{
	"object": "a mapping", "array": "a list", "bool": "true or false", "number": "a number", "string": "text", "null": "nothing",
}

// line is that of a field, or of the nearest one around it; 0 when there is none.
func (p positions) line(path string) int {
	if p.root != "" {
		path = strings.TrimPrefix(strings.TrimPrefix(path, p.root), ".")
	}
	for {
		if at, ok := p.of[path]; ok {
			return at.line
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut <= 0 {
			return 0
		}
		path = path[:cut]
	}
}

// place is "template.yaml:12: ", or "template.yaml: " where no line is known.
func (p positions) place(file, path string) string {
	if line := p.line(path); line > 0 {
		return fmt.Sprintf("%s:%d: ", file, line)
	}
	return file + ": "
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// ofKind finds the first field of a path without indexes that is of the kind: encoding/json tells no more.
func (p positions) ofKind(field, kind string) (path string, line int) {
	for at, position := range p.of {
		if indexes.ReplaceAllString(at, "") != field || position.kind != kind {
			continue
		}
		if line == 0 || position.line < line || position.line == line && at < path {
			path, line = at, position.line
		}
	}
	if line == 0 {
		return field, 0
	}
	return path, line
}

// wrong is a refusal at a line.
func wrong(line int, file, path, detail string) *fault.Error {
	at := file
	if line > 0 {
		at = fmt.Sprintf("%s:%d", file, line)
	}
	if path != "" {
		at += ": " + path
	}
	return &fault.Error{Kind: fault.Invalid, Message: at + ": " + detail, Fields: []fault.Field{{Path: at, Detail: detail}}}
}
