// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// logged are the lines of a build's log as steps.
func logged(b *v1alpha1.WorkspaceBuild) []Step {
	var steps []Step
	for _, line := range b.Status.Log {
		at, err := time.Parse(time.RFC3339Nano, line.At)
		if err != nil {
			at = time.Time{} // a step without a time is one all the same
		}
		steps = append(steps, Step{at, line.Output})
	}
	return steps
}
