// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/index"
)

// GroupReconciler keeps what those whom a Group lists as groups of Kubernetes identities may do with kubectl by the Group: get
// and use the templates that name it. Who they are, Kubernetes alone knows, so that nothing is given that depends on it: own
// workspaces come by the User, and so does what Everyone in the organization has. Without those rights nobody makes a
// workspace of a template.
type GroupReconciler struct {
	// Client reads from a cache that holds the Roles and RoleBindings that are ours.
	client.Client
	// Off takes back what was given, and gives nothing.
	Off bool
	// Writable is as in Reconciler.
	Writable string
}

// groupScope is what one pass knows.
type groupScope struct {
	group v1alpha1.Group
	kept
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *GroupReconciler) Setup(mgr ctrl.Manager) error {
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	there := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.in(ctx, o.GetNamespace())
	})
	named := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.in(ctx, o.GetName()) // an organization's home namespace has its name
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("group-access").
		For(&v1alpha1.Group{}, changed).
		Watches(&v1alpha1.Template{}, there, changed).
		Watches(&v1alpha1.Organization{}, named, changed).
		Watches(&corev1.Namespace{}, named, builder.WithPredicates(relabelled())).
		Watches(&rbacv1.Role{}, handler.EnqueueRequestsFromMapFunc(r.bearer)).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.bearer)).
		Complete(phase.Calm(r))
}

// in asks for a pass of the Groups of a namespace that list identities.
func (r *GroupReconciler) in(ctx context.Context, namespace string) []reconcile.Request {
	var groups v1alpha1.GroupList
	if err := r.List(ctx, &groups, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing Groups whose rights may have changed", "namespace", namespace)
		return nil
	}
	var requests []reconcile.Request
	for i := range groups.Items {
		if len(groups.Items[i].Spec.Subjects) > 0 {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&groups.Items[i])})
		}
	}
	return requests
}

// bearer asks for a pass of the Group for which something was made; where it is the manager's own right, of all there.
func (r *GroupReconciler) bearer(ctx context.Context, o client.Object) []reconcile.Request {
	if _, binding := o.(*rbacv1.RoleBinding); binding && o.GetName() == r.Writable {
		return r.in(ctx, o.GetNamespace())
	}
	var requests []reconcile.Request
	for _, group := range index.BearingGroupsOf(o) {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: group}})
	}
	return requests
}

// Reconcile has those of one Group have what is theirs by it. Of one that is gone it takes away what the cluster's collector
// has left.
func (r *GroupReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &groupScope{}
	err := r.Get(ctx, req.NamespacedName, &s.group)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	s.kept = keep(index.BearerGroup(req.Namespace, req.Name), "Group", &s.group, bindable(s.group.Spec.Subjects))
	observe := func(ctx context.Context, s *groupScope) error { return s.observe(ctx, r) }
	withdraw := func(ctx context.Context, s *groupScope) error { return s.withdraw(ctx, r) }
	grant := func(ctx context.Context, s *groupScope) error { return s.grant(ctx, r) }
	steps := []phase.Step[groupScope]{observe, r.want, withdraw, grant}
	if err != nil || s.group.DeletionTimestamp != nil || r.Off {
		steps = []phase.Step[groupScope]{observe, withdraw}
	}
	return phase.Result(phase.Run(ctx, s, steps...))
}

// want finds what they are to have: nothing outside of an organization's home namespace, where a Group counts for nothing on
// the wire either.
func (r *GroupReconciler) want(ctx context.Context, s *groupScope) error {
	home := s.group.Namespace
	if len(s.subjects) == 0 {
		return nil
	}
	if stands, err := r.stands(ctx, home); err != nil || !stands {
		return err
	}
	if ok, err := mayWrite(ctx, r, home, r.Writable); err != nil || !ok {
		return err
	}
	templates, err := templatesIn(ctx, r, home)
	if err != nil {
		return err
	}
	var open []string
	for _, t := range templates {
		if authz.TemplateObject(t).OpenToGroup(authz.Use, client.ObjectKeyFromObject(&s.group)) {
			open = append(open, t.Name)
		}
	}
	if len(open) > 0 {
		s.kept.want.add(groupName(s.group.Name), home, rights{rules: []rbacv1.PolicyRule{useOf(open)}})
	}
	return nil
}

// stands tells whether a namespace is the home of an Organization that is there to stay.
func (r *GroupReconciler) stands(ctx context.Context, namespace string) (bool, error) {
	var n corev1.Namespace
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, &n); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	var o v1alpha1.Organization
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, &o); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return n.DeletionTimestamp == nil && o.DeletionTimestamp == nil && n.Labels[v1alpha1.LabelOrganization] == namespace, nil
}

// bindable are the subjects to which rights can be bound: groups. Those that Kubernetes itself puts everybody into, strangers
// too, are none of an organization's; of its own groups only the service accounts of a namespace are.
func bindable(subjects []v1alpha1.Subject) []v1alpha1.Subject {
	return slices.DeleteFunc(slices.Clone(subjects), func(s v1alpha1.Subject) bool {
		return s.Kind != rbacv1.GroupKind || strings.HasPrefix(s.Name, "system:") && !strings.HasPrefix(s.Name, "system:serviceaccounts:")
	})
}
