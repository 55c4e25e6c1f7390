// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// Checker holds manifests to the definitions and the rules of this release.
type Checker struct {
	definitions definitions
}

// NewChecker is a Checker with the definitions that are built in.
func NewChecker() (*Checker, error) {
	all, err := load()
	return &Checker{definitions: all}, err
}

// Kinds are Berth's kinds, sorted.
func (c *Checker) Kinds() []string { return slices.Sorted(maps.Keys(c.definitions)) }

// Ours tells whether a document is of one of Berth's kinds.
func Ours(d *Document) bool {
	group, _, _ := strings.Cut(d.APIVersion(), "/")
	return group == v1alpha1.GroupVersion.Group
}

// Check says everything that is wrong with one manifest of ours. Templates are rendered with the values given, and with
// what they say themselves where none are.
func (c *Checker) Check(d *Document, given Given) []Finding {
	define, known := c.definitions[d.Kind()]
	if !known || d.APIVersion() != v1alpha1.GroupVersion.String() {
		return []Finding{d.finding(Error, RuleSchema, "kind", fmt.Sprintf("there is no kind %s in %s; there are %s",
			d.Kind(), d.APIVersion(), strings.Join(c.Kinds(), ", ")))}
	}
	definition, err := define()
	if err != nil {
		return []Finding{d.finding(Error, RuleSchema, "", err.Error())}
	}
	findings := d.metadata(definition.namespaced)
	for _, p := range definition.check(d.Object) {
		findings = append(findings, d.finding(Error, RuleSchema, p.path, p.message))
	}
	if t := d.Template(); t != nil {
		findings = append(findings, t.Check(given)...)
	}
	return dedupe(findings)
}

// metadata checks what every object has and no definition describes.
func (d *Document) metadata(namespaced bool) []Finding {
	var findings []Finding
	wrong := func(path, format string, args ...any) {
		findings = append(findings, d.finding(Error, RuleSchema, path, fmt.Sprintf(format, args...)))
	}
	encoded, err := json.Marshal(d.Object["metadata"])
	if err != nil {
		wrong("metadata", "%v", err)
		return findings
	}
	var meta metav1.ObjectMeta
	strict, err := kjson.UnmarshalStrict(encoded, &meta)
	if err != nil {
		wrong("metadata", "%s", strings.TrimPrefix(err.Error(), "json: "))
		return findings
	}
	for _, e := range strict {
		path := "metadata"
		if f, ok := e.(kjson.FieldError); ok {
			path += "." + f.FieldPath()
		}
		wrong(path, "there is no such field here")
	}
	switch {
	case meta.Name == "" && meta.GenerateName == "":
		wrong("metadata", "name is required")
	case meta.Name != "":
		for _, message := range validation.NameIsDNSSubdomain(meta.Name, false) {
			wrong("metadata.name", "%s", message)
		}
	}
	if !namespaced && meta.Namespace != "" {
		wrong("metadata.namespace", "a %s stands in no namespace; remove the line", d.Kind())
	}
	return findings
}

// finding is something about a field of the document.
func (d *Document) finding(level Level, rule, path, message string) Finding {
	f := Finding{File: d.File, Level: level, Rule: rule, Path: path, Message: message}
	f.Line, f.Column = d.At(path)
	if name := d.Name(); name != "" {
		f.Object = d.Kind() + "/" + name
	}
	return f
}

// dedupe keeps what was said first of a field: what one check calls wrong the next need not say again.
func dedupe(findings []Finding) []Finding {
	said := map[string]string{}
	var kept []Finding
	for _, f := range findings {
		by, ok := said[f.Path]
		if ok && by != f.Rule && f.Level == Error {
			continue
		}
		said[f.Path] = f.Rule
		kept = append(kept, f)
	}
	return kept
}

// Template gives the template, or the version of one, that a document holds; nil when it holds none, or none that can be
// read.
func (d *Document) Template() *Template {
	encoded, err := json.Marshal(d.Object)
	if err != nil {
		return nil
	}
	t := &Template{Document: d}
	switch d.Kind() {
	case "Template":
		var o v1alpha1.Template
		if json.Unmarshal(encoded, &o) != nil || o.Spec.Content == nil {
			return nil
		}
		t.content, t.object, t.name, t.displayName = o.Spec.Content, &o, o.WireName(), string(o.Spec.DisplayName)
	case "TemplateVersion":
		var o v1alpha1.TemplateVersion
		if json.Unmarshal(encoded, &o) != nil {
			return nil
		}
		t.content, t.object, t.name = &o.Spec.Content, &o, d.Name()
		if o.Spec.TemplateRef != nil {
			t.name = string(o.Spec.TemplateRef.Name)
		}
	default:
		return nil
	}
	return t
}

// problems makes findings of what package render has against a content.
func (t *Template) problems(problems []render.Problem) []Finding {
	var findings []Finding
	for _, p := range problems {
		f := t.finding(Error, RuleContent, p.Path, p.Message)
		f.Reason = p.Reason
		findings = append(findings, f)
	}
	return findings
}

// refused makes findings of a fault.
func (t *Template) refused(level Level, rule string, refusal *fault.Error) []Finding {
	if len(refusal.Fields) == 0 {
		return []Finding{t.finding(level, rule, "spec.content", refusal.Message)}
	}
	var findings []Finding
	for _, field := range refusal.Fields {
		f := t.finding(level, rule, field.Path, field.Detail)
		f.Reason = refusal.Reason
		findings = append(findings, f)
	}
	return findings
}
