// SPDX-License-Identifier: Apache-2.0

// Package templateversion checks TemplateVersions: are the expressions right, is what they render a pod, and would the
// cluster take it. A version's content never changes, so it is checked once, and again only when the Pod Security level
// of its organization is another. It also shows how a version fares: whether it is the active one, and how many of its
// starts succeeded. It promotes and removes nothing; that is package template's.
package templateversion

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/render"
)

// enforced is the label by which a namespace holds its pods to a Pod Security level.
const enforced = "pod-security.kubernetes.io/enforce"

// +kubebuilder:rbac:groups=berth.dev,resources=templateversions,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=berth.dev,resources=templateversions/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=templates;organizations;workspacebuilds,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler checks TemplateVersions.
type Reconciler struct {
	// Client reads from the cache, and asks the cluster by a dry run.
	client.Client
	// As gives the rights of an organization's service account, with which extra objects are tried.
	As phase.Accounts
	// Live reads past the cache: whether the values of sensitive variables are stored.
	Live client.Reader
	// Platform is what the installation adds to every pod.
	Platform render.Platform
	// Worker is the name of this replica, as the check's job shows it.
	Worker string
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of conditions and jobs.
	Clock clock.PassiveClock
	// Gather is for how long the ends of builds are gathered until they are counted; 0 counts each at once.
	Gather time.Duration
}

// scope is what one pass knows.
type scope struct {
	now     time.Time
	version v1alpha1.TemplateVersion
	org     *v1alpha1.Organization
	// hash is that of the content.
	hash string
	// level is the Pod Security level that the home namespace enforces; empty when it enforces none.
	level string
	// before is what an earlier check found, where that still counts; nil where there was none.
	before *verdict
	// checking tells whether this pass began a check.
	checking bool
	// found is what is known of the version by now; nil when the pass did not come so far, or the cluster did not answer.
	found *verdict
	// told is what the pass adds to the log.
	told []joblog.Entry
	// active and builds are how the version fares.
	active bool
	builds string
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	others := func() client.ObjectList { return &v1alpha1.TemplateVersionList{} }
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.TemplateVersion{}).
		Watches(&v1alpha1.TemplateVersion{}, phase.Rematch(mgr.GetClient(), others, index.ID), changed).
		Watches(&v1alpha1.Template{}, handler.EnqueueRequestsFromMapFunc(r.ofTemplate), builder.WithPredicates(promoted())).
		Watches(&v1alpha1.WorkspaceBuild{}, phase.Gather(r.Gather, r.ofBuild, nil), builder.WithPredicates(counted())).
		Watches(&v1alpha1.Organization{}, handler.EnqueueRequestsFromMapFunc(r.within), changed).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.within)).
		Complete(phase.Calm(r))
}

// Reconcile brings one TemplateVersion a step nearer to being checked.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.version); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.version.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	left, leaves := s.left()
	if leaves && left == 0 {
		return ctrl.Result{}, r.forget(ctx, &s.version)
	}
	if wrote, err := phase.Adopt(ctx, r.Client, &s.version, ""); wrote || err != nil {
		return ctrl.Result{}, err
	}
	before := s.version.DeepCopy()
	outcome := phase.Run(ctx, s, r.observe, r.identity, r.check)
	conclude(s, outcome, r.Worker)
	if _, err := phase.ApplyStatus(ctx, r.Client, before, &s.version); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, before, &s.version)
	return phase.At(left, outcome)
}

// observe reads how the version fares, and what was found out about it before.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	var err error
	if s.hash, err = render.Hash(&s.version.Spec.Content); err != nil {
		return err
	}
	if ref := s.version.Spec.TemplateRef; ref != nil {
		var template v1alpha1.Template
		err := r.Get(ctx, client.ObjectKey{Namespace: s.version.Namespace, Name: string(ref.Name)}, &template)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		s.active = template.Status.ActiveVersion != nil && template.Status.ActiveVersion.UID == s.version.UID
	}
	var builds v1alpha1.WorkspaceBuildList
	if err := r.List(ctx, &builds, client.MatchingFields{index.Version: string(s.version.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	good, all := 0, 0
	for i := range builds.Items {
		b := &builds.Items[i]
		if b.Spec.Transition != v1alpha1.TransitionStart || !b.Phase().Ended() {
			continue
		}
		if all++; b.Phase() == v1alpha1.JobSucceeded {
			good++
		}
	}
	s.builds = ""
	if all > 0 {
		s.builds = fmt.Sprintf("%d/%d", good, all)
	}
	var home corev1.Namespace
	if err := r.Get(ctx, client.ObjectKey{Name: s.version.Namespace}, &home); client.IgnoreNotFound(err) != nil {
		return err
	}
	s.level = home.Labels[enforced]
	s.before = earlier(&s.version, s.hash, s.level)
	return nil
}

// identity finds the version's organization, and refuses an id that is another's.
func (r *Reconciler) identity(ctx context.Context, s *scope) (err error) {
	if s.org, err = phase.Home(ctx, r, &s.version, "TemplateVersion"); err != nil {
		return err
	}
	return phase.HoldsID(ctx, r, &s.version, &v1alpha1.TemplateVersionList{})
}

// ofTemplate names the versions of a Template, one of which may have become the active one.
func (r *Reconciler) ofTemplate(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.TemplateVersionList{}, client.InNamespace(o.GetNamespace()),
		client.MatchingFields{index.Template: o.GetName()})
}

// promoted passes the changes of a Template after which another version may be the active one.
func promoted() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.Template)
		is, also := e.ObjectNew.(*v1alpha1.Template)
		return !ok || !also || !equality.Semantic.DeepEqual(was.Status.ActiveVersion, is.Status.ActiveVersion)
	}}
}

// counted passes the builds that a version's count of starts may be another after: those that have ended, and those that went.
func counted() predicate.Predicate {
	ended := func(o client.Object) bool {
		b, ok := o.(*v1alpha1.WorkspaceBuild)
		return ok && b.Phase().Ended()
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return ended(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return ended(e.ObjectOld) != ended(e.ObjectNew) },
		DeleteFunc: func(e event.DeleteEvent) bool { return ended(e.Object) },
	}
}

// ofBuild names the version of a build, in whichever organization it stands.
func (r *Reconciler) ofBuild(ctx context.Context, o client.Object) []reconcile.Request {
	b, ok := o.(*v1alpha1.WorkspaceBuild)
	if !ok || b.Spec.VersionRef == nil {
		return nil
	}
	return phase.Requests(ctx, r, &v1alpha1.TemplateVersionList{}, client.MatchingFields{index.UID: string(b.Spec.VersionRef.UID)})
}

// within names the versions of an Organization or namespace, which have the same name.
func (r *Reconciler) within(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.TemplateVersionList{}, client.InNamespace(o.GetName()))
}
