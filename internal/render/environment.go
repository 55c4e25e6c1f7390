// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

// language is the Kubernetes release whose CEL libraries expressions have. It is fixed here, so that a newer dependency
// changes nothing by itself: what a version was checked with is what it is rendered with.
func language() *version.Version { return version.MajorMinor(1, 37) }

// fixedRoots are the names that expressions may begin with and their fields, beside parameters and variables, whose
// fields are the content's own. All are text.
func fixedRoots() map[string][]string {
	return map[string][]string{
		"workspace":    {"id", "name", "objectName"},
		"owner":        {"id", "name", "email", "displayName"},
		"template":     {"name", "displayName"},
		"organization": {"name"},
	}
}

// declarations are what the expressions of one content may name.
type declarations struct {
	env *cel.Env
	// fields are the field names of each root, sorted.
	fields map[string][]string
	// secret are the variables whose value stands in a Secret, which no expression sees.
	secret map[string]bool
	// loops are the variables of a forEach, innermost last.
	loops []string
}

// declare builds the environment of a content. Declarations that are wrong were found before; they are left out here,
// so that the rest can be checked.
func declare(content *v1alpha1.TemplateContent) (*declarations, error) {
	d := &declarations{fields: map[string][]string{}, secret: map[string]bool{}}
	types := map[string]map[string]*apiservercel.DeclField{"parameters": {}, "variables": {}}
	for _, p := range content.Parameters {
		addField(types["parameters"], p.Name, declType(p.Type))
	}
	for _, v := range content.Variables {
		if v.ValueFrom != nil {
			d.secret[v.Name] = true
			continue
		}
		addField(types["variables"], v.Name, declType(v.Type))
	}
	for root, fields := range fixedRoots() {
		types[root] = map[string]*apiservercel.DeclField{}
		for _, name := range fields {
			addField(types[root], name, apiservercel.StringType)
		}
	}

	options := environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0)}
	for _, root := range slices.Sorted(maps.Keys(types)) {
		t := apiservercel.NewObjectType("berth."+root, types[root])
		options.DeclTypes = append(options.DeclTypes, t)
		options.EnvOptions = append(options.EnvOptions, cel.Variable(root, t.CelType()))
		d.fields[root] = slices.Sorted(maps.Keys(types[root]))
	}
	set, err := environment.MustBaseEnvSet(language()).Extend(options)
	if err != nil {
		return nil, fmt.Errorf("declare the parameters to CEL: %w", err)
	}
	d.env = set.NewExpressionsEnv()
	return d, nil
}

func addField(fields map[string]*apiservercel.DeclField, name string, t *apiservercel.DeclType) {
	if t != nil && parameters.Name(name) == "" {
		fields[name] = apiservercel.NewDeclField(name, t, true, nil, nil)
	}
}

// declType is the CEL type of a parameter; nil for a type that there is not.
func declType(t v1alpha1.ParameterType) *apiservercel.DeclType {
	switch t {
	case v1alpha1.TypeString:
		return apiservercel.StringType
	case v1alpha1.TypeInteger:
		return apiservercel.IntType
	case v1alpha1.TypeNumber:
		return apiservercel.DoubleType
	case v1alpha1.TypeBoolean:
		return apiservercel.BoolType
	case v1alpha1.TypeArray:
		return apiservercel.NewListType(apiservercel.StringType, -1)
	}
	return nil
}

// bindings are the values behind the roots, for one rendering.
func bindings(content *v1alpha1.TemplateContent, in *Input) (map[string]any, *fault.Error) {
	var faults []*fault.Error
	chosen := map[string]any{}
	for _, p := range content.Parameters {
		x, err := parameters.Decode(p.Type, in.Parameters[p.Name])
		if err != nil {
			faults = append(faults, fault.On(child("spec.parameters", p.Name), "%v", err).Because(v1alpha1.ReasonParameterRefused))
		}
		chosen[p.Name] = x
	}
	set := map[string]any{}
	for i, v := range content.Variables {
		if v.ValueFrom != nil {
			continue
		}
		x, err := parameters.Decode(v.Type, variableValue(&v))
		if err != nil {
			faults = append(faults, fault.On(fmt.Sprintf("%s.variables[%d]", contentPath, i), "%v", err).Because(v1alpha1.ReasonParameterInvalid))
		}
		set[v.Name] = x
	}
	if f := fault.Join("Some parameters are not as the template wants them.", faults...); f != nil {
		return nil, f
	}
	return map[string]any{
		"parameters":   chosen,
		"variables":    set,
		"workspace":    map[string]any{"id": in.Workspace.ID, "name": in.Workspace.Name, "objectName": in.Workspace.ObjectName},
		"owner":        map[string]any{"id": in.Owner.ID, "name": in.Owner.Name, "email": in.Owner.Email, "displayName": in.Owner.DisplayName},
		"template":     map[string]any{"name": in.Template.Name, "displayName": in.Template.DisplayName},
		"organization": map[string]any{"name": in.Organization.Name},
	}, nil
}

// variableValue is a variable's value, or its default.
func variableValue(v *v1alpha1.Variable) v1alpha1.Value {
	switch {
	case v.Value != nil && !v.Value.IsNull():
		return *v.Value
	case v.Default != nil:
		return *v.Default
	}
	return v1alpha1.Value{}
}
