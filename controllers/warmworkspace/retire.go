// SPDX-License-Identifier: Apache-2.0

package warmworkspace

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/warm"
)

// errRetired ends the last pass of a claimed one: there is nothing left to write a status to.
var errRetired = errors.New("the prepared workspace is retired")

// retire removes the record of a claim that serves nobody any more: its pod is gone, or its workspace has started without
// it. What was handed over is not its own any more, and stays; what was not goes with it.
func (r *Reconciler) retire(ctx context.Context, s *scope) error {
	workspace, err := r.claimant(ctx, s)
	if err != nil || workspace == nil {
		return err // without its workspace it is collected
	}
	pod, err := r.livePod(ctx, s)
	if err != nil {
		return err
	}
	switch {
	case pod != nil && workload.Owned(pod, workspace.UID):
		return nil // it is the workspace's
	case workspace.Status.Build == nil:
		return nil // its first build is on its way
	}
	handing, err := r.isHanding(ctx, s, workspace)
	if err != nil || handing {
		return err
	}
	err = r.Delete(ctx, &s.slot, client.Preconditions{UID: &s.slot.UID})
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	return errRetired
}

// claimant is the workspace that has claimed it, nil where it is gone. It is read live where the cache does not know it.
func (r *Reconciler) claimant(ctx context.Context, s *scope) (*v1alpha1.Workspace, error) {
	key := client.ObjectKey{Namespace: s.slot.Namespace, Name: string(s.slot.Spec.Claim.WorkspaceRef.Name)}
	for _, from := range []client.Reader{r, r.Live} {
		var w v1alpha1.Workspace
		err := from.Get(ctx, key, &w)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && warm.IsOf(&s.slot, &w) {
			return &w, nil
		}
	}
	return nil, nil
}

// livePod is the pod that it was claimed with, past the cache; nil where that is gone.
func (r *Reconciler) livePod(ctx context.Context, s *scope) (*corev1.Pod, error) {
	was := s.slot.Status.Pod
	if was == nil {
		return nil, nil
	}
	key := client.ObjectKey{Namespace: s.slot.Namespace, Name: was.Name}
	for _, from := range []client.Reader{r, r.Live} {
		var pod corev1.Pod
		err := from.Get(ctx, key, &pod)
		if err == nil && pod.UID == was.UID && (from == r.Live || workload.Owned(&pod, s.slot.Spec.Claim.WorkspaceRef.UID)) {
			return &pod, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
	}
	return nil, nil
}

// isHanding tells whether the workspace's first build is at work and may still take the claims and the pod over.
func (r *Reconciler) isHanding(ctx context.Context, s *scope, w *v1alpha1.Workspace) (bool, error) {
	var build v1alpha1.WorkspaceBuild
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: ledger.Name(w.Name, 1)}, &build)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	names := build.Spec.Slot != nil && build.Spec.Slot.UID == s.slot.UID && build.Spec.WorkspaceRef.UID == w.UID
	return err == nil && names && ledger.InProgress(&build) && ledger.IsAccepted(w, &build), err
}

// claimedBy names the claimed ones of a workspace, which may have started without them.
func (r *Reconciler) claimedBy(ctx context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok || w.Status.Build == nil {
		return nil
	}
	var list v1alpha1.WarmWorkspaceList
	if r.List(ctx, &list, client.InNamespace(w.Namespace), client.MatchingFields{index.OfID: ledger.ID(w)}) != nil {
		return nil
	}
	list.Items = slices.DeleteFunc(list.Items, func(s v1alpha1.WarmWorkspace) bool { return !warm.IsOf(&s, w) })
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// ledgerMoved passes a workspace whose accepted build is another by now.
func ledgerMoved() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.Workspace)
		is, also := e.ObjectNew.(*v1alpha1.Workspace)
		return ok && also && !equality.Semantic.DeepEqual(was.Status.Build, is.Status.Build)
	}}
}

// endedOf names the claimed ones of the workspace of a build that has ended.
func (r *Reconciler) endedOf(ctx context.Context, o client.Object) []reconcile.Request {
	b, ok := o.(*v1alpha1.WorkspaceBuild)
	if !ok || b.Spec.Slot == nil || !b.Phase().Ended() {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: b.Namespace, Name: string(b.Spec.Slot.Name)}}}
}
