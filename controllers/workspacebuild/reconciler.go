// SPDX-License-Identifier: Apache-2.0

// Package workspacebuild holds the cluster to the build that a workspace has accepted: it makes the claims and the pod
// of a start, ends the pod for a stop, and brings back a pod that was deleted or evicted. It owns the status of the
// accepted build.
//
// It decides no transition: which build is accepted, what becomes of the others, and the whole of a deletion are package
// workspace's. It never deletes a claim, and never a living pod of the accepted build.
package workspacebuild

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
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
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
	"github.com/berth-dev/berth/internal/render"
)

// +kubebuilder:rbac:groups=berth.dev,resources=workspacebuilds,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=berth.dev,resources=workspacebuilds/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces;templates;templateversions;organizations;users,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;patch

// Reconciler holds the cluster to accepted builds.
type Reconciler struct {
	// Client reads from a cache that holds the pods and claims that are ours.
	client.Client
	// Live reads past the cache: what must be known before a pod is made, and what is not ours.
	Live client.Reader
	// As gives the rights of an organization's service account, with which extra objects are applied.
	As phase.Accounts
	// Clock tells the time of jobs and conditions.
	Clock clock.PassiveClock
	// Platform is what the installation adds to every pod.
	Platform render.Platform
	// Worker names this replica in a build's job.
	Worker string
	// AtOnce is how many starts may be at work at once; 0 sets no bound.
	AtOnce int
	// Brief is for how long a start that goes its way may stay untold; 0 has it told at once.
	Brief time.Duration
}

// scope is what one pass knows.
type scope struct {
	now       time.Time
	build     v1alpha1.WorkspaceBuild
	workspace v1alpha1.Workspace
	// version is the build's, and template the version's; nil when they are gone.
	version  *v1alpha1.TemplateVersion
	template *v1alpha1.Template
	// organization is where the workspace belongs; where it belongs to none, outside says so.
	organization *v1alpha1.Organization
	outside      error
	// pods and claims are the workspace's own.
	pods   []corev1.Pod
	claims []corev1.PersistentVolumeClaim

	// workload is what the build renders to, once it was needed.
	workload *render.Workload
	// resources are what the build leaves; nil when this pass did not work them out.
	resources []v1alpha1.BuildResource
	// stage is which half of a restart the pass found the build in.
	stage v1alpha1.BuildStage
	// state is how the build's pod fares; nil when it has none. events are those about the pod, where they were read.
	state  *podstate.State
	events []corev1.Event
	// queued is true where the start waits for its turn: its job has not begun.
	queued bool
	// bindBy is how long the agents of a prepared pod may still take to be told whose it has become; zero where none is awaited.
	bindBy time.Duration
	// stale is true when the build turned out to be no longer the accepted one: nothing is to be written.
	stale bool
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.WorkspaceBuild{}).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(acceptedOf), builder.WithPredicates(ledgerMoved())).
		Watches(&v1alpha1.WorkspaceBuild{}, handler.EnqueueRequestsFromMapFunc(r.next), builder.WithPredicates(leftWork())).
		Watches(&v1alpha1.WarmWorkspace{}, handler.EnqueueRequestsFromMapFunc(takerOf)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.holds)).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.holds)).
		Complete(phase.Calm(r))
}

// acceptedOf names the build that a workspace is held to.
func acceptedOf(_ context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok || w.Status.Build == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: w.Namespace, Name: string(w.Status.Build.Name)}}}
}

// takerOf names the build that takes a prepared workspace over, which waits until its agents were told.
func takerOf(_ context.Context, o client.Object) []reconcile.Request {
	slot, ok := o.(*v1alpha1.WarmWorkspace)
	if !ok || slot.Spec.Claim == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{
		Namespace: slot.Namespace, Name: ledger.Name(string(slot.Spec.Claim.WorkspaceRef.Name), 1),
	}}}
}

// holds names the build that the workspace of a pod or claim is held to.
func (r *Reconciler) holds(ctx context.Context, o client.Object) []reconcile.Request {
	var w v1alpha1.Workspace
	key := client.ObjectKey{Namespace: o.GetNamespace(), Name: o.GetAnnotations()[v1alpha1.AnnotationWorkspace]}
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == "Workspace" && ref.APIVersion == v1alpha1.GroupVersion.String() {
			key.Name = ref.Name
		}
	}
	if key.Name == "" || r.Get(ctx, key, &w) != nil {
		return nil
	}
	return acceptedOf(ctx, &w)
}

// ledgerMoved passes only changes of a workspace after which its build may be held otherwise.
func ledgerMoved() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.Workspace)
		is, also := e.ObjectNew.(*v1alpha1.Workspace)
		return !ok || !also || was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(was.Status.Build, is.Status.Build) ||
			!equality.Semantic.DeepEqual(was.Status.Schedule, is.Status.Schedule)
	}}
}

