// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"
)

// largestFile is what is read of one file at all.
const largestFile = 8 << 20

// Document is one manifest of a file.
type Document struct {
	// File is the name of the file.
	File string
	// Object is the manifest as kubectl would send it.
	Object map[string]any

	// node is the manifest as its author wrote it, and offset is how many lines of the file stand before its own first.
	node   *yaml.Node
	offset int
}

// APIVersion is the manifest's apiVersion; empty where it has none.
func (d *Document) APIVersion() string { return d.text("apiVersion") }

// Kind is the manifest's kind; empty where it has none.
func (d *Document) Kind() string { return d.text("kind") }

// Name is the manifest's metadata.name; empty where it has none.
func (d *Document) Name() string { return d.text("metadata", "name") }

// Namespace is the manifest's metadata.namespace; empty where it has none.
func (d *Document) Namespace() string { return d.text("metadata", "namespace") }

func (d *Document) text(path ...string) string {
	var value any = d.Object
	for _, name := range path {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	text, _ := value.(string)
	return text
}

// separator is the line between two documents of a file.
var separator = regexp.MustCompile(`(?m)^---(?:[ \t].*)?\r?$`)

// Read finds the manifests of a file, YAML or JSON. What can't be read is a finding, and hides no other document.
func Read(file string, text []byte) ([]Document, []Finding) {
	if len(text) > largestFile {
		return nil, []Finding{{File: file, Line: 1, Column: 1, Level: Error, Rule: RuleSyntax, Message: "the file is larger than 8 MiB"}}
	}
	var documents []Document
	var findings []Finding
	begin, content := 0, string(text)
	for begin <= len(content) {
		end, next := len(content), len(content)+1
		if at := separator.FindStringIndex(content[begin:]); at != nil {
			end, next = begin+at[0], begin+at[1]
		}
		offset := strings.Count(content[:begin], "\n")
		found, wrong := parse(file, content[begin:end], offset)
		documents, findings = append(documents, found...), append(findings, wrong...)
		begin = next
	}
	return documents, findings
}

// parse reads one document. An empty one gives nothing, and a List its entries.
func parse(file, text string, offset int) ([]Document, []Finding) {
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return nil, []Finding{syntax(file, offset, err)}
	}
	if len(tree.Content) == 0 || tree.Content[0].Tag == "!!null" {
		return nil, nil
	}
	encoded, err := sigsyaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, []Finding{syntax(file, offset, err)}
	}
	d := Document{File: file, node: tree.Content[0], offset: offset}
	if err := json.Unmarshal(encoded, &d.Object); err != nil || d.Object == nil {
		line, column := d.At("")
		return nil, []Finding{{File: file, Line: line, Column: column, Level: Error, Rule: RuleSyntax,
			Message: "a manifest is a mapping with apiVersion, kind and metadata"}}
	}
	if d.APIVersion() == "v1" && d.Kind() == "List" {
		return d.items(), nil
	}
	return []Document{d}, nil
}

// items are the entries of a List, each a document of its own.
func (d *Document) items() []Document {
	entries, _ := d.Object["items"].([]any)
	node := lookup(d.node, "items").value
	var all []Document
	for i, entry := range entries {
		object, ok := entry.(map[string]any)
		if !ok || node == nil || i >= len(node.Content) {
			continue
		}
		all = append(all, Document{File: d.File, Object: object, node: node.Content[i], offset: d.offset})
	}
	return all
}

var (
	lineOfError = regexp.MustCompile(`line (\d+): ?`)
	noise       = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors:\s*)?`)
)

// syntax is the finding that a parser's error makes; it says the line of its document.
func syntax(file string, offset int, err error) Finding {
	f := Finding{File: file, Line: offset + 1, Column: 1, Level: Error, Rule: RuleSyntax}
	message := noise.ReplaceAllString(err.Error(), "")
	if at := lineOfError.FindStringSubmatchIndex(message); at != nil {
		if n, err := strconv.Atoi(message[at[2]:at[3]]); err == nil {
			f.Line = offset + max(n, 1)
		}
		message = message[:at[0]] + message[at[1]:]
	}
	f.Message = "this is no YAML: " + strings.TrimSpace(message)
	if strings.Contains(message, "already set in map") {
		f.Message = strings.TrimSpace(message) + "; keep one"
	}
	return f
}
