// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/config/crd"
	"github.com/berth-dev/berth/internal/fault"
)

// problem is what a definition has against a field.
type problem struct {
	path, message string
}

// definition is a kind as the kube-apiserver would hold manifests to it.
type definition struct {
	namespaced bool
	structural *schema.Structural
	shape      validation.SchemaValidator
	rules      *schemacel.Validator
}

// definitions are those of Berth's kinds, by kind, each made ready when it is first asked for.
type definitions map[string]func() (*definition, error)

// load reads the definitions that are built in.
func load() (definitions, error) {
	files, err := fs.Glob(crd.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	all := definitions{}
	for _, file := range files {
		text, err := crd.Files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var c apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all[c.Spec.Names.Kind] = sync.OnceValues(func() (*definition, error) { return prepare(&c) })
	}
	return all, nil
}

// prepare makes the validators of a definition's only version.
func prepare(c *apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	var props apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		c.Spec.Versions[0].Schema.OpenAPIV3Schema, &props, nil); err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		return nil, err
	}
	shape, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, err
	}
	return &definition{
		namespaced: c.Spec.Scope == apiextensionsv1.NamespaceScoped,
		structural: structural, shape: shape,
		rules: schemacel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// check says what the kube-apiserver would refuse of a new object, in its own order: unknown fields, the schema, lists
// with doubles, rules.
func (d *definition) check(object map[string]any) []problem {
	object = runtime.DeepCopyJSON(object)
	delete(object, "status") // it is never taken from a manifest
	unknown := pruning.PruneWithOptions(object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	var problems []problem
	for _, path := range unknown {
		problems = append(problems, problem{path, d.unknown(path)})
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	defaulting.Default(object, d.structural)
	errs := validation.ValidateCustomResource(nil, object, d.shape)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	if len(errs) == 0 { // rules may rely on the shape
		broken, _ := d.rules.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, broken...)
	}
	for _, e := range errs {
		path := e.Field
		if path == "<nil>" { // the object itself
			path = ""
		}
		problems = append(problems, problem{path, sentence(e)})
	}
	return problems
}

// sentence is what a schema's error says, without the field, which stands before it.
func sentence(e *field.Error) string {
	switch e.Type {
	case field.ErrorTypeRequired:
		return "is required"
	case field.ErrorTypeInvalid, field.ErrorTypeTypeInvalid:
		detail := e.Detail
		if _, after, ok := strings.Cut(detail, " in body "); ok {
			detail = after
		}
		if detail != "" {
			return detail
		}
	}
	return e.ErrorBody()
}

// unknown says that there is no such field, and which one was meant.
func (d *definition) unknown(path string) string {
	names := steps(path)
	if len(names) == 0 || strings.HasSuffix(path, ".") {
		return "there is no field without a name here"
	}
	last := names[len(names)-1]
	message := fmt.Sprintf("there is no field %q here", last)
	at := d.structural
	for _, name := range names[:len(names)-1] {
		next, ok := at.Properties[name]
		switch {
		case ok:
			at = &next
		case at.Items != nil:
			at = at.Items
		case at.AdditionalProperties != nil && at.AdditionalProperties.Structural != nil:
			at = at.AdditionalProperties.Structural
		default:
			return message
		}
	}
	if near := fault.Nearest(last, slices.Sorted(maps.Keys(at.Properties))); near != "" {
		return message + fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}
