// SPDX-License-Identifier: Apache-2.0

// Package workspace keeps the ledger of every Workspace: it refuses what can't run and says why, decides which build
// comes next, accepts it, forgets old ones, and carries out a deletion, by whatever door it came. It owns the status of
// the Workspace, and that of builds which are not, or no longer, accepted.
//
// It makes no pod and no claim: the build that it has accepted is held by package workspacebuild. A deletion is the
// exception, since it must go on without any build: there it ends the pods and keeps or removes the claims itself.
package workspace

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
)

// +kubebuilder:rbac:groups=berth.dev,resources=workspaces,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces/status,verbs=update
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces/finalizers,verbs=update
// +kubebuilder:rbac:groups=berth.dev,resources=workspacebuilds,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=workspacebuilds/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=organizations;users;templates;templateversions,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps the ledgers.
type Reconciler struct {
	// Client reads from a cache that holds the pods and claims that are ours.
	client.Client
	// Live reads past the cache, where a decision must not rest on what is old.
	Live client.Reader
	// Requesters tell who asks by manifest.
	Requesters phase.Requesters
	// Own is Berth's own namespace: the reservations of starts that a quota judges stand there.
	Own string
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time; only the leader's counts.
	Clock clock.PassiveClock
	// AgentImage is the image that the installation adds to every pod, for the messages about images.
	AgentImage string
	// Brief is for how long the details of a start that goes its way may stay untold, since what follows tells them along;
	// 0 has each told at once.
	Brief time.Duration
}

// scope is what one pass knows.
type scope struct {
	now       time.Time
	workspace v1alpha1.Workspace
	// builds are the workspace's, pods and claims its own.
	builds   []*v1alpha1.WorkspaceBuild
	accepted *v1alpha1.WorkspaceBuild
	pods     []corev1.Pod
	claims   []corev1.PersistentVolumeClaim

	organization *v1alpha1.Organization
	// template and owner are nil where they are missing.
	template *v1alpha1.Template
	owner    *v1alpha1.User
	// version is the accepted build's; nil when it is gone or there is none.
	version *v1alpha1.TemplateVersion
	// due is the uid of the version that the rollout has for the workspace; empty where its manifest names another.
	due types.UID
	// start is what a start would take now; nil when none can be made, and then refusal says why.
	start   *ledger.Resolution
	refusal error
	// wrong is the part of the refusal that is wrong with the manifest itself, whether it runs or not.
	wrong error

	// state is how the pod of the accepted build fares; nil when it has none.
	state *podstate.State
	// until is when time alone changes what is to be done.
	until time.Time
	// observed is true once builds, pods and claims were read.
	observed bool
	// moved is true when the pass wrote the ledger: what follows is decided from what was written.
	moved bool
}

// Reconcile brings one workspace a step nearer to its wish. It remembers nothing between calls.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.workspace); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.workspace.DeletionTimestamp != nil {
		return r.delete(ctx, s)
	}
	outcome := phase.Run(ctx, s, r.belongs, r.adopt, r.observe, r.revive, r.recall, r.look,
		r.reclaim, r.mark, r.prune, r.yield, r.resolve, r.decide)
	if s.moved {
		return phase.Result(outcome)
	}
	after := conclude(s, outcome)
	if wait := s.later(after, r.Brief); wait > 0 {
		return phase.At(wait, outcome)
	}
	if err := r.say(ctx, s, after); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	if !s.asAsked(after) {
		phase.Announce(r.Events, &s.workspace, after)
	}
	return phase.At(s.again(), outcome)
}

// adopt sets the finalizer and spec.id with the first write.
func (r *Reconciler) adopt(ctx context.Context, s *scope) error {
	wrote, err := phase.Adopt(ctx, r.Client, &s.workspace, v1alpha1.FinalizerWorkspace)
	if err == nil && !wrote {
		return nil
	}
	s.moved = true
	if err == nil {
		err = phase.Wait(0, v1alpha1.ReasonProgressing, "the workspace was adopted")
	}
	return err
}

// again is when time alone may change what is to be done; zero when it can't.
func (s *scope) again() time.Duration {
	var d time.Duration
	if !s.until.IsZero() {
		d = max(s.until.Sub(s.now), time.Second)
	}
	if s.state != nil && s.state.Recheck > 0 && (d == 0 || s.state.Recheck < d) {
		d = s.state.Recheck
	}
	return d
}
