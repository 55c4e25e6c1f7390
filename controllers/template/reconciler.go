// SPDX-License-Identifier: Apache-2.0

// Package template keeps Templates: it stamps a TemplateVersion from each content a Template has had, promotes versions
// as spec.rollout and spec.hold say, takes back one whose starts fail while it comes out, counts the workspaces that use the Template, removes versions that nothing names any more, and
// holds a Template that is deleted until no workspace uses it. Whether a version is right is package templateversion's
// to find out; nothing here touches a workspace.
package template

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// Finalizer holds a Template until no workspace uses it. It is the second line behind the admission policy, which
// refuses the deletion outright.
const Finalizer = "berth.dev/template"

// +kubebuilder:rbac:groups=berth.dev,resources=templates,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=berth.dev,resources=templates/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=templateversions,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces;workspacebuilds;organizations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps Templates.
type Reconciler struct {
	client.Client
	// Live reads a Template past the cache when its content is copied into a version, just as its author wrote it.
	Live client.Reader
	// Requesters tell whose content a version is made of.
	Requesters phase.Requesters
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of conditions, of the steps of a rollout and of a hold.
	Clock clock.PassiveClock
	// Gather is for how long the coming and going of workspaces is gathered until they are counted; 0 counts each at once.
	Gather time.Duration
}

// scope is what one pass knows.
type scope struct {
	now      time.Time
	template v1alpha1.Template
	org      *v1alpha1.Organization
	// hash is that of spec.content; empty when there is none.
	hash string
	// versions are those of the template, the newest first.
	versions []version
	// workspaces are those that use the template, in whatever organization. They are the cache's own, as are the
	// builds that versions are judged by: there may be thousands, and they are only counted.
	workspaces []v1alpha1.Workspace
	// plan is what decide found; nil when it was not asked.
	plan *plan
	// until is when time alone moves the plan; zero when it does not.
	until time.Time
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	others := func() client.ObjectList { return &v1alpha1.TemplateList{} }
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Template{}).
		Watches(&v1alpha1.Template{}, phase.Rematch(mgr.GetClient(), others, index.ID, index.Name), changed).
		Watches(&v1alpha1.TemplateVersion{}, handler.EnqueueRequestsFromMapFunc(ofVersion)).
		Watches(&v1alpha1.Workspace{}, phase.Gather(r.Gather, r.ofWorkspace, r.turns), builder.WithPredicates(built())).
		Watches(&v1alpha1.WorkspaceBuild{}, handler.EnqueueRequestsFromMapFunc(r.ofBuild), builder.WithPredicates(ended())).
		Watches(&v1alpha1.Organization{}, handler.EnqueueRequestsFromMapFunc(r.within), changed).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.within)).
		Complete(phase.Calm(r))
}

// Reconcile brings one Template a step nearer to its wish.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.template); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	steps := []phase.Step[scope]{r.identity, r.observe, r.stamp, decide, r.prune}
	if s.template.DeletionTimestamp != nil {
		steps = []phase.Step[scope]{r.observeUse, r.release}
	} else if wrote, err := phase.Adopt(ctx, r.Client, &s.template, Finalizer); wrote || err != nil {
		return ctrl.Result{}, err
	}
	before := s.template.DeepCopy()
	outcome := phase.Run(ctx, s, steps...)
	if errors.Is(outcome, errReleased) {
		return ctrl.Result{}, nil
	}
	conclude(s, outcome)
	// how the pool stands is package warmpool's to write
	if _, err := phase.ApplyStatus(ctx, r.Client, before, &s.template, "warmPool"); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, before, &s.template)
	if s.until.IsZero() {
		return phase.Result(outcome)
	}
	return phase.At(max(s.until.Sub(s.now), time.Second), outcome)
}

// identity finds the template's organization, and refuses an id or name that is another's.
func (r *Reconciler) identity(ctx context.Context, s *scope) (err error) {
	if s.org, err = phase.Home(ctx, r, &s.template, "Template"); err != nil {
		return err
	}
	if err := phase.HoldsID(ctx, r, &s.template, &v1alpha1.TemplateList{}); err != nil {
		return err
	}
	return phase.HoldsName(ctx, r, &s.template, s.template.WireName(), &v1alpha1.TemplateList{})
}
