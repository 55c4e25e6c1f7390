// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// Tombstones removes the records of deleted workspaces when their time is over, and not before the claims that were kept
// for a while: while those are there, somebody may want to bring the workspace back.
type Tombstones struct {
	// Client reads from a cache that holds the claims that are ours.
	client.Client
	// Clock tells when a record's time is over.
	Clock clock.PassiveClock
}

// +kubebuilder:rbac:groups=berth.dev,resources=deletedworkspaces,verbs=get;list;watch;create;delete

// Setup has the manager call it for every record.
func (r *Tombstones) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("tombstones").For(&v1alpha1.DeletedWorkspace{}).Complete(phase.Calm(r))
}

// Reconcile removes one record when its time is over. A record whose time can't be read is kept.
func (r *Tombstones) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var record v1alpha1.DeletedWorkspace
	if err := r.Get(ctx, req.NamespacedName, &record); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	expires, err := time.Parse(time.RFC3339, record.Spec.ExpiresAt)
	if err != nil || record.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if left := expires.Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	kept, err := r.kept(ctx, &record)
	if err != nil {
		return ctrl.Result{}, err
	}
	if kept {
		return ctrl.Result{RequeueAfter: again}, nil
	}
	return ctrl.Result{}, ignoreGone(r.Delete(ctx, &record, client.Preconditions{UID: &record.UID}))
}

// kept tells whether claims of the workspace are still there that a deletion has marked.
func (r *Tombstones) kept(ctx context.Context, record *v1alpha1.DeletedWorkspace) (bool, error) {
	var claims corev1.PersistentVolumeClaimList
	err := r.List(ctx, &claims, client.InNamespace(record.Namespace), client.MatchingFields{index.OfID: string(record.Spec.ID)})
	for _, c := range claims.Items {
		if c.Annotations[v1alpha1.AnnotationDeleteAfter] != "" {
			return true, err
		}
	}
	return false, err
}
