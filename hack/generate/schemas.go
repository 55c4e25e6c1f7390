// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const (
	// schemaFolder holds a JSON Schema a kind, for editors; the chart brings it along.
	schemaFolder = "charts/berth/schemas"
	// kustomizeFile holds the merge keys of our lists, for kustomize's `openapi`.
	kustomizeFile = "config/kustomize/berth-kustomize.json"
)

// object is a JSON object.
type object = map[string]any

// writeSchemas writes what editors, kustomize and Argo CD know of our kinds, from the CRDs.
func writeSchemas(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "*.yaml"))
	if err != nil {
		return err
	}
	folder := filepath.Join(root, filepath.FromSlash(schemaFolder))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	definitions := object{}
	var kinds []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		kind, version := crd.Spec.Names.Kind, crd.Spec.Versions[0]
		kinds = append(kinds, kind)
		name := fmt.Sprintf("%s_%s.json", strings.ToLower(kind), version.Name)
		if err := writeJSON(filepath.Join(folder, name), editorSchema(crd.Spec.Group, kind, version)); err != nil {
			return err
		}
		definitions[fmt.Sprintf("dev.berth.%s.%s", version.Name, kind)] = mergeSchema(crd.Spec.Group, kind, version)
	}
	if err := writeArgo(root, kinds); err != nil {
		return err
	}
	return writeJSON(filepath.Join(root, filepath.FromSlash(kustomizeFile)), object{"definitions": definitions})
}

