// SPDX-License-Identifier: Apache-2.0

package versions

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

// variables are the values of sensitive variables, and the Secret that they are to stand in.
type variables struct {
	name   string
	values map[string]string
}

// setVariables puts the values of a request into a content. Those of sensitive variables are left out of it: the content
// names a key of a Secret instead. A value for a variable that there is none of is told in a note, and taken for no error,
// since one file of values may serve several templates.
func setVariables(c *v1alpha1.TemplateContent, given []codersdk.VariableValue) (secret *variables, notes []string, err error) {
	var faults []*fault.Error
	seen := map[string]bool{}
	for _, g := range given {
		i := slices.IndexFunc(c.Variables, func(v v1alpha1.Variable) bool { return v.Name == g.Name })
		if i < 0 {
			notes = append(notes, fmt.Sprintf("there is no variable %q%s; its value was left out", shortName(g.Name), nearest(g.Name, c.Variables)))
			continue
		}
		if seen[g.Name] {
			faults = append(faults, fault.On("user_variable_values", "%s is given twice; give it once", g.Name))
			continue
		}
		seen[g.Name] = true
		v := &c.Variables[i]
		value, f := parameters.FromWire(v1alpha1.Parameter{Name: v.Name, Type: v.Type}, g.Value)
		if f != nil {
			// what was given is not repeated: it may be a secret
			faults = append(faults, fault.On("user_variable_values", "%s: can't be read as %s", g.Name, v.Type))
			continue
		}
		v.Value, v.ValueFrom = &value, nil
		if !v.Sensitive {
			continue
		}
		if secret == nil {
			secret = &variables{name: "berth-variables-" + strings.ToLower(rand.Text()), values: map[string]string{}}
		}
		secret.values[v.Name] = value.String()
		v.Value = nil
		v.ValueFrom = &v1alpha1.VariableSource{SecretKeyRef: v1alpha1.KeyReference{Name: v1alpha1.ReferenceName(secret.name), Key: v.Name}}
	}
	if f := fault.Join("Validation failed.", faults...); f != nil {
		return nil, nil, f
	}
	return secret, notes, nil
}

// nearest says which variable was probably meant.
func nearest(name string, declared []v1alpha1.Variable) string {
	names := make([]string, 0, len(declared))
	for _, v := range declared {
		names = append(names, v.Name)
	}
	if near := fault.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func shortName(name string) string { return cut(strings.ToValidUTF8(name, ""), 64) }
