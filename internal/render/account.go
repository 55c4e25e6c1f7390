// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// podResource is what resourceMetadata calls the pod.
	podResource = "pod"
	// dearest is the most that anything may cost in credits a day.
	dearest = int64(1_000_000_000)
)

// account lists the pod, the claims, the Secrets and the extra objects as clients see them, with what they cost, and sorts the references.
func (a *assembly) account() {
	slices.SortFunc(a.workload.References, func(x, y Reference) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	pod := a.resource("Pod", podResource)
	pod.DailyCost += a.cost(a.dailyCost)
	a.workload.Resources = append(a.workload.Resources, pod)
	for _, claim := range a.workload.Claims {
		a.workload.Resources = append(a.workload.Resources, a.resource("PersistentVolumeClaim", claim.Volume))
	}
	for _, secret := range a.workload.Secrets {
		a.workload.Resources = append(a.workload.Resources, a.resource("Secret", secret.Secret))
	}
	for _, extra := range a.workload.Extras {
		r := a.resource(extra.Kind, extra.ID)
		r.Name, r.ObjectName = extra.Resource, v1alpha1.ObjectName(extra.Name)
		a.workload.Resources = append(a.workload.Resources, r)
	}
	for _, r := range a.workload.Resources {
		a.workload.DailyCost += r.DailyCost
	}
}

func (a *assembly) resource(kind, name string) v1alpha1.BuildResource {
	r := v1alpha1.BuildResource{Kind: kind, Name: name}
	for _, m := range a.metadata {
		if m.Name != name {
			continue
		}
		r.Hide, r.Icon, r.DailyCost = m.Hide, m.Icon, a.cost(m.dailyCost)
		for i, item := range m.Items {
			shown := v1alpha1.ResourceMetadataItem{Key: item.Key, Sensitive: item.Sensitive}
			if !item.Sensitive {
				shown.Value = a.run.text(m.items[i])
			}
			r.Items = append(r.Items, shown)
		}
	}
	return r
}

func (a *assembly) cost(l *leaf) int64 {
	cost, _ := a.run.value(l).(int64)
	if cost < 0 || cost > dearest {
		a.wrong(l.path, v1alpha1.ReasonInvalid, "is %d; a cost lies between 0 and %d credits a day", cost, dearest)
		return 0
	}
	return cost
}
