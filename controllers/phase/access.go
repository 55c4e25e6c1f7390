// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// AccessLabels mark the Roles and RoleBindings by which people have rights in a namespace.
func AccessLabels() map[string]string {
	return map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelAccess: "user"}
}

// ClearAccess takes what people have in a namespace out of it, bindings first, before the manager gives up its own right
// to do so. It tells whether there was any: who writes them may not know yet that the namespace is given back, so that it
// is to be looked at again.
func ClearAccess(ctx context.Context, c client.Client, namespace string) (found bool, err error) {
	made := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels(AccessLabels())}
	var bindings rbacv1.RoleBindingList
	if err := c.List(ctx, &bindings, made...); err != nil {
		return false, err
	}
	var roles rbacv1.RoleList
	if err := c.List(ctx, &roles, made...); err != nil {
		return false, err
	}
	for i := range bindings.Items {
		if err := Remove(ctx, c, &bindings.Items[i]); err != nil {
			return true, err
		}
	}
	for i := range roles.Items {
		if err := Remove(ctx, c, &roles.Items[i]); err != nil {
			return true, err
		}
	}
	return len(bindings.Items)+len(roles.Items) > 0, nil
}

// Remove deletes that very object. One that is gone is no error.
func Remove(ctx context.Context, c client.Client, o client.Object) error {
	uid := o.GetUID()
	return client.IgnoreNotFound(c.Delete(ctx, o, client.Preconditions{UID: &uid}))
}
