// SPDX-License-Identifier: Apache-2.0

// Package warmpool keeps as many prepared workspaces of a Template as its spec.warmPool wants: it makes WarmWorkspaces of
// the active version, and removes those that are too many, of another making, or have failed. It owns
// Template.status.warmPool.
//
// What a prepared workspace consists of is package warmworkspace's; who may claim one is decided where workspaces are made.
// One that was claimed is no longer the pool's.
package warmpool

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/warm"
)

// +kubebuilder:rbac:groups=berth.dev,resources=templates;templateversions;organizations;workspaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=berth.dev,resources=templates/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps pools.
type Reconciler struct {
	client.Client
	// Live reads past the cache which prepared workspaces there are, before more are made.
	Live client.Reader
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of schedules and of what demand counts.
	Clock clock.PassiveClock
	// Platform is what the installation adds to every pod.
	Platform render.Platform
}

// scope is what one pass knows.
type scope struct {
	now      time.Time
	template v1alpha1.Template
	org      *v1alpha1.Organization
	// version is the active one.
	version *v1alpha1.TemplateVersion
	// slots are the template's, claimed ones among them.
	slots []v1alpha1.WarmWorkspace
	// size is how many are wanted, and until when time alone does not change that.
	size  int
	until time.Time
	// parameters and make are what each is made with.
	parameters *v1alpha1.BuildParameters
	make       warm.Make
	plan       warm.Plan
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("warmpool").
		For(&v1alpha1.Template{}, builder.WithPredicates(pooled())).
		Watches(&v1alpha1.WarmWorkspace{}, handler.EnqueueRequestsFromMapFunc(ofSlot)).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.asked), builder.WithPredicates(made())).
		Watches(&v1alpha1.Organization{}, handler.EnqueueRequestsFromMapFunc(r.within), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(phase.Calm(r))
}

// pooled passes what a pool depends on of its Template: everything of it where it has a pool, and the end of one.
func pooled() predicate.Predicate {
	has := func(o client.Object) bool {
		t, ok := o.(*v1alpha1.Template)
		return ok && (t.Spec.WarmPool != nil || t.Status.WarmPool != nil)
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return has(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, _ := e.ObjectOld.(*v1alpha1.Template)
			is, ok := e.ObjectNew.(*v1alpha1.Template)
			return ok && was != nil && (has(was) || has(is)) && (was.Generation != is.Generation ||
				was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
				!equality.Semantic.DeepEqual(was.Status.ActiveVersion, is.Status.ActiveVersion))
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false }, // what it owns goes with it
	}
}

// ofSlot names the Template of a prepared workspace.
func ofSlot(_ context.Context, o client.Object) []reconcile.Request {
	s, ok := o.(*v1alpha1.WarmWorkspace)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: s.Namespace, Name: string(s.Spec.TemplateRef.Name)}}}
}

// made passes new workspaces, which demand counts.
func made() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(event.UpdateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// asked names the Template of a new workspace whose pool follows demand.
func (r *Reconciler) asked(ctx context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok || w.Spec.TemplateRef.Organization != "" {
		return nil
	}
	key := client.ObjectKey{Namespace: w.Namespace, Name: string(w.Spec.TemplateRef.Name)}
	var t v1alpha1.Template
	if r.Get(ctx, key, &t) != nil || t.Spec.WarmPool == nil || t.Spec.WarmPool.Demand == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// within names the Templates of an Organization that have a pool.
func (r *Reconciler) within(ctx context.Context, o client.Object) []reconcile.Request {
	var list v1alpha1.TemplateList
	if r.List(ctx, &list, client.InNamespace(o.GetName())) != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if list.Items[i].Spec.WarmPool != nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// Reconcile brings one pool nearer to its size.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.template); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := r.observe(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	outcome := phase.Run(ctx, s, r.belongs, r.prepare)
	if decisive(outcome) {
		s.plan = warm.For(s.slots, s.make, s.now)
		if err := r.act(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	if _, waits := errors.AsType[*phase.Waiting](outcome); outcome != nil && !waits && !decisive(outcome) {
		return ctrl.Result{}, outcome
	}
	if err := r.say(ctx, s, outcome); err != nil {
		return ctrl.Result{}, err
	}
	return phase.At(s.again(), outcome)
}

// observe reads the prepared workspaces of the template, and works out how many there should be.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	mine := []client.ListOption{client.InNamespace(s.template.Namespace), client.MatchingFields{index.Template: s.template.Name}}
	var slots v1alpha1.WarmWorkspaceList
	if err := r.List(ctx, &slots, mine...); err != nil {
		return err
	}
	s.slots = slots.Items
	pool := s.template.Spec.WarmPool
	if pool == nil || s.template.DeletionTimestamp != nil {
		return nil
	}
	var made []time.Time
	if pool.Demand != nil {
		var workspaces v1alpha1.WorkspaceList
		if err := r.List(ctx, &workspaces, append(mine, client.UnsafeDisableDeepCopy)...); err != nil {
			return err
		}
		for i := range workspaces.Items {
			made = append(made, v1alpha1.CreatedAt(&workspaces.Items[i]))
		}
	}
	s.size, s.until = warm.Size(pool, made, s.now)
	return nil
}

// again is when time alone changes what is to be done; zero when it does not.
func (s *scope) again() time.Duration {
	var d time.Duration
	for _, at := range []time.Time{s.until, s.plan.Until} {
		if left := at.Sub(s.now); !at.IsZero() && (d == 0 || left < d) {
			d = max(left, time.Second)
		}
	}
	return d
}
