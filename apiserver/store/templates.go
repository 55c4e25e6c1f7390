// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/policy"
)

// takeBack is how long a template whose version could not be bound may take to be removed again.
const takeBack = 5 * time.Second

// CreateTemplate stores a new template and binds the version to it that it was made of. A name that another template of
// the organization has is a Conflict, on whichever replica it was given; a template of the name that is still going is
// waited for.
func (s *Store) CreateTemplate(ctx context.Context, t *v1alpha1.Template, v *v1alpha1.TemplateVersion) (*v1alpha1.TemplateVersion, error) {
	var bound *v1alpha1.TemplateVersion
	err := s.alone(ctx, templateName(t.Namespace, t.WireName()), func() error {
		if err := s.freeTemplateName(ctx, t, t.WireName()); err != nil {
			return err
		}
		if err := s.createOrWait(ctx, t); err != nil {
			return err
		}
		var err error
		if bound, err = s.bind(ctx, t, v); err == nil {
			return nil
		}
		// Nothing half-made: without its version nobody would see the template, and its name would be gone.
		left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
		defer cancel()
		return errors.Join(err, client.IgnoreNotFound(s.client.Delete(left, t, client.Preconditions{UID: &t.UID})))
	})
	return bound, err
}

// createOrWait stores a template, if necessary after one of its metadata.name that is being deleted.
func (s *Store) createOrWait(ctx context.Context, t *v1alpha1.Template) error {
	wish := t.DeepCopy()
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		*t = *wish.DeepCopy()
		err := s.client.Create(ctx, t)
		if !apierrors.IsAlreadyExists(err) {
			return err == nil, asFault(err)
		}
		there := &v1alpha1.Template{}
		if err := s.live.Get(ctx, client.ObjectKeyFromObject(t), there); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		if there.DeletionTimestamp == nil {
			return false, templateNameTaken()
		}
		return false, nil
	})
	if wait.Interrupted(err) {
		return &fault.Error{Kind: fault.Unavailable, Cause: err, Message: "An earlier template of this name is still being removed. Try again."}
	}
	return asFault(err)
}

// bind makes a version a template's, once.
func (s *Store) bind(ctx context.Context, t *v1alpha1.Template, v *v1alpha1.TemplateVersion) (*v1alpha1.TemplateVersion, error) {
	return s.ChangeVersion(ctx, v, func(v *v1alpha1.TemplateVersion) error {
		if ref := v.Spec.TemplateRef; ref != nil && string(ref.Name) != t.Name {
			return fault.New(fault.Conflict, "The version has become another template's at the same time.")
		}
		v.Spec.TemplateRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(t.Name)}
		return nil
	})
}

// RenameTemplate is ChangeTemplate by an edit that gives the template the name. One that another template of the
// organization has is a Conflict.
func (s *Store) RenameTemplate(ctx context.Context, t *v1alpha1.Template, name string, edit func(*v1alpha1.Template) error) (*v1alpha1.Template, error) {
	var changed *v1alpha1.Template
	err := s.alone(ctx, templateName(t.Namespace, name), func() error {
		err := s.freeTemplateName(ctx, t, name)
		if err == nil {
			changed, err = s.ChangeTemplate(ctx, t, edit)
		}
		return err
	})
	return changed, err
}

// DeleteTemplate removes a template that nothing uses; the manager removes its versions.
func (s *Store) DeleteTemplate(ctx context.Context, t *v1alpha1.Template) error {
	if err := gitops.Editable(t, "Template "+t.WireName()); err != nil {
		return err
	}
	return asFault(s.client.Delete(ctx, t, client.Preconditions{UID: &t.UID}))
}

// WorkspacesOf are the workspaces of a template, in all namespaces of its organization and of those that it is or was open
// to, those that are off the wire included.
func (s *Store) WorkspacesOf(ctx context.Context, t *v1alpha1.Template) ([]*v1alpha1.Workspace, error) {
	namespaces, err := list[*corev1.Namespace](ctx, s, &corev1.NamespaceList{}, "", "")
	if err != nil {
		return nil, err
	}
	shared, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Template, index.SharedTemplate(t))
	if err != nil {
		return nil, err
	}
	var all []*v1alpha1.Workspace
	for _, n := range namespaces {
		organization := n.Labels[v1alpha1.LabelOrganization]
		if organization == t.Namespace {
			some, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Template, t.Name, client.InNamespace(n.Name))
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		for _, w := range shared {
			if organization != "" && w.Namespace == n.Name && policy.Counts(t, w, organization) {
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// freeTemplateName is a Conflict when another template of the organization has the name. It reads live: a cache that is a
// moment late would give a name twice.
func (s *Store) freeTemplateName(ctx context.Context, t *v1alpha1.Template, name string) error {
	var all v1alpha1.TemplateList
	if err := s.live.List(ctx, &all, client.InNamespace(t.Namespace)); err != nil {
		return asFault(err)
	}
	if slices.ContainsFunc(all.Items, func(o v1alpha1.Template) bool {
		return o.UID != t.UID && o.DeletionTimestamp == nil && !Hidden(&o) && index.Fold(o.WireName()) == index.Fold(name)
	}) {
		return templateNameTaken()
	}
	return nil
}

func templateName(organization, name string) claims.Claim {
	return claims.Claim{Kind: claims.TemplateName, Value: organization + "/" + name}
}

func templateNameTaken() error {
	f := fault.New(fault.Conflict, "A template of this name exists already.")
	f.Fields = []fault.Field{{Path: "name", Detail: "This value is already in use and should be unique."}}
	return f
}
