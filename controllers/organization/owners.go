// SPDX-License-Identifier: Apache-2.0

package organization

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// longestName is how long the name of a namespace, and the value of a label, can be.
const longestName = 63

// owners gives each member a namespace of their own, where the organization wishes so: one that stands with the labels is
// as good as one that is made here, and none is ever taken away, since workspaces may stand in it. A namespace that is
// somebody's already is not touched, and the members who get none for it are told of.
func (r *Reconciler) owners(ctx context.Context, s *scope) error {
	if s.org.Spec.WorkspaceNamespaces != v1alpha1.WorkspaceNamespacesPerOwner {
		return nil
	}
	members, err := r.members(ctx, &s.org)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, n := range s.further {
		have[n.Labels[v1alpha1.LabelOwner]] = true
	}
	var refused []*fault.Error
	var ending error
	for _, user := range members {
		if have[user] {
			continue
		}
		n, err := r.ownNamespace(ctx, s, user)
		if f, taken := fault.As(err); taken {
			refused = append(refused, f)
			continue
		}
		if wait := (*phase.Waiting)(nil); errors.As(err, &wait) { // the others need not wait with it
			ending = err
			continue
		}
		if err != nil {
			return err
		}
		s.further = append(s.further, *n)
	}
	s.nowhere = ending
	if f := fault.Join("members without a namespace", refused...); f != nil {
		s.nowhere = f
	}
	return nil
}

// everybodyHasOne says which members have no namespace. It comes last: the others have theirs.
func (r *Reconciler) everybodyHasOne(_ context.Context, s *scope) error { return s.nowhere }

// ownNamespace makes a member's namespace.
func (r *Reconciler) ownNamespace(ctx context.Context, s *scope, user string) (*corev1.Namespace, error) {
	if len(user) > longestName {
		return nil, fault.On("spec.workspaceNamespaces", "User %s: a name of more than %d characters can't stand in a label; "+
			"make the User anew by a shorter one", user, longestName).Because(v1alpha1.ReasonNamespaceTaken)
	}
	name := OwnNamespace(s.org.Name, user)
	var there corev1.Namespace
	err := r.Live.Get(ctx, client.ObjectKey{Name: name}, &there)
	switch {
	case apierrors.IsNotFound(err):
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: s.security()}}
		n.Labels[v1alpha1.LabelOrganization], n.Labels[v1alpha1.LabelOwner] = s.org.Name, user
		return n, r.Create(ctx, n, phase.Owner)
	case err != nil:
		return nil, err
	case there.Labels[v1alpha1.LabelOrganization] != s.org.Name || there.Labels[v1alpha1.LabelOwner] != user:
		return nil, fault.On("spec.workspaceNamespaces", "User %s: namespace %q stands already and is not labelled for this owner and organization; "+
			"label it so, or label another one", user, name).Because(v1alpha1.ReasonNamespaceTaken)
	case there.DeletionTimestamp != nil:
		return nil, phase.Wait(look, v1alpha1.ReasonNamespaceTerminating, "namespace %s is being deleted; it is made anew afterwards", name)
	}
	return &there, nil // the cache is behind
}

// OwnNamespace is the name of the namespace that is made for an owner in an organization. Users' names hold no two hyphens in
// a row, so that no two owners meet in one; what is too long is shortened, and told apart by a hash.
func OwnNamespace(organization, user string) string {
	name := organization + "--" + strings.ReplaceAll(user, ".", "-")
	if len(name) <= longestName && !strings.Contains(user, ".") && !strings.Contains(user, "--") {
		return name
	}
	hash := render.Digest([]byte(organization + "\x00" + user))
	return strings.TrimRight(name[:min(len(name), longestName-len(hash)-1)], "-") + "-" + hash
}

// members are the Users who belong to an organization and can use it, by metadata.name.
func (r *Reconciler) members(ctx context.Context, org *v1alpha1.Organization) ([]string, error) {
	byDefault, err := phase.DefaultOrganization(ctx, r)
	if err != nil {
		return nil, err
	}
	var users v1alpha1.UserList
	if err := r.List(ctx, &users, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var members []string
	for i := range users.Items {
		u := &users.Items[i]
		if _, belongs := authz.Memberships(u, byDefault)[org.Name]; belongs && !u.Spec.Suspended && u.DeletionTimestamp == nil {
			members = append(members, u.Name)
		}
	}
	slices.Sort(members)
	return members, nil
}

// joins names the Organizations of a User that give each member a namespace.
func (r *Reconciler) joins(ctx context.Context, o client.Object) []reconcile.Request {
	u, ok := o.(*v1alpha1.User)
	if !ok {
		return nil
	}
	var list v1alpha1.OrganizationList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the organizations that a User may have joined", "user", u.Name)
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		org := &list.Items[i]
		if _, belongs := authz.Memberships(u, org.Name)[org.Name]; belongs && org.Spec.WorkspaceNamespaces == v1alpha1.WorkspaceNamespacesPerOwner {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: org.Name}})
		}
	}
	return requests
}
