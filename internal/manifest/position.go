// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is a value in a document, and the key that it stands under where it has one.
type entry struct {
	key, value *yaml.Node
}

// At is the line and the column, both counted from 1, at which the field of a path stands in the file. Of a path that
// leads to nothing it is the place of the last part that is there.
func (d *Document) At(path string) (line, column int) {
	at := entry{value: d.node}
	for _, step := range steps(path) {
		next := at.step(step)
		if next.value == nil {
			break
		}
		at = next
	}
	node := at.value
	// a mapping or list below its key begins a line too late for a reader
	if at.key != nil && (node.Kind != yaml.ScalarNode && node.Style&yaml.FlowStyle == 0 || node.Line == 0) {
		node = at.key
	}
	return d.offset + max(node.Line, 1), max(node.Column, 1)
}

func (e entry) step(name string) entry {
	node := resolve(e.value)
	if node == nil {
		return entry{}
	}
	if node.Kind == yaml.SequenceNode {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(node.Content) {
			return entry{}
		}
		return entry{value: resolve(node.Content[i])}
	}
	return lookup(node, name)
}

// lookup finds a key of a mapping, also one that a merge brings in.
func lookup(node *yaml.Node, name string) entry {
	if node = resolve(node); node == nil || node.Kind != yaml.MappingNode {
		return entry{}
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Value == name:
			return entry{key: key, value: resolve(value)}
		case key.Tag == "!!merge":
			if from := resolve(value); from != nil && from.Kind == yaml.SequenceNode {
				merged = append(merged, from.Content...)
			} else {
				merged = append(merged, from)
			}
		}
	}
	for _, from := range merged {
		if from = resolve(from); from == nil || from == node {
			continue
		}
		if found := direct(from, name); found.value != nil {
			return found
		}
	}
	return entry{}
}

// direct is lookup without merges, which an author could make endless.
func direct(node *yaml.Node, name string) entry {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return entry{key: node.Content[i], value: resolve(node.Content[i+1])}
		}
	}
	return entry{}
}

func resolve(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// steps cuts a path as rules and schemas write it: a.b, a[0], a["b/c"], a[b.c].
func steps(path string) []string {
	var all []string
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			step, rest := bracket(path[1:])
			all, path = append(all, step), rest
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			all, path = append(all, path[:end]), path[end:]
		}
	}
	return all
}

// bracket reads what stands between brackets, quoted or not.
func bracket(path string) (step, rest string) {
	if quoted, err := strconv.QuotedPrefix(path); err == nil {
		step, _ = strconv.Unquote(quoted) // QuotedPrefix has read it already
		return step, strings.TrimPrefix(path[len(quoted):], "]")
	}
	step, rest, _ = strings.Cut(path, "]")
	return step, rest
}
