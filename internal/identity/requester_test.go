// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
)

func TestRequester(t *testing.T) {
	for name, c := range map[string]struct{ stamp, want string }{
		"nobody was written down":             {"", ""},
		"a person":                            {"oidc:ada", "oidc:ada"},
		"a robot":                             {"system:serviceaccount:argocd:controller", "system:serviceaccount:argocd:controller"},
		"Berth's own account":                 {"system:serviceaccount:berth-system:berth-apiserver", ""},
		"one of a namespace that is named so": {"system:serviceaccount:berth-system-2:x", "system:serviceaccount:berth-system-2:x"},
	} {
		t.Run(name, func(t *testing.T) {
			u := user("any")
			u.Annotations = map[string]string{v1alpha1.AnnotationRequester: c.stamp}
			if got := Requester(u, "berth-system").Name; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
