// SPDX-License-Identifier: Apache-2.0

package index

import (
	"github.com/berth-dev/berth/api/v1alpha1"
)

func identities(u *v1alpha1.User) []string {
	keys := make([]string, 0, len(u.Spec.Identities))
	for _, i := range u.Spec.Identities {
		keys = append(keys, IdentityKey(i))
	}
	return keys
}

func podUID(p *v1alpha1.PodStatus) []string {
	if p == nil || p.UID == "" {
		return nil
	}
	return []string{string(p.UID)}
}

func subjects(list []v1alpha1.Subject) []string {
	keys := make([]string, 0, len(list))
	for _, s := range list {
		keys = append(keys, SubjectKey(s))
	}
	return keys
}

func members(g *v1alpha1.Group) []string {
	names := make([]string, 0, len(g.Spec.Members))
	for _, m := range g.Spec.Members {
		names = append(names, string(m))
	}
	return names
}

func openTo(t *v1alpha1.Template) []string {
	var names []string
	for _, e := range t.Spec.Access {
		if e.Kind == v1alpha1.AccessKindOrganization {
			names = append(names, string(e.Name))
		}
	}
	return names
}

// memberships are the Organizations a User names. One who names none belongs to the default Organization and is found
// under the empty name.
func memberships(u *v1alpha1.User) []string {
	if len(u.Spec.Memberships) == 0 {
		return []string{""}
	}
	names := make([]string, 0, len(u.Spec.Memberships))
	for _, m := range u.Spec.Memberships {
		names = append(names, string(m.Organization))
	}
	return names
}