func writeJSON(file string, x any) error {
	text, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// editorSchema is the JSON Schema of a kind. It says what the CRD says, refuses misspelt fields, and knows what the CRD
// does not: the pod and the extra objects of a content, in which every scalar may be an expression.
func editorSchema(group, kind string, version apiextensionsv1.CustomResourceDefinitionVersion) object {
	e := editor{definitions: object{"expression": object{"type": "string", "pattern": `\$\{`, "description": "Text with an expression in ${…}."}}}
	schema := e.crd(*version.Schema.OpenAPIV3Schema)
	properties := schema["properties"].(object)
	properties["apiVersion"] = object{"const": group + "/" + version.Name}
	properties["kind"] = object{"const": kind}
	properties["metadata"] = object{"type": "object"}
	schema["required"] = []string{"apiVersion", "kind", "metadata"}
	if slices.Contains(version.Schema.OpenAPIV3Schema.Required, "spec") {
		schema["required"] = []string{"apiVersion", "kind", "metadata", "spec"}
	}
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["title"] = kind
	schema["definitions"] = e.definitions
	return schema
}

// editor gathers the definitions that a schema refers to.
type editor struct{ definitions object }

// crd is a part of a CRD's schema as JSON Schema has it.
func (e editor) crd(s apiextensionsv1.JSONSchemaProps) object {
	out := object{}
	if s.Description != "" {
		out["description"] = s.Description
	}
	if s.Type != "" {
		out["type"] = s.Type
	}
	for name, bound := range map[string]*int64{
		"minLength": s.MinLength, "maxLength": s.MaxLength, "minItems": s.MinItems, "maxItems": s.MaxItems,
		"minProperties": s.MinProperties, "maxProperties": s.MaxProperties,
	} {
		if bound != nil {
			out[name] = *bound
		}
	}
	for name, bound := range map[string]*float64{"minimum": s.Minimum, "maximum": s.Maximum} {
		if bound != nil {
			out[name] = *bound
		}
	}
	if s.Pattern != "" {
		out["pattern"] = s.Pattern
	}
	if s.Format != "" {
		out["format"] = s.Format
	}
	if len(s.Enum) > 0 {
		out["enum"] = s.Enum
	}
	if len(s.Required) > 0 {
		out["required"] = s.Required
	}
	if s.Items != nil && s.Items.Schema != nil {
		out["items"] = e.crd(*s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		out["additionalProperties"] = e.crd(*s.AdditionalProperties.Schema)
	}
	if len(s.Properties) > 0 {
		properties := object{}
		for name, field := range s.Properties {
			properties[name] = e.field(name, field)
		}
		out["properties"] = properties
		out["additionalProperties"] = false
	}
	return out
}

// field is a field of a CRD, filled in where the CRD leaves it open.
func (e editor) field(name string, s apiextensionsv1.JSONSchemaProps) object {
	open := s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields && s.Type == "object"
	if !open {
		return e.crd(s)
	}
	switch name {
	case "podTemplate":
		return object{"description": s.Description, "allOf": []any{e.of(reflect.TypeFor[corev1.PodTemplateSpec]())}}
	case "object":
		var kinds []any
		for kind, t := range map[string]reflect.Type{
			"v1 ConfigMap": reflect.TypeFor[corev1.ConfigMap](), "v1 PersistentVolumeClaim": reflect.TypeFor[corev1.PersistentVolumeClaim](),
			"v1 Service": reflect.TypeFor[corev1.Service](), "networking.k8s.io/v1 NetworkPolicy": reflect.TypeFor[networkingv1.NetworkPolicy](),
		} {
			apiVersion, name, _ := strings.Cut(kind, " ")
			kinds = append(kinds, object{"allOf": []any{
				object{"properties": object{"apiVersion": object{"const": apiVersion}, "kind": object{"const": name}}, "required": []string{"apiVersion", "kind", "metadata"}},
				e.of(t),
			}})
		}
		slices.SortFunc(kinds, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return object{"description": s.Description, "anyOf": kinds}
	}
	return e.crd(s)
}

// of is the schema of a Go type of the Kubernetes API, in which every scalar may be an expression.
func (e editor) of(t reflect.Type) object {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	either := func(types ...string) object {
		return object{"anyOf": []any{object{"type": types}, object{"$ref": "#/definitions/expression"}}}
	}
	switch {
	case t == reflect.TypeFor[resource.Quantity]():
		return object{"type": []string{"string", "number"}}
	case t == reflect.TypeFor[intstr.IntOrString]():
		return object{"type": []string{"string", "integer"}}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return object{}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return either("boolean")
	case reflect.Int, reflect.Int32, reflect.Int64:
		return either("integer")
	case reflect.Float64:
		return either("number")
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string"}
		}
		list := object{"type": "array", "items": e.of(t.Elem())}
		if t.Elem().Kind() == reflect.String {
			return object{"anyOf": []any{list, object{"$ref": "#/definitions/expression"}}}
		}
		return list
	case reflect.Map:
		return object{"anyOf": []any{object{"type": "object", "additionalProperties": e.of(t.Elem())}, object{"$ref": "#/definitions/expression"}}}
	case reflect.Struct:
		return e.structure(t)
	}
	return object{}
}

// structure is a reference to the schema of a struct.
func (e editor) structure(t reflect.Type) object {
	name := t.Name()
	ref := object{"$ref": "#/definitions/" + name}
	if _, there := e.definitions[name]; there {
		return ref
	}
	e.definitions[name] = object{} // a type that holds itself ends here
	properties := object{}
	e.fields(t, properties)
	e.definitions[name] = object{"type": "object", "properties": properties, "additionalProperties": false}
	return ref
}

func (e editor) fields(t reflect.Type, into object) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && field.Anonymous:
			e.fields(field.Type, into)
		case name != "":
			into[name] = e.of(field.Type)
		}
	}
}

// mergeSchema is what kustomize must know of a kind: which lists are merged, and by which key.
func mergeSchema(group, kind string, version apiextensionsv1.CustomResourceDefinitionVersion) object {
	schema := merge(*version.Schema.OpenAPIV3Schema)
	schema["x-kubernetes-group-version-kind"] = []any{object{"group": group, "kind": kind, "version": version.Name}}
	return schema
}

func merge(s apiextensionsv1.JSONSchemaProps) object {
	out := object{}
	if s.Type != "" {
		out["type"] = s.Type
	}
	if s.XListType != nil && *s.XListType == "map" && len(s.XListMapKeys) == 1 {
		out["x-kubernetes-patch-strategy"], out["x-kubernetes-patch-merge-key"] = "merge", s.XListMapKeys[0]
		out["x-kubernetes-list-type"], out["x-kubernetes-list-map-keys"] = "map", s.XListMapKeys
	}
	if s.Items != nil && s.Items.Schema != nil {
		out["items"] = merge(*s.Items.Schema)
	}
	properties := object{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		properties[name] = merge(s.Properties[name])
	}
	if len(properties) > 0 {
		out["properties"] = properties
	}
	return out
}
