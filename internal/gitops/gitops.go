// SPDX-License-Identifier: Apache-2.0

// Package gitops tells which tool keeps an object in git, and which of its fields: Argo CD, Flux or Helm. What git holds is
// edited in git, so the API refuses to change or delete what the tool would put back, field by field. The package reads an
// object's metadata and nothing else; what is refused, and to whom, is decided by who asks.
package gitops

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/fault"
)

// The names that people know the tools by.
const (
	ArgoCD = "Argo CD"
	Flux   = "Flux"
	Helm   = "Helm"
)

// mark is something on an object by which a tool is known. A bare app.kubernetes.io/instance is none: every chart sets
// it, and Argo CD itself has used its own annotation by default since its version 3.
type mark struct {
	tool string
	// annotations and labels mark an object by being there.
	annotations, labels []string
	// managers are field managers; one that holds a field of the spec marks the object.
	managers []string
	// source says which of the tool's own objects it is, as people know it; "" where the marks do not tell.
	source func(annotations, labels map[string]string) string
}

func marks() []mark {
	return []mark{
		{tool: ArgoCD, annotations: []string{"argocd.argoproj.io/tracking-id"}, managers: []string{"argocd-controller"},
			source: func(annotations, _ map[string]string) string {
				name, _, _ := strings.Cut(annotations["argocd.argoproj.io/tracking-id"], ":")
				return named("application", name)
			}},
		{tool: Flux, labels: []string{
			"kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace",
			"helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace",
		}, managers: []string{"kustomize-controller", "helm-controller"},
			source: func(_, labels map[string]string) string {
				if name := labels["kustomize.toolkit.fluxcd.io/name"]; name != "" {
					return named("Kustomization", name)
				}
				return named("HelmRelease", labels["helm.toolkit.fluxcd.io/name"])
			}},
		{tool: Helm, annotations: []string{"meta.helm.sh/release-name"}, managers: []string{"helm"},
			source: func(annotations, _ map[string]string) string {
				return named("release", annotations["meta.helm.sh/release-name"])
			}},
	}
}

// named is a kind of the tool's with the name that the mark gives, cut to what a Kubernetes name may have.
func named(kind, name string) string {
	const longest = 253
	if name == "" || len(name) > longest {
		return ""
	}
	return " " + kind + " " + name
}

// Tool is the tool that holds an object, or "" when people do. Where several left their mark, it is the first of Argo CD,
// Flux and Helm: those above Helm use it.
func Tool(o metav1.Object) string {
	if m := holder(o); m != nil {
		return m.tool
	}
	return ""
}

func holder(o metav1.Object) *mark {
	annotations, labels, managed := o.GetAnnotations(), o.GetLabels(), o.GetManagedFields()
	for _, m := range marks() {
		if hasAny(annotations, m.annotations) || hasAny(labels, m.labels) || slices.ContainsFunc(managed, m.holdsSpec) {
			return &m
		}
	}
	return nil
}

// Editable is a Conflict fault when a tool holds the object, and nil when people may delete or rename it here. What names
// the object for the person: "workspace dev". Whether a single field may be changed is Refuse's to say.
func Editable(o metav1.Object, what string) error {
	m := holder(o)
	if m == nil {
		return nil
	}
	return &fault.Error{
		Kind:    fault.Conflict,
		Message: what + " is held by " + m.known(o) + " and can't be deleted or renamed here.",
		Detail:  "Change it in git; " + m.tool + " would put back whatever is done here.",
	}
}

// IsManager tells whether a field manager is a tool's.
func IsManager(name string) bool {
	return slices.ContainsFunc(marks(), func(m mark) bool { return slices.Contains(m.managers, name) })
}

// IsMarked tells whether a tool left an annotation or label on the object, whatever fields it holds.
func IsMarked(o metav1.Object) bool { return marked(o) != nil }

// holdsSpec tells whether an entry of managedFields is the tool's and speaks of the spec. One without any field
// information speaks of all of it.
func (m mark) holdsSpec(e metav1.ManagedFieldsEntry) bool {
	if e.Subresource != "" || !slices.Contains(m.managers, e.Manager) {
		return false
	}
	return e.FieldsV1 == nil || e.FieldsV1.GetRawString() == "" || TouchesSpec(e)
}

// TouchesSpec tells whether an entry of managedFields holds a field of the spec.
func TouchesSpec(e metav1.ManagedFieldsEntry) bool {
	return e.FieldsV1 != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:spec"`)
}

func hasAny(have map[string]string, want []string) bool {
	return slices.ContainsFunc(want, func(key string) bool {
		_, ok := have[key]
		return ok
	})
}
