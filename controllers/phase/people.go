// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
)

// Groups are the Groups that a User belongs to: those that declare the User, and those that a login or SCIM brought.
func Groups(ctx context.Context, c client.Reader, u *v1alpha1.User) (map[types.NamespacedName]bool, error) {
	var declared v1alpha1.GroupList
	if err := c.List(ctx, &declared, client.MatchingFields{index.Member: u.Name}); err != nil {
		return nil, err
	}
	groups := map[types.NamespacedName]bool{}
	for i := range declared.Items {
		groups[client.ObjectKeyFromObject(&declared.Items[i])] = true
	}
	for _, text := range u.Status.Groups {
		if namespace, name, ok := strings.Cut(text, "/"); ok {
			groups[types.NamespacedName{Namespace: namespace, Name: name}] = true
		}
	}
	return groups, nil
}

// Namespaces are the names of the namespaces that belong to an Organization.
func Namespaces(ctx context.Context, c client.Reader, organization string) ([]string, error) {
	var list corev1.NamespaceList
	if err := c.List(ctx, &list, client.MatchingLabels{v1alpha1.LabelOrganization: organization}); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for _, n := range list.Items {
		names = append(names, n.Name)
	}
	return names, nil
}
