// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// Presets finds what is wrong in presets, whose list stands at path: a parameter that there is not, a value that it does
// not take, a name that stands there twice. Nothing found: whoever takes a preset gives values that are taken.
func Presets(path string, declared []v1alpha1.Parameter, presets []v1alpha1.Preset) []fault.Field {
	var found []fault.Field
	wrong := func(at, format string, args ...any) {
		found = append(found, fault.Field{Path: at, Detail: fmt.Sprintf(format, args...)})
	}
	names := make([]string, 0, len(declared))
	for _, p := range declared {
		names = append(names, p.Name)
	}
	taken, first := map[string]bool{}, ""
	for i, preset := range presets {
		at := fmt.Sprintf("%s[%d]", path, i)
		if taken[preset.Name] {
			wrong(at+".name", "%q stands there twice", preset.Name)
		}
		taken[preset.Name] = true
		if preset.Default && first != "" {
			wrong(at+".default", "preset %q is the default already; set it on one only", first)
		} else if preset.Default {
			first = preset.Name
		}
		for _, name := range slices.Sorted(maps.Keys(preset.Parameters)) {
			position := slices.Index(names, name)
			if position < 0 {
				wrong(at+".parameters", "%s", unknownName(name, names))
				continue
			}
			if v := refused(&declared[position], preset.Parameters[name]); v != "" {
				wrong(at+".parameters."+name, "%s", v)
			}
		}
	}
	return found
}

// refused says why a parameter does not take a value; nothing when it does.
func refused(p *v1alpha1.Parameter, value v1alpha1.Value) string {
	x, err := Decode(p.Type, value)
	if err != nil {
		return err.Error()
	}
	return violation(p, x)
}
