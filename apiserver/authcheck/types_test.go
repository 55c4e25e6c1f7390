// SPDX-License-Identifier: Apache-2.0

package authcheck

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/testing/contract"
)

// Every type of the contract can be asked about, and no other.
func TestTypesAreTheContracts(t *testing.T) {
	var have []string
	for _, r := range types() {
		have = append(have, string(r))
	}
	want := slices.Clone(contract.Seed(t).Schema("codersdk.RBACResource").Values)
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}
