// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Digest cuts from an object's metadata what a cache need not hold: of managedFields it leaves the entries of GitOps
// tools, reduced to the spec, and of those that changed the spec the newest of each of Berth's processes and the newest of
// all others, without their fields; of the annotation
// of a client-side apply it leaves the names of the spec's fields, and that only on an object with a tool's mark. Tool,
// Editable, Refuse and Changed answer the same before and after. Doing it twice changes nothing.
func Digest(o metav1.Object) {
	var kept []metav1.ManagedFieldsEntry
	newest := map[string]int{} // by Berth's process, or "" for all others: where it stands in kept
	for _, e := range o.GetManagedFields() {
		switch {
		case e.Subresource != "":
		case IsManager(e.Manager):
			e.FieldsV1 = specOnly(e.FieldsV1)
			kept = append(kept, e)
		case !TouchesSpec(e) && e.FieldsV1 != nil:
		default:
			e.FieldsV1 = nil
			if at, ok := newest[process(e.Manager)]; !ok {
				newest[process(e.Manager)] = len(kept)
				kept = append(kept, e)
			} else if kept[at].Time.Before(e.Time) {
				kept[at] = e
			}
		}
	}
	o.SetManagedFields(kept)
	reduceLastApplied(o)
}

// Changed is when the spec was last changed, as far as managedFields tell; the zero time when they don't.
func Changed(o metav1.Object) time.Time {
	var last time.Time
	for _, e := range o.GetManagedFields() {
		if e.Subresource != "" || e.Time == nil || (e.FieldsV1 != nil && !TouchesSpec(e)) {
			continue
		}
		if e.Time.After(last) {
			last = e.Time.Time
		}
	}
	return last
}

// ownPrefix begins the field managers of Berth's own processes.
const ownPrefix = "berth-"

// process is which of Berth's processes a field manager is; "" when it is none.
func process(manager string) string {
	if strings.HasPrefix(manager, ownPrefix) {
		return manager
	}
	return ""
}

// Writer is who changed an object's spec.
type Writer struct {
	// Manager is the field manager, and Own whether it is one of Berth's processes.
	Manager string
	Own     bool
	// At is when it did so last, to the second.
	At time.Time
}

// Writers are those who changed the spec, as far as managedFields tell.
func Writers(o metav1.Object) []Writer {
	var all []Writer
	for _, e := range o.GetManagedFields() {
		if e.Subresource == "" && e.Time != nil && (e.FieldsV1 == nil || TouchesSpec(e)) {
			all = append(all, Writer{Manager: e.Manager, Own: process(e.Manager) != "", At: e.Time.Time})
		}
	}
	return all
}

// specOnly leaves of an entry's fields those of the spec. What can't be read is kept as it is.
func specOnly(fields *metav1.FieldsV1) *metav1.FieldsV1 {
	if fields == nil {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(fields.GetRawBytes(), &all) != nil {
		return fields
	}
	spec := map[string]json.RawMessage{}
	if f, ok := all["f:spec"]; ok {
		spec["f:spec"] = f
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return fields
	}
	return metav1.NewFieldsV1(string(raw))
}

// reduceLastApplied replaces the manifest in the annotation by the names of its spec's fields, or drops the annotation.
func reduceLastApplied(o metav1.Object) {
	annotations := o.GetAnnotations()
	if _, ok := annotations[corev1.LastAppliedConfigAnnotation]; !ok {
		return
	}
	if spec, ok := lastApplied(o); ok && IsMarked(o) {
		raw, err := json.Marshal(map[string]any{"spec": names(spec)})
		if err == nil {
			annotations[corev1.LastAppliedConfigAnnotation] = string(raw)
			return
		}
	}
	delete(annotations, corev1.LastAppliedConfigAnnotation)
}

// names is the tree of an object's field names: objects stay, all else becomes null.
func names(object map[string]any) map[string]any {
	tree := make(map[string]any, len(object))
	for key, value := range object {
		if inner, ok := value.(map[string]any); ok {
			tree[key] = names(inner)
			continue
		}
		tree[key] = nil
	}
	return tree
}
