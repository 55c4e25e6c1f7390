// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/policy"
)

func TestIsName(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "Api2": true, "my-api": true, "a-b-c": true, strings.Repeat("x", 32): true,
		"": false, "-a": false, "a-": false, "a--b": false, "../a": false, "a b": false, "a_b": false, "é": false, "a\n": false, strings.Repeat("x", 33): false,
	} {
		if have := policy.IsName(text, 32); have != want {
			t.Errorf("%q: %v, want %v", text, have, want)
		}
	}
}
