// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/quota"
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

// Members are the Users in a Group, by metadata.name: those that it declares, and those that a login or SCIM brought.
func Members(ctx context.Context, c client.Reader, g *v1alpha1.Group) (map[string]bool, error) {
	members := map[string]bool{}
	for _, m := range g.Spec.Members {
		members[string(m)] = true
	}
	var brought v1alpha1.UserList
	if err := c.List(ctx, &brought, client.MatchingFields{index.Brought: g.Namespace + "/" + g.Name}); err != nil {
		return nil, err
	}
	for _, u := range brought.Items {
		members[u.Name] = true
	}
	return members, nil
}

// QuotaOf gathers what limits a User's workspaces in an Organization, whatever their template.
func QuotaOf(ctx context.Context, c client.Reader, u *v1alpha1.User, o *v1alpha1.Organization) (quota.Rules, error) {
	rules := quota.Rules{Owner: u.Name}
	if o.Spec.Everyone != nil {
		rules.Everyone = o.Spec.Everyone.Quota
	}
	groups, err := Groups(ctx, c, u)
	if err != nil {
		return quota.Rules{}, err
	}
	for key := range groups {
		if key.Namespace != o.Name {
			continue
		}
		var g v1alpha1.Group
		if err := c.Get(ctx, key, &g); client.IgnoreNotFound(err) != nil {
			return quota.Rules{}, err
		}
		if g.Spec.Quota == nil {
			continue
		}
		group := quota.Group{Name: g.Name, Quota: g.Spec.Quota}
		if g.Spec.Quota.Running != nil || g.Spec.Quota.Kept != nil {
			if group.Members, err = Members(ctx, c, &g); err != nil {
				return quota.Rules{}, err
			}
		}
		rules.Groups = append(rules.Groups, group)
	}
	slices.SortFunc(rules.Groups, func(a, b quota.Group) int { return strings.Compare(a.Name, b.Name) })
	return rules, nil
}
