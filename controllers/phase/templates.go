// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/policy"
)

// WorkspacesOf are the workspaces of a template: those in all namespaces of its organization, where others may have a
// template of the same name, and those of the organizations that it is or was open to.
func WorkspacesOf(ctx context.Context, c client.Reader, t *v1alpha1.Template, opts ...client.ListOption) ([]v1alpha1.Workspace, error) {
	namespaces, err := Namespaces(ctx, c, t.Namespace)
	if err != nil {
		return nil, err
	}
	var all []v1alpha1.Workspace
	for _, n := range namespaces {
		var own v1alpha1.WorkspaceList
		selected := append([]client.ListOption{client.InNamespace(n), client.MatchingFields{index.Template: t.Name}}, opts...)
		if err := c.List(ctx, &own, selected...); err != nil {
			return nil, err
		}
		all = append(all, own.Items...)
	}
	var shared v1alpha1.WorkspaceList
	selected := append([]client.ListOption{client.MatchingFields{index.Template: index.SharedTemplate(t)}}, opts...)
	if err := c.List(ctx, &shared, selected...); err != nil {
		return nil, err
	}
	for i := range shared.Items {
		w := &shared.Items[i]
		organization, err := organizationName(ctx, c, w.Namespace)
		if err != nil {
			return nil, err
		}
		if organization != "" && policy.Counts(t, w, organization) {
			all = append(all, *w)
		}
	}
	return all, nil
}

// TemplateOf is the key of the Template that a workspace names. A namespace that belongs to no organization is taken for a
// home: nothing acts on what it holds.
func TemplateOf(ctx context.Context, c client.Reader, w *v1alpha1.Workspace) client.ObjectKey {
	home, err := organizationName(ctx, c, w.Namespace)
	if err != nil || home == "" {
		home = w.Namespace
	}
	return client.ObjectKey{Namespace: w.Spec.TemplateRef.Home(home), Name: string(w.Spec.TemplateRef.Name)}
}

// organizationName is what a namespace is labelled for; empty where it is for none, or is gone.
func organizationName(ctx context.Context, c client.Reader, namespace string) (string, error) {
	var n corev1.Namespace
	err := c.Get(ctx, client.ObjectKey{Name: namespace}, &n)
	return n.Labels[v1alpha1.LabelOrganization], client.IgnoreNotFound(err)
}
