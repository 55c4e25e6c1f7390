// SPDX-License-Identifier: Apache-2.0

// Package warmworkspace holds the cluster to a WarmWorkspace: it makes the claims and the pod of one that is nobody's yet,
// says when it can be claimed, and removes the record of a claim once it serves nobody any more. It owns the status of
// WarmWorkspaces but for their agents, which are the API servers'.
//
// How many there are is package warmpool's to decide. What was claimed is handed over by package workspacebuild; here
// nothing of it is touched. A pod is made once: when it is gone, the prepared workspace has failed, and the pool makes
// another.
package warmworkspace

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/render"
)

// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces/finalizers,verbs=update
// +kubebuilder:rbac:groups=berth.dev,resources=templates;templateversions;organizations;workspaces;workspacebuilds,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,resourceNames=berth-serving-ca,verbs=get

// Reconciler holds the cluster to WarmWorkspaces.
type Reconciler struct {
	// Client reads from a cache that holds the pods and claims that are ours.
	client.Client
	// Live reads past the cache: what must be known before a pod is made, or a record removed.
	Live client.Reader
	// Clock tells the time of conditions.
	Clock clock.PassiveClock
	// Platform is what the installation adds to every pod.
	Platform render.Platform
	// CA gives the certificates by which agents know the API server, as they are now. It is asked where the platform has a URL.
	CA func(context.Context) (string, error)
}

// scope is what one pass knows.
type scope struct {
	now      time.Time
	slot     v1alpha1.WarmWorkspace
	org      *v1alpha1.Organization
	template v1alpha1.Template
	version  v1alpha1.TemplateVersion
	// workload is what it renders to, once it was needed.
	workload *render.Workload
	// pod is its own; nil when there is none.
	pod *corev1.Pod
	// volumes are its claims, once they were made.
	volumes []v1alpha1.VolumeStatus
	// recheck is after how long the pod may fare otherwise although nothing happened; zero is never.
	recheck time.Duration
	// deadline is when it has failed if it can't be claimed by then.
	deadline time.Time
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.WarmWorkspace{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofPod)).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.claimedBy), builder.WithPredicates(ledgerMoved())).
		Watches(&v1alpha1.WorkspaceBuild{}, handler.EnqueueRequestsFromMapFunc(r.endedOf)).
		Complete(phase.Calm(r))
}

// ofPod names the prepared workspace that a pod was made for: the label stays on it over the claim.
func ofPod(_ context.Context, o client.Object) []reconcile.Request {
	if o.GetLabels()[v1alpha1.LabelSlot] == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// Reconcile brings one prepared workspace a step nearer to being claimed, or one that was claimed to its end.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.slot); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.slot.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // what it owns goes with it
	}
	steps := []phase.Step[scope]{r.observe, r.make, r.judge}
	if s.slot.Spec.Claim != nil {
		steps = []phase.Step[scope]{r.retire}
	}
	outcome := phase.Run(ctx, s, steps...)
	if errors.Is(outcome, errRetired) {
		return ctrl.Result{}, nil
	}
	after := conclude(s, outcome)
	if _, err := phase.ApplyStatus(ctx, r.Client, &s.slot, after, "agents"); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	return phase.At(s.again(outcome), outcome)
}

// again is when time alone may change what is to be done; zero when it can't.
func (s *scope) again(outcome error) time.Duration {
	d := s.recheck
	if left := s.deadline.Sub(s.now); outcome != nil && !s.deadline.IsZero() && left > 0 && (d == 0 || left < d) {
		d = max(left, time.Second)
	}
	return d
}

func (r *Reconciler) maker() *workload.Maker { return &workload.Maker{Client: r.Client, Live: r.Live} }
