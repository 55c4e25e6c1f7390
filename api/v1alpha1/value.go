// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"bytes"
	"encoding/json"
)

// Value is any JSON value as its author wrote it: a parameter's value, a default, a bound. It keeps the bytes, so that
// decoding it cannot fail and a number keeps its digits.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:pruning:PreserveUnknownFields
type Value struct {
	// Raw is the value's JSON text; empty means null.
	Raw []byte `json:"-"`
}

// MarshalJSON writes the value as it was read.
func (v Value) MarshalJSON() ([]byte, error) {
	if len(v.Raw) == 0 {
		return []byte("null"), nil
	}
	return v.Raw, nil
}

// UnmarshalJSON keeps the text of the value. It cannot fail.
func (v *Value) UnmarshalJSON(text []byte) error {
	v.Raw = bytes.Clone(bytes.TrimSpace(text))
	if bytes.Equal(v.Raw, []byte("null")) {
		v.Raw = nil
	}
	return nil
}

// ValueOf is the Value of anything that encoding/json can write; what it can't write becomes null.
func ValueOf(x any) Value {
	raw, err := json.Marshal(x)
	if err != nil {
		return Value{}
	}
	var v Value
	_ = v.UnmarshalJSON(raw) // it keeps the bytes, whatever they are
	return v
}

// IsNull tells whether there is no value.
func (v Value) IsNull() bool { return len(v.Raw) == 0 }

// String is the value's text for people: a JSON string without its quotes, anything else as JSON.
func (v Value) String() string {
	var s string
	if json.Unmarshal(v.Raw, &s) == nil {
		return s
	}
	return string(v.Raw)
}
