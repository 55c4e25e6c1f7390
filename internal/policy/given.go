// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"iter"
	"maps"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

// Given are the values of parameters that a request asks for.
type Given struct {
	// Lasting are to stay with the workspace, Ephemeral count for one build.
	Lasting, Ephemeral map[string]v1alpha1.Value
}

// FromWire reads the values of a request, as names and texts. It refuses, by name and all at once, what is given twice,
// what is not declared and what can't be read as the parameter's type; whether the values may be is for MayStart to say.
func FromWire(declared []v1alpha1.Parameter, values iter.Seq2[string, string]) (Given, error) {
	given := Given{Lasting: map[string]v1alpha1.Value{}, Ephemeral: map[string]v1alpha1.Value{}}
	seen, unknown := map[string]bool{}, map[string]v1alpha1.Value{}
	var faults []*fault.Error
	for name, text := range values {
		if seen[name] {
			faults = append(faults, fault.On(name, "is given twice; give it once"))
			continue
		}
		seen[name] = true
		i := slices.IndexFunc(declared, func(p v1alpha1.Parameter) bool { return p.Name == name })
		if i < 0 {
			unknown[name] = v1alpha1.ValueOf(text)
			continue
		}
		value, f := parameters.FromWire(declared[i], text)
		switch {
		case f != nil:
			faults = append(faults, f)
		case declared[i].Ephemeral:
			given.Ephemeral[name] = value
		default:
			given.Lasting[name] = value
		}
	}
	if len(unknown) > 0 {
		// No declaration but those that the names are compared with: only what is unknown is refused here.
		_, f := parameters.Resolve(optional(declared), unknown, nil, func(name string) string { return name })
		faults = append(faults, f)
	}
	if f := fault.Join("Some parameters are not as the template wants them.", faults...); f != nil {
		return Given{}, f
	}
	return given, nil
}

// optional are the declarations with a default each, so that none of them is missing.
func optional(declared []v1alpha1.Parameter) []v1alpha1.Parameter {
	names := make([]v1alpha1.Parameter, 0, len(declared))
	for _, p := range declared {
		text := v1alpha1.ValueOf("")
		names = append(names, v1alpha1.Parameter{Name: p.Name, Type: v1alpha1.TypeString, Default: &text})
	}
	return names
}

// All are the values of both kinds together.
func (g Given) All() map[string]v1alpha1.Value {
	all := maps.Clone(g.Lasting)
	maps.Copy(all, g.Ephemeral)
	return all
}

// Over are the values over those that the workspace has, without what the version no longer declares: a parameter that
// went with an older version would otherwise keep the workspace from ever starting on this one.
func (g Given) Over(declared []v1alpha1.Parameter, has map[string]v1alpha1.Value) Given {
	merged := Given{Lasting: map[string]v1alpha1.Value{}, Ephemeral: g.Ephemeral}
	for _, p := range declared {
		if p.Ephemeral {
			continue
		}
		if v, ok := has[p.Name]; ok {
			merged.Lasting[p.Name] = v
		}
	}
	maps.Copy(merged.Lasting, g.Lasting)
	return merged
}
