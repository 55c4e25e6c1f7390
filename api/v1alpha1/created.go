// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CreatedAt is when an object was made: the annotation, which is finer than a second and outlives a restore, else the
// cluster's own word.
func CreatedAt(o metav1.Object) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, o.GetAnnotations()[AnnotationCreatedAt]); err == nil {
		return t.UTC()
	}
	return o.GetCreationTimestamp().UTC()
}