// Reconcile brings the accepted build a step nearer to its end, and keeps what it has made. It remembers nothing between
// calls.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.build); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	key := client.ObjectKey{Namespace: req.Namespace, Name: string(s.build.Spec.WorkspaceRef.Name)}
	if err := r.Get(ctx, key, &s.workspace); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !s.holds() {
		return ctrl.Result{}, nil
	}
	outcome := phase.Run(ctx, s, r.observe, r.turn, r.act)
	if s.stale {
		return phase.Result(outcome)
	}
	after := conclude(s, outcome, r.Worker)
	if s.build.Phase().Ended() && !equality.Semantic.DeepEqual(s.build.Status, after.Status) {
		if err := r.whole(ctx, s); err != nil {
			return phase.Result(err)
		}
		after = conclude(s, outcome, r.Worker)
	}
	if wait := s.later(after, outcome, r.Brief); wait > 0 {
		return phase.At(wait, outcome)
	}
	s.tell(after, outcome)
	if _, err := phase.ApplyStatus(ctx, r.Client, &s.build, after); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	if err := phase.Record(ctx, r.Client, after); err != nil {
		return ctrl.Result{}, err
	}
	return phase.At(s.again(after), outcome)
}

// whole reads a build that has ended past the cache, which leaves out its log: a status is always written whole.
func (r *Reconciler) whole(ctx context.Context, s *scope) error {
	var live v1alpha1.WorkspaceBuild
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.build), &live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || live.UID != s.build.UID || live.ResourceVersion != s.build.ResourceVersion {
		return phase.Wait(time.Second, v1alpha1.ReasonProgressing, "the build has changed")
	}
	s.build = live
	return nil
}

// holds tells whether the build is the one that its workspace is held to. A workspace that is being deleted is held to
// none.
func (s *scope) holds() bool {
	return ledger.IsAccepted(&s.workspace, &s.build) && s.build.DeletionTimestamp == nil &&
		s.workspace.DeletionTimestamp == nil && s.build.Spec.Transition != v1alpha1.TransitionDelete
}

// later is for how long what the pass found may stay unwritten; zero for not at all. A start whose pod runs within a moment
// needs no write that says it has begun and another that says it is done: as long as it goes its way, the first waits.
func (s *scope) later(after *v1alpha1.WorkspaceBuild, outcome error, brief time.Duration) time.Duration {
	var wait *phase.Waiting
	goesOn := errors.As(outcome, &wait) && wait.Reason == v1alpha1.ReasonStarting
	made := s.made()
	if !goesOn || made.IsZero() || s.build.Status.Job != nil || after.Phase() != v1alpha1.JobRunning || s.build.Spec.Restart {
		return 0
	}
	left := made.Add(brief).Sub(s.now)
	if left > brief {
		return 0 // by another's clock, or somebody's word
	}
	return left
}

// made is when the build's first pod was made; the zero time where there is none. One that was prepared is older than its
// build, and counts from then on.
func (s *scope) made() time.Time {
	var at time.Time
	for i := range s.pods {
		c := v1alpha1.CreatedAt(&s.pods[i])
		if b := v1alpha1.CreatedAt(&s.build); s.build.Spec.Slot != nil && c.Before(b) {
			c = b
		}
		if s.mine(s.pods[i]) && (at.IsZero() || c.Before(at)) {
			at = c
		}
	}
	return at
}

// again is when time alone may change what is to be done; zero when it can't.
func (s *scope) again(after *v1alpha1.WorkspaceBuild) time.Duration {
	var d time.Duration
	if s.state != nil {
		d = s.state.Recheck
	}
	if s.bindBy > 0 && (d == 0 || s.bindBy < d) {
		d = s.bindBy
	}
	deadline := s.startDeadline()
	if s.build.Spec.Cancel != nil {
		deadline = s.cancelDeadline(after.Status.Job)
	}
	if !after.Phase().Ended() && !deadline.IsZero() {
		left := max(deadline.Sub(s.now), time.Second)
		if d == 0 || left < d {
			d = left
		}
	}
	return d
}

// startDeadline is when the start has failed; the zero time before it has begun, and for any other transition.
func (s *scope) startDeadline() time.Time {
	schedule := s.workspace.Status.Schedule
	if s.build.Spec.Transition != v1alpha1.TransitionStart || schedule == nil || schedule.StartDeadline == nil {
		return time.Time{}
	}
	job := s.build.Status.Job
	if job == nil || job.StartedAt == nil {
		return time.Time{}
	}
	// It was fixed when the build was accepted; a start that waited for its turn has its whole time all the same.
	waited := max(job.StartedAt.Sub(v1alpha1.CreatedAt(&s.build).Truncate(time.Second)), 0)
	return schedule.StartDeadline.Add(waited)
}
