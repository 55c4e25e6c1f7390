// SPDX-License-Identifier: Apache-2.0

// Package activity records who used which template on which day, in Berth's own namespace, for as long as a record is
// kept: a day counts for the owner of a workspace who started it, or who used it last on that day. The record outlives the
// workspaces that it came from, and the template takes it along. What is counted from it is internal/activity's.
package activity

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/activity"
)

// Every is how often a record is written at most: what is news in between waits.
const Every = 5 * time.Minute

// +kubebuilder:rbac:groups=berth.dev,resources=templates;workspaces;workspacebuilds,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,verbs=get;create;update;delete

// Reconciler records the use of templates.
type Reconciler struct {
	// Client reads from a cache, but for ConfigMaps.
	client.Client
	// Namespace is Berth's own.
	Namespace string
	// Clock tells which day it is.
	Clock clock.PassiveClock
	// Gather is for how long the use of workspaces is gathered until it is looked at; 0 looks at each at once.
	Gather time.Duration
}

// Setup has the manager call the reconciler whenever somebody may have used a template.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("activity").
		For(&v1alpha1.Template{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Workspace{}, phase.Gather(r.Gather, r.ofWorkspace, nil), builder.WithPredicates(used())).
		Complete(r)
}

// Reconcile brings the record of one Template up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: activity.Name(req.Namespace, req.Name)}}
	var template v1alpha1.Template
	if err := r.Get(ctx, req.NamespacedName, &template); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{}, client.IgnoreNotFound(r.Delete(ctx, kept))
	}
	if template.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // its record goes when it is gone
	}
	err := r.Get(ctx, client.ObjectKeyFromObject(kept), kept)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	isNew := err != nil
	now := r.Clock.Now()
	same := kept.Annotations[activity.AnnotationUID] == string(template.UID)
	if wait := left(kept, now); same && wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil // before anything is read of thousands of workspaces
	}
	record := read(kept, &template)
	news, err := r.mark(ctx, &template, record, activity.On(now))
	if err != nil || !isNew && !news && same {
		return ctrl.Result{}, err
	}
	if wait := left(kept, now); !isNew && wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	kept.Labels = map[string]string{activity.Label: activity.LabelTemplate, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
	kept.Annotations = map[string]string{
		activity.AnnotationUID:      string(template.UID),
		activity.AnnotationAt:       now.UTC().Format(time.RFC3339),
		v1alpha1.AnnotationTemplate: req.String(),
	}
	kept.BinaryData = map[string][]byte{activity.Key: record.Encode()}
	if isNew {
		return ctrl.Result{}, r.Create(ctx, kept)
	}
	return ctrl.Result{}, r.Update(ctx, kept)
}

// read is the record that is kept for a template. What is another's, or can't be read, begins anew: it is a count, and no
// reason to stop counting.
func read(kept *corev1.ConfigMap, t *v1alpha1.Template) *activity.Record {
	if kept.Annotations[activity.AnnotationUID] != string(t.UID) {
		return &activity.Record{}
	}
	record, err := activity.Decode(kept.BinaryData[activity.Key])
	if err != nil {
		return &activity.Record{}
	}
	return record
}

// left is how long the record may not be written yet.
func left(kept *corev1.ConfigMap, now time.Time) time.Duration {
	at, err := time.Parse(time.RFC3339, kept.Annotations[activity.AnnotationAt])
	if err != nil || at.After(now) {
		return 0
	}
	return at.Add(Every).Sub(now)
}

// mark notes what the template's workspaces and their kept builds tell, and says whether any of it is news.
func (r *Reconciler) mark(ctx context.Context, t *v1alpha1.Template, record *activity.Record, today activity.Day) (news bool, err error) {
	workspaces, err := phase.WorkspacesOf(ctx, r, t, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, err
	}
	for i := range workspaces {
		w := &workspaces[i]
		owner := activity.Person(string(w.Spec.Owner.User))
		days, err := r.daysOf(ctx, t, w)
		if err != nil {
			return false, err
		}
		for _, day := range days {
			news = record.Mark(owner, day, today) || news
		}
	}
	return news, nil
}

// daysOf are the days on which a workspace's owner used it, as far as the cluster remembers.
func (r *Reconciler) daysOf(ctx context.Context, t *v1alpha1.Template, w *v1alpha1.Workspace) ([]activity.Day, error) {
	var days []activity.Day
	if at := w.Status.LastUsedAt; at != nil && !declared(t, at.Time) {
		days = append(days, activity.On(at.Time))
	}
	builds, err := phase.Builds(ctx, r, w, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	for _, b := range builds {
		if b.Spec.Transition == v1alpha1.TransitionStart && b.Spec.Reason == v1alpha1.BuildReasonInitiator && b.Spec.Initiator.User == string(w.Spec.Owner.User) {
			days = append(days, activity.On(v1alpha1.CreatedAt(b)))
		}
	}
	return days, nil
}

// declared tells whether a time of last use was declared for all workspaces of the template at once, by whoever changed it,
// and tells of nobody's use.
func declared(t *v1alpha1.Template, at time.Time) bool {
	all, err := time.Parse(time.RFC3339, t.Annotations[v1alpha1.AnnotationUsedAt])
	return err == nil && all.Equal(at)
}

// used lets those events of a workspace through that may tell of another day: it came, another build was accepted, or it
// was last used on another day.
func used() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok := e.ObjectOld.(*v1alpha1.Workspace)
			is, also := e.ObjectNew.(*v1alpha1.Workspace)
			return !ok || !also || lastDay(was) != lastDay(is) || build(was) != build(is)
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

func lastDay(w *v1alpha1.Workspace) activity.Day {
	if w.Status.LastUsedAt == nil {
		return 0
	}
	return activity.On(w.Status.LastUsedAt.Time)
}

func build(w *v1alpha1.Workspace) int64 {
	if w.Status.Build == nil {
		return 0
	}
	return w.Status.Build.Number
}

// ofWorkspace names the Template of a workspace.
func (r *Reconciler) ofWorkspace(ctx context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: phase.TemplateOf(ctx, r, w)}}
}
