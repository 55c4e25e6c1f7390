// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	users := func() client.ObjectList { return &v1alpha1.UserList{} }
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	everybody := handler.EnqueueRequestsFromMapFunc(r.everybody)
	return ctrl.NewControllerManagedBy(mgr).
		Named("access").
		For(&v1alpha1.User{}).
		Watches(&v1alpha1.User{}, phase.Rematch(mgr.GetClient(), users, index.Subject), changed).
		Watches(&v1alpha1.Group{}, handler.EnqueueRequestsFromMapFunc(r.members), changed).
		Watches(&v1alpha1.Template{}, everybody, changed).
		Watches(&v1alpha1.Organization{}, everybody, changed).
		Watches(&corev1.Namespace{}, everybody, builder.WithPredicates(relabelled())).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(ownerOf), builder.WithPredicates(phase.ComesOrGoes())).
		Watches(&rbacv1.Role{}, handler.EnqueueRequestsFromMapFunc(r.bearer)).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.bearer)).
		Complete(phase.Calm(r))
}

// everybody asks for a pass of all who have an identity in Kubernetes.
func (r *Reconciler) everybody(ctx context.Context, _ client.Object) []reconcile.Request {
	var users v1alpha1.UserList
	if err := r.List(ctx, &users, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing Users whose rights may have changed")
		return nil
	}
	var requests []reconcile.Request
	for i := range users.Items {
		if len(users.Items[i].Spec.Subjects) > 0 {
			requests = append(requests, request(users.Items[i].Name))
		}
	}
	return requests
}

// members asks for a pass of those in a group.
func (r *Reconciler) members(ctx context.Context, o client.Object) []reconcile.Request {
	g, ok := o.(*v1alpha1.Group)
	if !ok {
		return nil
	}
	members, err := phase.Members(ctx, r, g)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the members of a group whose rights may have changed", "group", client.ObjectKeyFromObject(g))
		return nil
	}
	var requests []reconcile.Request
	for _, user := range slices.Sorted(maps.Keys(members)) {
		requests = append(requests, request(user))
	}
	return requests
}

// bearer asks for a pass of the User for whom something was made; where it is the manager's own right, of everybody.
func (r *Reconciler) bearer(ctx context.Context, o client.Object) []reconcile.Request {
	if _, binding := o.(*rbacv1.RoleBinding); binding && o.GetName() == r.Writable {
		return r.everybody(ctx, o)
	}
	var requests []reconcile.Request
	for _, user := range index.BearersOf(o) {
		requests = append(requests, request(user))
	}
	return requests
}

func ownerOf(_ context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok {
		return nil
	}
	return []reconcile.Request{request(string(w.Spec.Owner.User))}
}

func request(user string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: user}}
}

// relabelled passes namespaces that are new, gone or going, and those that may belong to somebody else by now.
func relabelled() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
}
