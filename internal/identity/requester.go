// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Requester is who asked for what an object's spec says, as its admission wrote it down. It has no name where that wrote
// nobody, and for the service accounts of Berth's own namespace, which act for others. It is to be believed only where the
// cluster has the policies that write it and keep it from being forged.
func Requester(o metav1.Object, own string) Kubernetes {
	name := o.GetAnnotations()[v1alpha1.AnnotationRequester]
	if strings.HasPrefix(name, serviceAccountPrefix+own+":") {
		return Kubernetes{}
	}
	return Kubernetes{Name: name}
}
