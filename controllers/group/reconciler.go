// SPDX-License-Identifier: Apache-2.0

// Package group keeps Groups: it counts their members and names those that are no Users of the organization. It grants
// nothing; what a group gives its members is read from the spec by those who decide.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// shown is how many missing members a message names.
const shown = 10

// +kubebuilder:rbac:groups=berth.dev,resources=groups,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=berth.dev,resources=groups/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=users;organizations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps Groups.
type Reconciler struct {
	client.Client
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of conditions.
	Clock clock.PassiveClock
}

// scope is what one pass knows.
type scope struct {
	now   time.Time
	group v1alpha1.Group
	org   *v1alpha1.Organization
	// members are how many of the members are Users of the organization; missing names the others.
	members int64
	missing []string
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	others := func() client.ObjectList { return &v1alpha1.GroupList{} }
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Group{}).
		Watches(&v1alpha1.Group{}, phase.Rematch(mgr.GetClient(), others, index.ID, index.Name), changed).
		Watches(&v1alpha1.User{}, handler.EnqueueRequestsFromMapFunc(r.ofMember), changed).
		Watches(&v1alpha1.Organization{}, handler.EnqueueRequestsFromMapFunc(r.within), changed).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.within)).
		Complete(phase.Calm(r))
}

// Reconcile brings one Group a step nearer to its wish.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.group); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.group.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if wrote, err := phase.Adopt(ctx, r.Client, &s.group, ""); wrote || err != nil {
		return ctrl.Result{}, err
	}
	before := s.group.DeepCopy()
	outcome := phase.Run(ctx, s, r.identity, r.observe)
	conclude(s, outcome)
	if _, err := phase.ApplyStatus(ctx, r.Client, before, &s.group); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, before, &s.group)
	return phase.Result(outcome)
}

// identity finds the group's organization, and refuses an id or name that is another's.
func (r *Reconciler) identity(ctx context.Context, s *scope) (err error) {
	if s.org, err = phase.Home(ctx, r, &s.group, "Group"); err != nil {
		return err
	}
	if err := phase.HoldsID(ctx, r, &s.group, &v1alpha1.GroupList{}); err != nil {
		return err
	}
	return phase.HoldsName(ctx, r, &s.group, s.group.WireName(), &v1alpha1.GroupList{})
}

// observe looks up the members.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	seen := map[v1alpha1.ObjectName]bool{}
	for _, name := range s.group.Spec.Members {
		if seen[name] {
			continue
		}
		seen[name] = true
		var user v1alpha1.User
		err := r.Get(ctx, client.ObjectKey{Name: string(name)}, &user)
		switch {
		case apierrors.IsNotFound(err):
			s.missing = append(s.missing, string(name))
		case err != nil:
			return err
		case !belongs(&user, s.org):
			s.missing = append(s.missing, string(name))
		default:
			s.members++
		}
	}
	slices.Sort(s.missing)
	return nil
}

// belongs tells whether a user is a member of the organization; one who names none is a member of the default one.
func belongs(user *v1alpha1.User, org *v1alpha1.Organization) bool {
	if len(user.Spec.Memberships) == 0 {
		return org.Spec.Default
	}
	return slices.ContainsFunc(user.Spec.Memberships, func(m v1alpha1.Membership) bool { return string(m.Organization) == org.Name })
}

// conclude makes the outcome of a pass the group's status. A member who is no User is no fault of the group's: a login
// may bring them later.
func conclude(s *scope, outcome error) {
	status := &s.group.Status
	status.ObservedGeneration = s.group.Generation
	if outcome == nil {
		status.Members = s.members
	}
	ready := phase.Ready{Reason: v1alpha1.ReasonReady, Message: "all members are Users of the organization"}
	if n := len(s.missing); n > 0 {
		ready = phase.Ready{Reason: v1alpha1.ReasonMemberMissing, Message: "no Users of organization " + s.org.Name + ", so without rights: " +
			strings.Join(s.missing[:min(n, shown)], ", ")}
		if n > shown {
			ready.Message += fmt.Sprintf(" and %d more", n-shown)
		}
	}
	status.Conditions = phase.Conclude(status.Conditions, s.group.Generation, outcome, ready, s.now)
	phase.NotEnforced(&status.Conditions, s.group.Generation, render.NotEnforced(&s.group), s.now)
}

// ofMember names the Groups that list a User.
func (r *Reconciler) ofMember(ctx context.Context, user client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.GroupList{}, client.MatchingFields{index.Member: user.GetName()})
}

// within names the Groups of an Organization or namespace, which have the same name.
func (r *Reconciler) within(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.GroupList{}, client.InNamespace(o.GetName()))
}
