// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shape is what a field of an object holds, as far as an expression must know to fill it.
type shape int

const (
	// textShape is a string; a number or boolean is written out.
	textShape shape = iota
	// truthShape is true or false.
	truthShape
	// wholeShape is an integer.
	wholeShape
	// decimalShape is a number.
	decimalShape
	// quantityShape is a resource.Quantity, written as text or number.
	quantityShape
	// portShape is a number or a name.
	portShape
	// listShape is a list of text.
	listShape
	// textMapShape maps names to text.
	textMapShape
	// quantityMapShape maps names to quantities.
	quantityMapShape
	// objectShape is a struct; no expression stands for one.
	objectShape
	// objectListShape is a list of structs.
	objectListShape
	// otherShape decodes in a way of its own; no expression stands for it.
	otherShape
)

// String says what a person should write.
func (s shape) String() string {
	return [...]string{
		textShape: "text", truthShape: "true or false", wholeShape: "a whole number", decimalShape: "a number",
		quantityShape: "a quantity, such as 500m, 2 or 4Gi", portShape: "a number or a name", listShape: "a list of text",
		textMapShape: "a mapping of text", quantityMapShape: "a mapping of quantities", objectShape: "a mapping",
		objectListShape: "a list of mappings", otherShape: "a value of its kind",
	}[s]
}

// shapeOf classifies a Go type of the Kubernetes API. The second result is the type without pointers.
func shapeOf(t reflect.Type) (shape, reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return quantityShape, t
	case reflect.TypeFor[intstr.IntOrString]():
		return portShape, t
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return otherShape, t
	}
	switch t.Kind() {
	case reflect.String:
		return textShape, t
	case reflect.Bool:
		return truthShape, t
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return wholeShape, t
	case reflect.Float32, reflect.Float64:
		return decimalShape, t
	case reflect.Struct:
		return objectShape, t
	case reflect.Slice:
		return sliceShape(t), t
	case reflect.Map:
		return mapShape(t), t
	}
	return otherShape, t
}

func sliceShape(t reflect.Type) shape {
	switch inner, _ := shapeOf(t.Elem()); inner {
	case textShape:
		return listShape
	case objectShape:
		return objectListShape
	}
	return otherShape
}

func mapShape(t reflect.Type) shape {
	switch inner, _ := shapeOf(t.Elem()); inner {
	case textShape:
		return textMapShape
	case quantityShape:
		return quantityMapShape
	}
	return otherShape
}

// fieldsOf are the fields of a struct by their JSON names, those of embedded structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && field.Anonymous:
			for inner, innerType := range fieldsOf(field.Type) {
				fields[inner] = innerType
			}
		case name != "":
			fields[name] = field.Type
		}
	}
	return fields
}
