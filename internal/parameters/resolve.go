// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// Resolved are the values that a build takes, in their canonical form.
type Resolved struct {
	// Values are those of lasting parameters.
	Values map[string]v1alpha1.Value
	// Ephemeral are those of ephemeral parameters, for one build alone.
	Ephemeral map[string]v1alpha1.Value
}

// All are the values of both kinds together, as a version is rendered with them.
func (r Resolved) All() map[string]v1alpha1.Value {
	all := maps.Clone(r.Values)
	if all == nil {
		all = map[string]v1alpha1.Value{}
	}
	maps.Copy(all, r.Ephemeral)
	return all
}

// Resolve decides which value each declared parameter has: the one that was given, else for an immutable parameter that
// of the previous build, else the default. It refuses what is unknown, required and absent, of the wrong type, out of
// bounds, changed though immutable, or moved against monotonic; all of it at once, with reason ParameterRefused.
//
// previous are the lasting values of the workspace's last start, nil before the first one. An immutable value that the
// declaration no longer allows may be changed. at gives the path that a parameter's name has where the values were
// given: spec.parameters.NAME in a manifest, NAME on the wire.
func Resolve(declared []v1alpha1.Parameter, given, previous map[string]v1alpha1.Value, at func(name string) string) (Resolved, *fault.Error) {
	resolved := Resolved{Values: map[string]v1alpha1.Value{}, Ephemeral: map[string]v1alpha1.Value{}}
	faults := unknown(declared, given, at)
	size := 0
	for i := range declared {
		p := &declared[i]
		value, refusal := choose(p, given[p.Name], previous[p.Name])
		if size += len(value.Raw); refusal == "" && size > maxAll {
			refusal = fmt.Sprintf("makes the parameters larger than %d KiB together", maxAll>>10)
		}
		switch {
		case refusal != "":
			faults = append(faults, refuse(at(p.Name), refusal))
		case p.Ephemeral:
			resolved.Ephemeral[p.Name] = value
		default:
			resolved.Values[p.Name] = value
		}
	}
	if f := fault.Join("Some parameters are not as the template wants them.", faults...); f != nil {
		return Resolved{}, f
	}
	return resolved, nil
}

// choose takes one parameter's value and checks it. A refusal says what is wrong and what would be right.
func choose(p *v1alpha1.Parameter, given, previous v1alpha1.Value) (_ v1alpha1.Value, refusal string) {
	before, had := lasting(p, previous)
	value, note := given, ""
	switch {
	case !given.IsNull():
	case had && !p.Mutable:
		value, note = previous, " (the value of the last start)"
	case p.Default != nil && !p.Default.IsNull():
		value = *p.Default
	default:
		return v1alpha1.Value{}, "is required: give " + describe(p.Type)
	}
	x, err := Decode(p.Type, value)
	if err != nil {
		return v1alpha1.Value{}, err.Error() + note
	}
	if had && !p.Mutable && !same(x, before) && violation(p, before) == "" {
		return v1alpha1.Value{}, fmt.Sprintf("is %s since the first start and cannot be changed", show(before))
	}
	if v := violation(p, x); v != "" {
		return v1alpha1.Value{}, v + note
	}
	if had {
		if v := against(p.Monotonic, before, x); v != "" {
			return v1alpha1.Value{}, v
		}
	}
	return encode(x), ""
}

// lasting is the value of the last start, where there is one that still is of the parameter's type.
func lasting(p *v1alpha1.Parameter, previous v1alpha1.Value) (any, bool) {
	if p.Ephemeral || previous.IsNull() {
		return nil, false
	}
	x, err := Decode(p.Type, previous)
	return x, err == nil
}

func same(a, b any) bool { return string(encode(a).Raw) == string(encode(b).Raw) }

// unknown refuses given names that are not declared.
func unknown(declared []v1alpha1.Parameter, given map[string]v1alpha1.Value, at func(string) string) []*fault.Error {
	names := make([]string, 0, len(declared))
	for _, p := range declared {
		names = append(names, p.Name)
	}
	var faults []*fault.Error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			faults = append(faults, refuse(at(shorten(name, 64)), unknownName(name, names)))
		}
	}
	return faults
}

func unknownName(name string, known []string) string {
	name = shorten(name, 64)
	if len(known) == 0 {
		return fmt.Sprintf("the template has no parameter %q; it has none at all", name)
	}
	message := fmt.Sprintf("the template has no parameter %q; it has %s", name, list(known))
	if near := fault.Nearest(name, known); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}

// list names the first few of many.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func refuse(path, detail string) *fault.Error {
	return fault.On(path, "%s", detail).Because(v1alpha1.ReasonParameterRefused)
}

// Hash tells one build's version and lasting values from another's, in hexadecimal: a workspace whose next start would
// have another hash has an update pending. Ephemeral values do not count, as the next start will not have them.
func Hash(version types.UID, resolved Resolved) (string, error) {
	text, err := json.Marshal(struct {
		Version types.UID                 `json:"version"`
		Values  map[string]v1alpha1.Value `json:"values"`
	}{version, resolved.Values})
	if err != nil {
		return "", fmt.Errorf("hash the parameters: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
