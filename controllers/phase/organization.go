// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// Organization gives the Organization that the object's namespace belongs to. What stands in a namespace of none is never
// acted on: it gets a fault that shows the manifest to apply. A namespace whose Organization has not taken it yet is
// waited for.
func Organization(ctx context.Context, c client.Reader, o client.Object, kind string) (*v1alpha1.Organization, error) {
	var namespace corev1.Namespace
	err := c.Get(ctx, types.NamespacedName{Name: o.GetNamespace()}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	name := namespace.Labels[v1alpha1.LabelOrganization]
	waiting := name == ""
	if waiting {
		name = o.GetNamespace()
	}
	var organization v1alpha1.Organization
	err = c.Get(ctx, types.NamespacedName{Name: name}, &organization)
	switch {
	case apierrors.IsNotFound(err):
		return nil, notAnOrganization(o, kind, name)
	case err != nil:
		return nil, err
	case waiting:
		return nil, Wait(0, v1alpha1.ReasonProgressing, "Organization %s has not taken the namespace yet", name)
	}
	return &organization, nil
}

// Home is Organization for what must stand in the home namespace.
func Home(ctx context.Context, c client.Reader, o client.Object, kind string) (*v1alpha1.Organization, error) {
	organization, err := Organization(ctx, c, o, kind)
	if err != nil {
		return nil, err
	}
	if organization.Name != o.GetNamespace() {
		return nil, fault.On("metadata.namespace", "a %s of organization %s stands in its home namespace %s; move it there",
			kind, organization.Name, organization.Name).Because(v1alpha1.ReasonNotAnOrganization)
	}
	return organization, nil
}

// DefaultOrganization is the name of the Organization of Users without memberships: the oldest that calls itself so; empty
// where there is none.
func DefaultOrganization(ctx context.Context, c client.Reader) (string, error) {
	var list v1alpha1.OrganizationList
	if err := c.List(ctx, &list, client.MatchingFields{index.Default: "true"}); err != nil {
		return "", err
	}
	var first *v1alpha1.Organization
	for i := range list.Items {
		if o := &list.Items[i]; first == nil || Older(o, first) {
			first = o
		}
	}
	if first == nil {
		return "", nil
	}
	return first.Name, nil
}

func notAnOrganization(o client.Object, kind, organization string) error {
	what := fmt.Sprintf("namespace %q is not an organization", o.GetNamespace())
	if organization != o.GetNamespace() {
		what = fmt.Sprintf("namespace %q is labelled for organization %q, which there is none of", o.GetNamespace(), organization)
	}
	return fault.New(fault.Invalid, "%s, so %s %s will not be acted on; make one by applying:\n"+
		"apiVersion: %s\nkind: Organization\nmetadata: {name: %s}", what, kind, o.GetName(),
		v1alpha1.GroupVersion, organization).Because(v1alpha1.ReasonNotAnOrganization)
}
