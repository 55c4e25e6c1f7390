// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
)

// The bounds of the files.
const (
	// maxManifest leaves room in an object of the cluster, which takes about 1.5 MiB with all that belongs to it.
	maxManifest = 512 << 10
	maxReadme   = 64 << 10
	// shown is how many problems are told at once.
	shown = 10
)

// contentPath is where the content stands in a Template, and in a TemplateVersion.
const contentPath = "spec.content"

// manifest reads Berth's own format: a template.yaml, which is a Template as one would apply it or just its content, and
// a README.md.
type manifest struct{}

func isManifest(name string) bool { return name == "template.yaml" || name == "template.yml" }

func isReadme(name string) bool { return strings.EqualFold(name, "README.md") }

// Keeps implements Provisioner.
func (manifest) Keeps(name string) bool { return isManifest(name) || isReadme(name) }

// Takes implements Provisioner.
func (manifest) Takes(files *archive.Contents) bool {
	return slices.ContainsFunc(files.Names, isManifest)
}

// Read implements Provisioner.
func (manifest) Read(files *archive.Contents) (*Source, *fault.Error) {
	var name, readme string
	for _, n := range files.Names {
		switch {
		case isManifest(n) && name != "":
			return nil, fault.New(fault.Invalid, "the archive has both %s and %s; keep one", name, n)
		case isManifest(n):
			name = n
		case isReadme(n):
			readme = n
		}
	}
	source := &Source{file: name}
	if refusal := source.parse(files.Files[name]); refusal != nil {
		return nil, refusal
	}
	if readme == "" || source.Content.Readme != "" {
		return source, nil
	}
	text := files.Files[readme]
	if len(text) > maxReadme {
		return nil, fault.New(fault.Invalid, "%s: is %d bytes long; at most %d are allowed", readme, len(text), maxReadme)
	}
	source.Content.Readme = strings.ToValidUTF8(strings.ReplaceAll(string(text), "\x00", ""), "\uFFFD")
	return source, nil
}

// parse reads the manifest. Unknown and doubled fields are refused, as a strict apply refuses them.
func (s *Source) parse(text []byte) *fault.Error {
	if len(text) > maxManifest {
		return fault.New(fault.Invalid, "%s: is %d bytes long; at most %d are allowed", s.file, len(text), maxManifest)
	}
	lines, refusal := locate(s.file, text)
	if refusal != nil {
		return refusal
	}
	s.lines = lines
	// The same reading as kubectl's, so that an upload means what an apply means.
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return fault.New(fault.Invalid, "%s: %s", s.file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var head struct {
		APIVersion *string `json:"apiVersion"`
		Kind       *string `json:"kind"`
	}
	// of something else than a mapping the reading below complains
	if err := json.Unmarshal(data, &head); err != nil || head.APIVersion == nil && head.Kind == nil {
		s.lines.root = contentPath
		return s.strict(data, &s.Content)
	}
	if got := orNothing(head.APIVersion) + "/" + orNothing(head.Kind); got != v1alpha1.GroupVersion.String()+"/Template" {
		return fault.New(fault.Invalid, "%sit is a %s of %s; want kind: Template of apiVersion: %s, or just what stands in its spec.content",
			s.lines.place(s.file, "kind"), orNothing(head.Kind), orNothing(head.APIVersion), v1alpha1.GroupVersion)
	}
	return s.template(data)
}

// template takes the content out of a Template. What else it says is the template's own, and no version's.
func (s *Source) template(data []byte) *fault.Error {
	var t v1alpha1.Template
	if refusal := s.strict(data, &t); refusal != nil {
		return refusal
	}
	if t.Spec.Content == nil {
		return fault.New(fault.Invalid, "%sspec.content: is missing; it says what a workspace consists of", s.lines.place(s.file, "spec"))
	}
	s.Content = *t.Spec.Content
	var written struct {
		Spec map[string]json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(data, &written); err != nil {
		return fault.New(fault.Invalid, "%s: %v", s.file, err)
	}
	delete(written.Spec, "content")
	if rest := slices.Sorted(maps.Keys(written.Spec)); len(rest) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("a version is made of spec.content alone; these fields are the template's own and were left out: spec.%s",
			strings.Join(rest, ", spec.")))
	}
	return nil
}

func orNothing(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

// strict decodes, and tells everything that is wrong with its place.
func (s *Source) strict(data []byte, into any) *fault.Error {
	var kind *json.UnmarshalTypeError
	if err := json.Unmarshal(data, into); errors.As(err, &kind) {
		is, _, _ := strings.Cut(kind.Value, " ") // a number stands behind its kind
		path, line := s.lines.ofKind(kind.Field, is)
		return wrong(line, s.file, path, fmt.Sprintf("is %s, and must be %s", kinds[is], wanted(kind.Type)))
	} else if err != nil {
		return fault.New(fault.Invalid, "%s: %v", s.file, err)
	}
	problems, err := kjson.UnmarshalStrict(data, into)
	if err != nil {
		return fault.New(fault.Invalid, "%s: %v", s.file, err)
	}
	var faults []*fault.Error
	for _, problem := range problems[:min(len(problems), shown)] {
		faults = append(faults, s.unknownField(problem))
	}
	return fault.Join(s.file+" is refused.", faults...)
}

// wanted is a Go type in words.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return kinds["object"]
	case reflect.Slice:
		return kinds["array"]
	case reflect.Bool:
		return kinds["bool"]
	case reflect.String:
		return kinds["string"] + "; put it in quotes"
	}
	return kinds["number"]
}

// unknownField is the decoder's complaint about a field that there is none of.
func (s *Source) unknownField(err error) *fault.Error {
	var field kjson.FieldError
	if !errors.As(err, &field) {
		return fault.New(fault.Invalid, "%s: %v", s.file, err)
	}
	path := field.FieldPath()
	return wrong(s.lines.of[path].line, s.file, path, "there is no such field")
}
