// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// WorkspacePlace is where a new workspace of an owner stands, and its metadata.name there. In an organization's shared
// namespace the name says whose it is: OWNER--NAME, which is injective, as neither side may hold two hyphens in a row. In
// a namespace of the owner's own it is the name on the wire.
func (s *Store) WorkspacePlace(ctx context.Context, o *v1alpha1.Organization, owner *v1alpha1.User, name string) (namespace, objectName string, err error) {
	if o.Spec.WorkspaceNamespaces != v1alpha1.WorkspaceNamespacesPerOwner {
		return o.Name, ObjectName(owner.Name, name), nil
	}
	found, err := list[*corev1.Namespace](ctx, s, &corev1.NamespaceList{}, "", "", client.MatchingLabels{
		v1alpha1.LabelOrganization: o.Name, v1alpha1.LabelOwner: owner.Name,
	})
	if err != nil {
		return "", "", err
	}
	found = slices.DeleteFunc(found, func(n *corev1.Namespace) bool { return n.DeletionTimestamp != nil })
	if len(found) == 0 {
		return "", "", fault.New(fault.Unavailable, "%s has no namespace in organization %s yet. Try again, or ask its administrator.",
			owner.WireName(), o.WireName())
	}
	slices.SortFunc(found, func(a, b *corev1.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return found[0].Name, strings.ToLower(name), nil
}

// ObjectName is the metadata.name of a workspace in a namespace that several owners share.
func ObjectName(owner, name string) string { return owner + "--" + strings.ToLower(name) }
