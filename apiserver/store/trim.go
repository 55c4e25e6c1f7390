// SPDX-License-Identifier: Apache-2.0

package store

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/gitops"
)

// trim takes off an object what the cache need not hold: half of a small object are managedFields. What tells of a
// GitOps tool stays. An object so trimmed is never sent whole.
func trim(o any) (any, error) {
	object, ok := o.(metav1.Object)
	if !ok {
		return o, nil // a tombstone of the watch
	}
	gitops.Digest(object)
	return o, nil
}
