// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"fmt"
	"regexp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

var namePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)

// Declared finds what contradicts itself in declarations, whose list stands at path: a default that its own bounds
// refuse, a pattern that is none, two names that become one in the environment. Nothing found: a value can be chosen.
func Declared(path string, declared []v1alpha1.Parameter) []fault.Field {
	var found []fault.Field
	names := map[string]string{}
	for i := range declared {
		d := declaration{Parameter: &declared[i], path: fmt.Sprintf("%s[%d]", path, i)}
		d.name(names)
		d.shape()
		d.bounds()
		d.options()
		d.defaultValue()
		found = append(found, d.found...)
	}
	return found
}

// Name finds what is wrong with the name of a parameter or variable: empty when it can stand in ${parameters.NAME}.
func Name(name string) string {
	switch {
	case !namePattern.MatchString(name):
		return fmt.Sprintf("%q must be letters, digits and underscores, at most 63, and must not begin with a digit", shorten(name, 64))
	case reserved(name):
		return fmt.Sprintf("%q is a word of the expression language; choose another name", name)
	}
	return ""
}

// declaration is one declared parameter under examination.
type declaration struct {
	*v1alpha1.Parameter
	path  string
	found []fault.Field
}

func (d *declaration) wrong(field, format string, args ...any) {
	d.found = append(d.found, fault.Field{Path: d.path + "." + field, Detail: fmt.Sprintf(format, args...)})
}

// name also keeps names apart that differ in capitals only, since the environment knows capitals alone.
func (d *declaration) name(taken map[string]string) {
	if wrong := Name(d.Name); wrong != "" {
		d.wrong("name", "%s", wrong)
	}
	env := EnvName(d.Name)
	if other, ok := taken[env]; ok {
		d.wrong("name", "%q and %q would both be %s in the environment; rename one", d.Name, other, env)
	}
	taken[env] = d.Name
}

func (d *declaration) shape() {
	numeric := d.Type == v1alpha1.TypeInteger || d.Type == v1alpha1.TypeNumber
	hasDefault := d.Default != nil && !d.Default.IsNull()
	switch d.Type {
	case v1alpha1.TypeString, v1alpha1.TypeInteger, v1alpha1.TypeNumber, v1alpha1.TypeBoolean, v1alpha1.TypeArray:
	default:
		d.wrong("type", "%q must be string, integer, number, boolean or array", shorten(string(d.Type), 64))
	}
	if d.Required && hasDefault {
		d.wrong("required", "a required parameter has no default; remove one of the two")
	}
	if d.Ephemeral && !d.Mutable {
		d.wrong("ephemeral", "an ephemeral parameter changes with each start; set mutable: true")
	}
	if d.Ephemeral && !hasDefault {
		d.wrong("ephemeral", "an ephemeral parameter needs a default for the starts that give no value")
	}
	if d.Monotonic != "" && !numeric {
		d.wrong("monotonic", "only integer and number grow or shrink")
	}
	if d.Monotonic != "" && !d.Mutable {
		d.wrong("monotonic", "what cannot be changed has no direction; set mutable: true")
	}
	if d.Pattern != "" && d.Type != v1alpha1.TypeString {
		d.wrong("pattern", "only a string has a pattern")
	}
	if d.Pattern != "" {
		if _, err := regexp.Compile(d.Pattern); err != nil {
			d.wrong("pattern", "is no regular expression of RE2: %v", err)
		}
	}
	if d.PatternMessage != "" && d.Pattern == "" {
		d.wrong("patternMessage", "needs a pattern")
	}
}

func (d *declaration) bounds() {
	minimum, hasMinimum := d.bound("minimum", d.Minimum)
	maximum, hasMaximum := d.bound("maximum", d.Maximum)
	if order, ok := compare(minimum, maximum); hasMinimum && hasMaximum && ok && order > 0 {
		d.wrong("minimum", "%s is above the maximum, %s", show(minimum), show(maximum))
	}
}

func (d *declaration) bound(field string, v *v1alpha1.Value) (any, bool) {
	switch {
	case v == nil || v.IsNull():
		return nil, false
	case d.Type != v1alpha1.TypeInteger && d.Type != v1alpha1.TypeNumber:
		d.wrong(field, "only integer and number have bounds")
		return nil, false
	}
	x, err := Decode(d.Type, *v)
	if err != nil {
		d.wrong(field, "%v", err)
		return nil, false
	}
	return x, true
}

func (d *declaration) options() {
	seen := map[string]bool{}
	for i, o := range d.Options {
		field := fmt.Sprintf("options[%d].value", i)
		x, err := Decode(d.Type, o.Value)
		if err != nil {
			d.wrong(field, "%v", err)
			continue
		}
		text := string(encode(x).Raw)
		if seen[text] {
			d.wrong(field, "%s stands there twice", show(x))
		}
		seen[text] = true
		for _, check := range []func(*v1alpha1.Parameter, any) string{outOfBounds, notOfPattern} {
			if v := check(d.Parameter, x); v != "" {
				d.wrong(field, "%s", v)
			}
		}
	}
}

func (d *declaration) defaultValue() {
	if d.Default == nil || d.Default.IsNull() {
		return
	}
	x, err := Decode(d.Type, *d.Default)
	if err != nil {
		d.wrong("default", "%v", err)
		return
	}
	if v := violation(d.Parameter, x); v != "" {
		d.wrong("default", "%s", v)
	}
}
