// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// Sweep removes the claims of deleted workspaces when their time is over, and with the last one the Secrets. It touches none
// but those that a deletion has marked with delete-after, and none whose workspace is there again.
type Sweep struct {
	// Client reads from a cache that holds the claims that are ours.
	client.Client
	// Live reads past the cache, before anything is removed.
	Live client.Reader
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells when a claim's time is over.
	Clock clock.PassiveClock
}

// again is how soon a claim is looked at again whose time is over and whose workspace is there, as while it is deleted.
const again = time.Minute

// Setup has the manager call the sweep for every marked claim.
func (r *Sweep) Setup(mgr ctrl.Manager) error {
	marked := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetAnnotations()[v1alpha1.AnnotationDeleteAfter] != "" })
	return ctrl.NewControllerManagedBy(mgr).Named("sweep").
		For(&corev1.PersistentVolumeClaim{}, builder.WithPredicates(marked)).
		Complete(phase.Calm(r))
}

// Reconcile removes one claim when its time is over.
func (r *Sweep) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var claim corev1.PersistentVolumeClaim
	if err := r.Get(ctx, req.NamespacedName, &claim); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	left, marked := r.left(&claim)
	if !marked || claim.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	alive, err := r.alive(ctx, &claim)
	if err != nil {
		return ctrl.Result{}, err
	}
	if alive {
		return ctrl.Result{RequeueAfter: again}, nil
	}
	err = r.Delete(ctx, &claim, client.Preconditions{UID: &claim.UID, ResourceVersion: &claim.ResourceVersion})
	if err != nil {
		return ctrl.Result{}, ignoreGone(err)
	}
	return ctrl.Result{}, forget(ctx, r.Client, r.Live, &claim)
}

// left is how long a marked claim is still kept. One whose mark can't be read is kept for ever, and said so.
func (r *Sweep) left(claim *corev1.PersistentVolumeClaim) (left time.Duration, marked bool) {
	text := claim.Annotations[v1alpha1.AnnotationDeleteAfter]
	if text == "" || claim.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy || claim.Labels[v1alpha1.LabelID] == "" {
		return 0, false
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.Events.Eventf(claim, nil, corev1.EventTypeWarning, v1alpha1.ReasonInvalid, "Sweep",
			"annotation %s is no time, so the claim is kept: write it like 2026-01-31T00:00:00Z", v1alpha1.AnnotationDeleteAfter)
		return 0, false
	}
	return until.Sub(r.Clock.Now()), true
}

// alive tells whether a workspace has the claim's id, as while it is deleted, or after it was brought back. The claim is gone
// for good otherwise, so where the cache knows none it is looked at live: by the name that the claim remembers, as a
// workspace of another name makes claims of other names; all of the namespace are only walked for a claim without one.
func (r *Sweep) alive(ctx context.Context, claim *corev1.PersistentVolumeClaim) (bool, error) {
	id, name := claim.Labels[v1alpha1.LabelID], claim.Annotations[v1alpha1.AnnotationWorkspace]
	var known v1alpha1.WorkspaceList
	err := r.List(ctx, &known, client.InNamespace(claim.Namespace), client.MatchingFields{index.ID: id})
	if err != nil || len(known.Items) > 0 {
		return err == nil, err
	}
	if name != "" {
		var w v1alpha1.Workspace
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: name}, &w)
		return err == nil && has(&w, id), client.IgnoreNotFound(err)
	}
	var workspaces v1alpha1.WorkspaceList
	if err := r.Live.List(ctx, &workspaces, client.InNamespace(claim.Namespace)); err != nil {
		return false, err
	}
	return slices.ContainsFunc(workspaces.Items, func(w v1alpha1.Workspace) bool { return has(&w, id) }), nil
}

// has tells whether an id is the workspace's: the one that its manifest gives, or its own.
func has(w *v1alpha1.Workspace, id string) bool {
	return string(w.WireID()) == id || string(w.UID) == id
}
