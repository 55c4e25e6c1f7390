// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bufio"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The names of the two files in the facts folder.
const (
	EndpointsFile = "endpoints.tsv"
	SchemasFile   = "schemas.txt"
)

//go:embed facts/endpoints.tsv facts/schemas.txt
var files embed.FS

// Facts is what the API promises: its endpoints, and the schemas that they carry. It never changes once loaded, so that
// parallel tests share one.
type Facts struct {
	endpoints []Endpoint
	schemas   map[string]*Schema
}

// Seed loads the facts of the API's first edition, which is the one in scope, and ends the test if they cannot be read.
func Seed(t testing.TB) *Facts {
	t.Helper()
	facts, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// Load is Seed for those who have no test.
func Load() (*Facts, error) {
	endpoints, err := files.ReadFile("facts/" + EndpointsFile)
	if err != nil {
		return nil, err
	}
	schemas, err := files.ReadFile("facts/" + SchemasFile)
	if err != nil {
		return nil, err
	}
	return parse(string(endpoints), string(schemas))
}

func parse(endpoints, schemas string) (*Facts, error) {
	f := &Facts{schemas: map[string]*Schema{}}
	if err := eachLine(EndpointsFile, endpoints, f.addEndpoint); err != nil {
		return nil, err
	}
	var current *Schema
	err := eachLine(SchemasFile, schemas, func(line string) error {
		var err error
		if property, ok := strings.CutPrefix(line, "\t"); ok && current != nil {
			return current.add(property)
		}
		current, err = f.addSchema(line)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, f.resolve()
}

// eachLine calls fn for every line that is neither empty nor a remark, and says where fn failed.
func eachLine(file, text string, fn func(line string) error) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			if err := fn(line); err != nil {
				return fmt.Errorf("%s:%d: %w", file, number, err)
			}
		}
	}
	return lines.Err()
}

// Schema is one JSON shape.
type Schema struct {
	Name string
	// Kind is object, enum or alias.
	Kind string
	// Properties are an object's, sorted by key.
	Properties []Property
	// Values are an enum's, those of later editions included.
	Values []string

	alias   *term
	anyCase bool
	wire    string
	also    string
}

// Property is one key of an object.
type Property struct {
	Key       string
	Required  bool
	Omitempty bool
	Null      bool
	// Later properties are younger than the API's first edition.
	Later bool

	term *term
}

// Schema is the shape of that name, such as codersdk.Workspace; nil when no endpoint carries it.
func (f *Facts) Schema(name string) *Schema { return f.schemas[name] }

// Schemas lists the names of all shapes, sorted.
func (f *Facts) Schemas() []string {
	names := make([]string, 0, len(f.schemas))
	for name := range f.schemas {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *Facts) addSchema(line string) (*Schema, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil, errors.New("want a kind and a name")
	}
	s := &Schema{Kind: words[0], Name: words[1]}
	words = words[2:]
	switch s.Kind {
	case "enum":
	case "alias":
		alias, err := parseTerm(strings.Join(words, " "))
		if err != nil {
			return nil, err
		}
		s.alias, words = alias, nil
	case "object":
	default:
		return nil, fmt.Errorf("unknown kind %q", s.Kind)
	}
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "anycase":
			s.anyCase = true
		case "wire":
			s.wire = value
		case "also":
			s.also = value
		default:
			return nil, fmt.Errorf("unknown mark %q", word)
		}
	}
	f.schemas[s.Name] = s
	return s, nil
}

// add reads one line below a schema's first.
func (s *Schema) add(line string) error {
	words := strings.Fields(line)
	if s.Kind == "enum" {
		value, err := strconv.Unquote(words[0])
		s.Values = append(s.Values, value)
		return err
	}
	if s.Kind != "object" || len(words) < 2 {
		return fmt.Errorf("%s %s cannot hold %q", s.Kind, s.Name, line)
	}
	t, err := parseTerm(words[1])
	if err != nil {
		return err
	}
	p := Property{Key: words[0], term: t}
	for _, flag := range words[2:] {
		switch flag {
		case "required":
			p.Required = true
		case "omitempty":
			p.Omitempty = true
		case "null":
			p.Null = true
		case "later":
			p.Later = true
		default:
			return fmt.Errorf("unknown flag %q", flag)
		}
	}
	s.Properties = append(s.Properties, p)
	return nil
}

// property finds a key as the reader of this body would: exactly, or without case where the schema says so.
func (s *Schema) property(key string, anyCase bool) *Property {
	for i, p := range s.Properties {
		if p.Key == key || anyCase && strings.EqualFold(p.Key, key) {
			return &s.Properties[i]
		}
	}
	return nil
}

// resolve proves that every name that is used has a schema, so that a check never passes for want of one.
func (f *Facts) resolve() error {
	var missing []string
	need := func(t *term) {
		t.refs(func(name string) {
			if f.schemas[name] == nil {
				missing = append(missing, name)
			}
		})
	}
	for _, s := range f.schemas {
		need(s.alias)
		if s.also != "" {
			need(&term{kind: kindRef, name: s.also})
		}
		for _, p := range s.Properties {
			need(p.term)
		}
	}
	for _, e := range f.endpoints {
		need(e.request.term)
		need(e.response.term)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("%s lacks %s", SchemasFile, strings.Join(slices.Compact(missing), ", "))
	}
	slices.SortFunc(f.endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Path, b.Path) })
	return nil
}
