// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// EnvPrefix begins the names of the environment variables that hold parameters.
const EnvPrefix = "BERTH_PARAM_"

// FromWire reads a value as the wire writes it: everything as text, an array as a JSON list in text. The fault names
// the parameter. What the value may be is for Resolve to say.
func FromWire(p v1alpha1.Parameter, text string) (v1alpha1.Value, *fault.Error) {
	value := v1alpha1.Value{Raw: []byte(strings.TrimSpace(text))}
	if p.Type == v1alpha1.TypeString {
		value = encode(text)
	}
	x, err := Decode(p.Type, value)
	switch {
	case err == nil:
		return encode(x), nil
	case p.Type == v1alpha1.TypeString:
		return v1alpha1.Value{}, refuse(p.Name, err.Error())
	}
	return v1alpha1.Value{}, refuse(p.Name, show(text)+" is not "+describe(p.Type))
}

// ToWire writes a value as the wire wants it; nothing for no value.
func ToWire(_ v1alpha1.Parameter, v v1alpha1.Value) string { return v.String() }

// Env is how programs in the workspace see the values: BERTH_PARAM_ and the name in capitals, in the order of the
// declarations, written as on the wire. The texts are a person's own and may hold anything but NUL: whoever puts them
// into a pod must keep Kubernetes from expanding $(…) in them.
func Env(declared []v1alpha1.Parameter, values map[string]v1alpha1.Value) []v1alpha1.EnvVar {
	env := make([]v1alpha1.EnvVar, 0, len(declared))
	for _, p := range declared {
		if v, ok := values[p.Name]; ok {
			env = append(env, v1alpha1.EnvVar{Name: EnvName(p.Name), Value: ToWire(p, v)})
		}
	}
	return env
}

// EnvName is the environment variable that holds the parameter.
func EnvName(parameter string) string { return EnvPrefix + strings.ToUpper(parameter) }
