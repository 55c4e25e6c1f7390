// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// room is what a node has left.
type room struct {
	node string
	free corev1.ResourceList
}

// open are the nodes that would take the pod if it were small enough, with what they have left.
func (c Case) open(spec *corev1.PodSpec) []room {
	var rooms []room
	for i := range c.Nodes {
		node := &c.Nodes[i]
		if node.Spec.Unschedulable || !tolerates(spec.Tolerations, node.Spec.Taints) || !selects(spec.NodeSelector, node.Labels) {
			continue
		}
		free := node.Status.Allocatable.DeepCopy()
		for j := range c.Neighbours {
			p := &c.Neighbours[j]
			if p.Spec.NodeName == node.Name && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
				take(free, requests(&p.Spec))
			}
		}
		rooms = append(rooms, room{node.Name, free})
	}
	return rooms
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// tolerates tells whether the tolerations cover every taint that keeps pods away.
func tolerates(tolerations []corev1.Toleration, taints []corev1.Taint) bool {
	for _, taint := range taints {
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		covered := slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
			return (t.Effect == "" || t.Effect == taint.Effect) && (t.Key == taint.Key || t.Key == "" && t.Operator == corev1.TolerationOpExists) &&
				(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
		})
		if !covered {
			return false
		}
	}
	return true
}

// requests is what the scheduler counts for a pod: all that runs at once, or the largest of what runs before.
func requests(spec *corev1.PodSpec) corev1.ResourceList {
	sum, most := corev1.ResourceList{}, corev1.ResourceList{}
	for _, c := range spec.Containers {
		put(sum, c.Resources.Requests)
	}
	beside := corev1.ResourceList{}
	for _, c := range spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			put(beside, c.Resources.Requests)
			continue
		}
		alone := beside.DeepCopy()
		put(alone, c.Resources.Requests)
		for name, q := range alone {
			if q.Cmp(most[name]) > 0 {
				most[name] = q
			}
		}
	}
	put(sum, beside)
	for name, q := range most {
		if q.Cmp(sum[name]) > 0 {
			sum[name] = q
		}
	}
	put(sum, spec.Overhead)
	sum[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return sum
}

func put(into, list corev1.ResourceList) {
	for name, q := range list {
		total := into[name].DeepCopy()
		total.Add(q)
		into[name] = total
	}
}

func take(from, list corev1.ResourceList) {
	for name, q := range list {
		left := from[name].DeepCopy()
		left.Sub(q)
		from[name] = left
	}
}

// lacks are the resources of which a room has too little, sorted.
func (r room) lacks(wants corev1.ResourceList) []corev1.ResourceName {
	var names []corev1.ResourceName
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		if q := wants[name]; !q.IsZero() && q.Cmp(r.free[name]) > 0 {
			names = append(names, name)
		}
	}
	return names
}
