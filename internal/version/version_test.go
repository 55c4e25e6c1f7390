// SPDX-License-Identifier: Apache-2.0

package version

import (
	"testing"

	"golang.org/x/mod/semver"
)

func TestWire(t *testing.T) {
	tests := map[string]struct {
		version string
		want    string
	}{
		"a release":              {version: "v0.1.0", want: "v2.31.0+berth-v0.1.0"},
		"a build of a work tree": {version: "v0.0.0-dev", want: "v2.31.0+berth-v0.0.0-dev"},
		"a second plus":          {version: "v0.1.0-3-gabc+dirty", want: "v2.31.0+berth-v0.1.0-3-gabc-dirty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			built := Version
			t.Cleanup(func() { Version = built })
			Version = test.version

			got := Wire()
			if got != test.want {
				t.Errorf("Wire() = %q, want %q", got, test.want)
			}
			if !semver.IsValid(got) || semver.MajorMinor(got) != "v2.31" {
				t.Errorf("%q is no semantic version of v2.31", got)
			}
		})
	}
}
