// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/fault"
)

// shown is how many of an edit's refused fields a message names; all of them are in the fault's fields.
const shown = 3

// Refuse is a Conflict fault when an edit changes fields of the spec that a tool holds, and nil when people may make it.
// The edit is a JSON merge patch. What names the object for the person: "Workspace dev". A tool holds a field when its
// field manager does, or when the object carries its mark and the field stands in what was last applied; where the mark is
// all that is known, it holds every field. A rename is refused on any mark: in git the object would be another one.
func Refuse(o metav1.Object, what string, edit map[string]any) error {
	var held []fault.Field
	var by *mark
	for _, path := range changed(edit) {
		m := fieldHolder(o, path)
		if m == nil {
			continue
		}
		if by == nil {
			by = m
		}
		held = append(held, fault.Field{Path: strings.Join(path, "."), Detail: "is held by " + m.known(o)})
	}
	if len(held) == 0 {
		return nil
	}
	names := make([]string, 0, len(held))
	for _, f := range held {
		names = append(names, f.Path)
	}
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	return &fault.Error{
		Kind:    fault.Conflict,
		Message: what + " is held by " + by.known(o) + ", and " + strings.Join(names, ", ") + " can't be changed here.",
		Detail:  "Change it in git; " + by.tool + " would put back whatever is written here. What git does not set can be changed.",
		Fields:  held,
	}
}

// Holds tells whether a tool holds a field of the spec, which is named from the top: "spec", "lifecycle".
func Holds(o metav1.Object, path ...string) bool { return fieldHolder(o, path) != nil }

// fieldHolder is the mark of the tool that holds a field; nil when people may change it.
func fieldHolder(o metav1.Object, path []string) *mark {
	informed := false
	for _, m := range marks() {
		for _, e := range o.GetManagedFields() {
			if e.Subresource != "" || !slices.Contains(m.managers, e.Manager) {
				continue
			}
			informed = true
			if managed(e, path) {
				return &m
			}
		}
	}
	if isRename(path) {
		return holder(o)
	}
	m := marked(o)
	if m == nil {
		return nil
	}
	if spec, ok := lastApplied(o); ok {
		informed = true
		if declared(map[string]any{"spec": spec}, path) {
			return m
		}
	}
	if informed {
		return nil
	}
	return m
}

// isRename tells whether a field is what people know an object by.
func isRename(path []string) bool {
	return len(path) == 2 && path[0] == "spec" && (path[1] == "name" || path[1] == "username")
}

// marked is the first tool that left an annotation or label on the object, whatever fields it holds.
func marked(o metav1.Object) *mark {
	for _, m := range marks() {
		if hasAny(o.GetAnnotations(), m.annotations) || hasAny(o.GetLabels(), m.labels) {
			return &m
		}
	}
	return nil
}

// known is a tool and its own object, as people know them: "Argo CD application team-a".
func (m *mark) known(o metav1.Object) string {
	return m.tool + m.source(o.GetAnnotations(), o.GetLabels())
}

// changed are the paths of the fields of the spec that a merge patch changes, in order.
func changed(edit map[string]any) [][]string {
	spec, ok := edit["spec"]
	if !ok {
		return nil
	}
	var paths [][]string
	var walk func(at []string, value any)
	walk = func(at []string, value any) {
		inner, ok := value.(map[string]any)
		if !ok || len(inner) == 0 {
			paths = append(paths, at)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(inner)) {
			walk(append(slices.Clone(at), key), inner[key])
		}
	}
	walk([]string{"spec"}, spec)
	return paths
}

// managed tells whether an entry of managedFields holds a field: itself, part of it, or what it is part of as one whole.
// Without field information, or with such that can't be read, it holds everything.
func managed(e metav1.ManagedFieldsEntry, path []string) bool {
	if e.FieldsV1 == nil || e.FieldsV1.GetRawString() == "" {
		return true
	}
	var at map[string]any
	if json.Unmarshal(e.FieldsV1.GetRawBytes(), &at) != nil {
		return true
	}
	for _, step := range path {
		next, ok := at["f:"+step].(map[string]any)
		if !ok {
			return false
		}
		if len(next) == 0 {
			return true
		}
		at = next
	}
	return true
}

// declared tells whether a manifest sets a field: itself, part of it, or what it is part of as one whole.
func declared(at map[string]any, path []string) bool {
	for _, step := range path {
		next, ok := at[step]
		if !ok {
			return false
		}
		inner, ok := next.(map[string]any)
		if !ok {
			return true
		}
		at = inner
	}
	return true
}

// lastApplied is the spec of the manifest that a client-side apply left on the object, or of what Digest left of it.
func lastApplied(o metav1.Object) (map[string]any, bool) {
	text, ok := o.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
	if !ok {
		return nil, false
	}
	var manifest struct {
		Spec map[string]any `json:"spec"`
	}
	if json.Unmarshal([]byte(text), &manifest) != nil || manifest.Spec == nil {
		return nil, false
	}
	return manifest.Spec, true
}
