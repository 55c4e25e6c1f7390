// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// source is what the two JSON files say, before anything is left out.
type source struct {
	endpoints []sourceEndpoint
	schemas   map[string]sourceSchema
}

type sourceEndpoint struct {
	Method         string `json:"method"`
	Path           string `json:"path"`
	Tag            string `json:"tag"`
	Auth           string `json:"auth"`
	Era            string `json:"era"`
	Request        string `json:"request_schema"`
	ActualRequest  string `json:"actual_request_schema"`
	Response       string `json:"response_schema"`
	ActualResponse string `json:"actual_response_schema"`
	Status         int    `json:"success_status"`
	ActualStatus   int    `json:"actual_status"`
	AlsoStatus     []int  `json:"also_status"`
	Upgrade        any    `json:"upgrade"`
}

type sourceSchema struct {
	Kind       string                `json:"kind"`
	Properties map[string]sourceType `json:"properties"`
	Enum       []string              `json:"enum"`
	EnumLater  []string              `json:"enum_later"`
	Alias      *sourceType           `json:"alias"`
	WireAlt    string                `json:"wire_alt"`
	AnyCase    bool                  `json:"case_insensitive"`
	InSeed     bool                  `json:"in_seed"`
}

type sourceType struct {
	Type       string                `json:"type"`
	Format     string                `json:"format"`
	Ref        string                `json:"ref"`
	Enum       []string              `json:"enum"`
	Items      *sourceType           `json:"items"`
	Additional *sourceType           `json:"additional"`
	Fields     map[string]sourceType `json:"fields"`
	WireAlt    string                `json:"wire_alt"`
	Required   bool                  `json:"required"`
	Omitempty  bool                  `json:"omitempty"`
	Nullable   bool                  `json:"nullable"`
	Later      bool                  `json:"later"`
}

func readSource(endpointsFile, schemasFile string) (*source, error) {
	s := &source{}
	for file, into := range map[string]any{endpointsFile: &s.endpoints, schemasFile: &s.schemas} {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

// both names the schemas whose answers also hold the fields of another one, because old and new clients read different
// places of the same answer.
var both = map[string]string{
	"codersdk.UpdateWorkspaceProxyResponse": "codersdk.WorkspaceProxy",
}

// schemaLines writes every schema that can be reached from roots, and those of the first edition.
func (s *source) schemaLines(roots []string) (string, error) {
	reached := map[string]bool{}
	var visit func(name, from string) error
	visit = func(name, from string) error {
		if reached[name] {
			return nil
		}
		schema, ok := s.schemas[name]
		if !ok {
			return fmt.Errorf("%s refers to %s, which has no schema", from, name)
		}
		reached[name] = true
		for _, ref := range schema.refs() {
			if err := visit(ref, name); err != nil {
				return err
			}
		}
		return nil
	}
	for name, schema := range s.schemas {
		if schema.InSeed {
			roots = append(roots, name)
		}
	}
	for _, name := range roots {
		if err := visit(name, "an endpoint"); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	for _, name := range sortedKeys(reached) {
		s.schemas[name].write(&b, name)
	}
	return b.String(), nil
}

func (schema sourceSchema) refs() []string {
	var refs []string
	var walk func(t *sourceType)
	walk = func(t *sourceType) {
		if t == nil {
			return
		}
		if t.Ref != "" {
			refs = append(refs, t.Ref)
		}
		walk(t.Items)
		walk(t.Additional)
	}
	walk(schema.Alias)
	for _, p := range schema.Properties {
		walk(&p)
	}
	return refs
}

func (schema sourceSchema) write(b *strings.Builder, name string) {
	b.WriteString(schema.Kind + " " + name)
	switch schema.Kind {
	case "alias":
		b.WriteString(" " + schema.Alias.term() + "\n")
		return
	case "enum":
		for _, value := range schema.Enum {
			b.WriteString("\n\t" + strconv.Quote(value))
		}
		for _, value := range schema.EnumLater {
			b.WriteString("\n\t" + strconv.Quote(value) + " later")
		}
		b.WriteString("\n")
		return
	}
	if schema.AnyCase {
		b.WriteString(" anycase")
	}
	if schema.WireAlt != "" {
		b.WriteString(" wire=" + schema.WireAlt)
	}
	if also := both[name]; also != "" {
		b.WriteString(" also=" + also)
	}
	b.WriteString("\n")
	for _, key := range sortedKeys(schema.Properties) {
		p := schema.Properties[key]
		b.WriteString("\t" + key + " " + p.term())
		for _, flag := range []struct {
			name string
			set  bool
		}{{"required", p.Required}, {"omitempty", p.Omitempty}, {"null", p.Nullable}, {"later", p.Later}} {
			if flag.set {
				b.WriteString(" " + flag.name)
			}
		}
		b.WriteString("\n")
	}
}

// term is the type in the notation that internal/testing/contract reads.
func (t *sourceType) term() string {
	term := t.plainTerm()
	if t.WireAlt == "any" {
		return "any"
	}
	if t.WireAlt != "" {
		term += "|" + t.WireAlt
	}
	return term
}

func (t *sourceType) plainTerm() string {
	switch {
	case len(t.Enum) > 0 && t.Type != "any":
		quoted := make([]string, len(t.Enum))
		for i, value := range t.Enum {
			quoted[i] = strconv.Quote(value)
		}
		return "enum(" + strings.Join(quoted, ",") + ")"
	case t.Ref != "":
		return t.Ref
	case t.Type == "array" && t.Items != nil:
		return "[]" + t.Items.term()
	case t.Additional != nil:
		return "map[" + t.Additional.term() + "]"
	case len(t.Fields) > 0:
		fields := make([]string, 0, len(t.Fields))
		for _, key := range sortedKeys(t.Fields) {
			field := t.Fields[key]
			fields = append(fields, key+":"+field.term())
		}
		return "object(" + strings.Join(fields, ",") + ")"
	case t.Format == "uuid":
		return "uuid"
	case t.Format == "date-time":
		return "time"
	case t.Type == "":
		return "any"
	}
	return t.Type
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
