// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"bytes"
	"time"
)

// NullTime is a time that is always present on the wire and is null while it is zero, such as the deadline of a build
// that has none. In requests, null and an absent field both decode to the zero value.
type NullTime struct{ time.Time }

// MarshalJSON encodes the zero time as null and any other as RFC 3339.
func (t NullTime) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.Time.MarshalJSON()
}

// UnmarshalJSON takes null or an RFC 3339 time; anything else is an error.
func (t *NullTime) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		t.Time = time.Time{}
		return nil
	}
	return t.Time.UnmarshalJSON(data)
}
