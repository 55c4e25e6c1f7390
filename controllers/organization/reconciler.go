// SPDX-License-Identifier: Apache-2.0

// Package organization gives each Organization its home: the namespace of its name, the Pod Security level there and in
// every further namespace of the organization, and the account that its workspaces run as. It makes the home namespace
// or adopts one that stands already, and never removes it: when an Organization is deleted its namespace only loses the
// label by which it belonged to it and the manager's binding, and keeps everything else, the Pod Security level included,
// since pods may run there.
//
// Where each member is to have a namespace, it makes those too. It grants nobody rights but the manager itself those that it has in organizations'
// namespaces alone. What people have there is package access's.
package organization

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
)

// errReleased ends the last pass of an Organization: there is nothing left to write a status to.
var errReleased = errors.New("the organization is released")

// Finalizer holds an Organization until no workspace stands in it and its namespace is given back.
const Finalizer = "berth.dev/organization"

// +kubebuilder:rbac:groups=berth.dev,resources=organizations,verbs=get;list;watch;patch;escalate
// +kubebuilder:rbac:groups=berth.dev,resources=organizations/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=users;workspaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps Organizations.
type Reconciler struct {
	// Client reads from a cache that holds the namespaces with the organization label, and the accounts, Roles and
	// RoleBindings that are ours.
	client.Client
	// Live reads namespaces and accounts that the cache does not hold as they are not ours yet.
	Live client.Reader
	// Own is Berth's own namespace, which is nobody's home.
	Own string
	// Manager is the manager's own ServiceAccount there.
	Manager string
	// APIServer is the API server's service account in Berth's own namespace; empty where there is none.
	APIServer string
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of conditions.
	Clock clock.PassiveClock
}

// scope is what one pass knows.
type scope struct {
	now time.Time
	org v1alpha1.Organization
	// home is the namespace of the organization's name; nil when there is none.
	home *corev1.Namespace
	// further are the other namespaces that belong to it.
	further []corev1.Namespace
	// nowhere tells of the members who have no namespace of their own where they should; nil when all do.
	nowhere error
	// workspaces are those that stand in its namespaces, as NAMESPACE/NAME.
	workspaces []string
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	others := func() client.ObjectList { return &v1alpha1.OrganizationList{} }
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Organization{}).
		Watches(&v1alpha1.Organization{}, phase.Rematch(mgr.GetClient(), others, index.ID, index.Name, index.Default),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.User{}, handler.EnqueueRequestsFromMapFunc(r.joins), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(ofNamespace)).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.standsIn), builder.WithPredicates(phase.ComesOrGoes())).
		Watches(&corev1.ServiceAccount{}, handler.EnqueueRequestsFromMapFunc(r.standsIn)).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.standsIn)).
		Complete(phase.Calm(r))
}

// Reconcile brings one Organization a step nearer to its wish.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.org); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	steps := []phase.Step[scope]{
		r.identity, r.observe, r.use, r.withdraw, r.withdrawVariables, r.decide, r.owners, r.apply, r.bindVariables, r.soleDefault,
		r.everybodyHasOne,
	}
	if s.org.DeletionTimestamp != nil {
		steps = []phase.Step[scope]{r.observe, r.use, r.unused, r.release}
	} else if wrote, err := phase.Adopt(ctx, r.Client, &s.org, Finalizer); wrote || err != nil {
		return ctrl.Result{}, err
	}
	before := s.org.DeepCopy()
	outcome := phase.Run(ctx, s, steps...)
	if errors.Is(outcome, errReleased) {
		return ctrl.Result{}, nil
	}
	conclude(s, outcome)
	if _, err := phase.ApplyStatus(ctx, r.Client, before, &s.org); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, before, &s.org)
	return phase.Result(outcome)
}

// conclude makes the outcome of a pass the organization's status.
func conclude(s *scope, outcome error) {
	status := &s.org.Status
	status.ObservedGeneration = s.org.Generation
	status.Namespace = ""
	if s.home != nil && s.home.Labels[v1alpha1.LabelOrganization] == s.org.Name {
		status.Namespace = s.home.Name
	}
	status.Conditions = phase.Conclude(status.Conditions, s.org.Generation, outcome, phase.Ready{
		Reason: v1alpha1.ReasonReady, Message: "namespace " + s.org.Name + " is there",
	}, s.now)
	phase.NotEnforced(&status.Conditions, s.org.Generation, render.NotEnforced(&s.org), s.now)
}

// ofNamespace names the Organizations that a namespace may matter to: the one it is labelled for and the one of its name.
func ofNamespace(_ context.Context, o client.Object) []reconcile.Request {
	requests := []reconcile.Request{{NamespacedName: client.ObjectKey{Name: o.GetName()}}}
	if name := o.GetLabels()[v1alpha1.LabelOrganization]; name != "" && name != o.GetName() {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
	}
	return requests
}

// standsIn names the Organization whose namespace an account, a binding or a workspace stands in.
func (r *Reconciler) standsIn(ctx context.Context, o client.Object) []reconcile.Request {
	var namespace corev1.Namespace
	if err := r.Get(ctx, client.ObjectKey{Name: o.GetNamespace()}, &namespace); err != nil {
		return nil // it belongs to no organization, or is gone with all that stood in it
	}
	return ofNamespace(ctx, &namespace)
}
