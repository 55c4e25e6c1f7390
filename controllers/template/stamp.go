// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/render"
)

const (
	// fewestDigits is how much of the hash a version's name has at least.
	fewestDigits = 6
	// longestStem leaves room for a whole hash in a name of 253 characters.
	longestStem = 180
)

// stem is how the names of a template's versions begin.
func stem(template string) string {
	return strings.TrimRight(template[:min(len(template), longestStem)], "-.")
}

// stamp makes the version of the present content where there is none: the same content is the same version, also when it
// comes back. A version names its template, and has neither an owner reference nor labels of it: a build may need it
// longer than the template is there, and pruning by a GitOps tool's label must not find it. The revision of its source,
// where the template tells it, is that of the first time.
func (r *Reconciler) stamp(ctx context.Context, s *scope) error {
	if s.hash == "" || slices.ContainsFunc(s.versions, func(v version) bool { return v.hash == s.hash }) {
		return nil
	}
	content, err := r.written(ctx, s)
	if err != nil {
		return err
	}
	notes, err := r.notes(ctx, s)
	if err != nil {
		return err
	}
	for digits := fewestDigits; digits <= len(s.hash); digits++ {
		v := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
			"templateRef": map[string]any{"name": s.template.Name},
			"content":     content,
		}}}
		v.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TemplateVersion"))
		v.SetNamespace(s.template.Namespace)
		v.SetName(stem(s.template.Name) + "-" + s.hash[:digits])
		v.SetAnnotations(notes)
		err := r.Create(ctx, v, phase.Owner)
		if apierrors.IsAlreadyExists(err) {
			same, err := r.stamped(ctx, s, v.GetName())
			if err != nil {
				return err
			}
			if !same {
				continue // the name is another content's: take one more digit
			}
		} else if err != nil {
			return fmt.Errorf("stamping version %s: %w", v.GetName(), err)
		}
		return phase.Wait(0, v1alpha1.ReasonVersionChecking, "version %s is being checked", v.GetName())
	}
	return fmt.Errorf("every name for a version with content %s is taken", s.hash)
}

// notes tell where the content of a version comes from: the revision of its source, and the User who asked for it last.
func (r *Reconciler) notes(ctx context.Context, s *scope) (map[string]string, error) {
	by, err := r.Requesters.Initiator(ctx, &s.template)
	if err != nil {
		return nil, err
	}
	notes := map[string]string{}
	if revision := s.template.Annotations[v1alpha1.AnnotationRevision]; revision != "" {
		notes[v1alpha1.AnnotationRevision] = revision
	}
	if by.User != "" {
		notes[v1alpha1.AnnotationCreatedBy] = by.User
	}
	return notes, nil
}

// written is the template's content with every key that its author wrote, also those that say what is so anyway: a copy
// through our types would drop a `mutable: false`.
func (r *Reconciler) written(ctx context.Context, s *scope) (map[string]any, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Template"))
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.template), u); err != nil {
		return nil, err
	}
	content, _, err := unstructured.NestedMap(u.Object, "spec", "content")
	if err != nil {
		return nil, err
	}
	var typed v1alpha1.TemplateContent
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &typed); err != nil {
		return nil, err
	}
	hash, err := render.Hash(&typed)
	if err != nil {
		return nil, err
	}
	if hash != s.hash || u.GetUID() != s.template.UID {
		return nil, phase.Wait(0, v1alpha1.ReasonVersionChecking, "the content has just changed")
	}
	return content, nil
}

// stamped tells whether the version of that name is the present content of this template after all, made a moment ago.
func (r *Reconciler) stamped(ctx context.Context, s *scope, name string) (bool, error) {
	var v v1alpha1.TemplateVersion
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.template.Namespace, Name: name}, &v); err != nil {
		return false, err
	}
	hash, err := render.Hash(&v.Spec.Content)
	if err != nil {
		return false, err
	}
	return hash == s.hash && v.Spec.TemplateRef != nil && string(v.Spec.TemplateRef.Name) == s.template.Name, nil
}
