// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/render"
)

// Template is the template, or the version of one, that a document holds.
type Template struct {
	*Document
	content           *v1alpha1.TemplateContent
	object            v1alpha1.Object
	name, displayName string
}

// Given are values for parameters, by name: texts as people type them, and values as a file holds them.
type Given struct {
	Texts  map[string]string
	Values map[string]v1alpha1.Value
}

// Names are the parameters that something is given for, sorted.
func (g Given) Names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(g.Values)), maps.Keys(g.Texts))
	slices.Sort(names)
	return slices.Compact(names)
}

// Declares tells whether the template has a parameter of the name.
func (t *Template) Declares(name string) bool {
	return slices.ContainsFunc(t.content.Parameters, func(p v1alpha1.Parameter) bool { return p.Name == name })
}

// Check compiles and renders the template.
func (t *Template) Check(given Given) []Finding {
	_, findings := t.render(given)
	for _, path := range render.NotEnforced(t.object) {
		findings = append(findings, t.finding(Note, RuleNotEnforced, path, "is stored and shown, and not acted on by this release"))
	}
	return findings
}

// render gives what a workspace of the template would consist of, and what is to be said about it. It is nil where
// something is wrong.
func (t *Template) render(given Given) (*render.Workload, []Finding) {
	compiled, problems := render.Compile(t.content)
	if len(problems) > 0 {
		return nil, t.problems(problems)
	}
	input, placeholders := compiled.Sample()
	input.Template = render.Template{Name: t.name, DisplayName: t.displayName}
	if t.Namespace() != "" {
		input.Organization.Name = t.Namespace()
	}
	findings := t.choose(given, input.Parameters)
	if len(findings) > 0 {
		return nil, findings
	}
	placeholders = slices.DeleteFunc(placeholders, func(name string) bool { return slices.Contains(given.Names(), name) })
	workload, refusal := compiled.Render(input)
	switch {
	case refusal == nil:
		return workload, nil
	case len(placeholders) == 0 || refusal.Reason == v1alpha1.ReasonNotAllowed:
		return nil, t.refused(Error, RuleContent, refusal)
	}
	findings = t.refused(Warning, RuleContent, refusal)
	for i := range findings {
		findings[i].Message += fmt.Sprintf(" (with made-up values for %s; give some with --set)", strings.Join(placeholders, ", "))
	}
	return nil, findings
}

// choose puts the values given among the others, where the template declares such a parameter and allows the value.
func (t *Template) choose(given Given, values map[string]v1alpha1.Value) []Finding {
	var findings []Finding
	for i := range t.content.Parameters {
		p := t.content.Parameters[i]
		value, ok := given.Values[p.Name]
		path := fmt.Sprintf("spec.content.parameters[%d]", i)
		if text, typed := given.Texts[p.Name]; typed {
			read, refusal := parameters.FromWire(p, text)
			if refusal != nil {
				findings = append(findings, t.finding(Error, RuleParameters, path, fmt.Sprintf("%s=%s: %s", p.Name, text, refusal.Fields[0].Detail)))
				continue
			}
			value, ok = read, true
		}
		if !ok {
			continue
		}
		resolved, refusal := parameters.Resolve([]v1alpha1.Parameter{p}, map[string]v1alpha1.Value{p.Name: value}, nil, func(string) string { return path })
		if refusal != nil {
			findings = append(findings, t.finding(Error, RuleParameters, path, fmt.Sprintf("%s=%s: %s", p.Name, value.String(), refusal.Fields[0].Detail)))
			continue
		}
		values[p.Name] = resolved.All()[p.Name]
	}
	return findings
}

// Render gives the objects that a workspace of the template would consist of, as YAML. The findings say why there is
// nothing to show where it is empty.
func (t *Template) Render(given Given) ([]byte, []Finding, error) {
	workload, findings := t.render(given)
	if workload == nil {
		return nil, findings, nil
	}
	objects := []any{&corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: named(workload.Pod.ObjectMeta, t.name, t.Namespace()),
		Spec:       workload.Pod.Spec,
	}}
	for _, claim := range workload.Claims {
		objects = append(objects, &corev1.PersistentVolumeClaim{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
			ObjectMeta: named(metav1.ObjectMeta{}, claim.Name, t.Namespace()),
			Spec:       claim.Spec,
		})
	}
	for _, secret := range workload.Secrets {
		o := &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: named(metav1.ObjectMeta{}, secret.Name, t.Namespace()),
			StringData: map[string]string{},
		}
		for _, key := range secret.Keys {
			o.StringData[key] = "(made once for each workspace)"
		}
		objects = append(objects, o)
	}
	for _, extra := range workload.Extras {
		o := unstructured.Unstructured{Object: runtime.DeepCopyJSON(extra.Object)}
		o.SetNamespace(t.Namespace())
		objects = append(objects, o.Object)
	}
	var text []byte
	for _, object := range objects {
		encoded, err := yaml.Marshal(object)
		if err != nil {
			return nil, findings, err
		}
		text = append(append(text, "---\n"...), strings.ReplaceAll(string(encoded), "status: {}\n", "")...)
	}
	return text, findings, nil
}

func named(meta metav1.ObjectMeta, name, namespace string) metav1.ObjectMeta {
	meta.Name, meta.Namespace = name, namespace
	return meta
}

// Key tells one template of a set from another.
func (t *Template) Key() string {
	if t.Namespace() == "" {
		return t.Kind() + "/" + t.Document.Name()
	}
	return t.Kind() + "/" + t.Namespace() + "/" + t.Document.Name()
}

// Parameters are the names of the template's parameters.
func (t *Template) Parameters() []string {
	var names []string
	for _, p := range t.content.Parameters {
		names = append(names, p.Name)
	}
	return names
}
