// SPDX-License-Identifier: Apache-2.0

// Package dryrun tries starts that are only asked about: it renders a version with the parameters given, and has the
// cluster judge the pod, the claims and the extra objects by a server-side dry run, so that quota, admission, Pod Security
// and RBAC answer as they would for a workspace. It makes nothing, and removes a DryRun an hour after it ended.
package dryrun

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/render"
)

const (
	// kept is how long a dry run can be read after it ended.
	kept = time.Hour
	// patience is how long a cluster that does not answer is asked again.
	patience = 2 * time.Minute
	// settling is how long a version may take to be known as right here, which others know already.
	settling = 10 * time.Second
)

// +kubebuilder:rbac:groups=berth.dev,resources=dryruns,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=dryruns/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=templateversions;templates;organizations;users,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods;persistentvolumeclaims,verbs=create

// Reconciler works on DryRuns.
type Reconciler struct {
	// Client reads from the cache, and asks the cluster by dry runs.
	client.Client
	// Live reads past the cache: whether what a pod names is open to templates.
	Live client.Reader
	// As asks as a service account of a namespace.
	As phase.Accounts
	// Platform is what the installation adds to every pod.
	Platform render.Platform
	// Worker names this replica in the job.
	Worker string
	// Clock tells the time of jobs and conditions.
	Clock clock.PassiveClock
}

// scope is what one pass knows.
type scope struct {
	now     time.Time
	run     v1alpha1.DryRun
	version v1alpha1.TemplateVersion
	org     *v1alpha1.Organization
	owner   v1alpha1.User
	// template is the version's; nil when it has none.
	template *v1alpha1.Template
	// workload is what the version renders to; nil until it was rendered.
	workload *render.Workload
	// told is what the pass adds to the log.
	told []joblog.Entry
}

// Setup has the manager call the reconciler for every DryRun.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.DryRun{}).Complete(r)
}

// Reconcile brings one DryRun to its end, and removes it when its time is over.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	if err := r.Get(ctx, req.NamespacedName, &s.run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if s.run.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if j := s.run.Status.Job; j != nil && j.Phase.Ended() {
		return r.expire(ctx, s)
	}
	outcome := phase.Run(ctx, s, r.observe, r.render, r.ask)
	after, outcome := conclude(s, outcome, r.Worker)
	if _, err := phase.ApplyStatus(ctx, r.Client, &s.run, after); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	if after.Status.Job.Phase.Ended() {
		return ctrl.Result{RequeueAfter: kept}, nil
	}
	return phase.Result(outcome)
}

// expire removes a dry run when its time is over.
func (r *Reconciler) expire(ctx context.Context, s *scope) (ctrl.Result, error) {
	ended := s.run.CreationTimestamp.Time
	if at := s.run.Status.Job.CompletedAt; at != nil {
		ended = at.Time
	}
	if left := ended.Add(kept).Sub(s.now); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Delete(ctx, &s.run, client.Preconditions{UID: &s.run.UID}))
}

// say adds a line to the log.
func (s *scope) say(stage, level, cause, format string, args ...any) {
	e := joblog.Entryf(s.now, stage, cause, format, args...)
	e.Level = level
	s.told = append(s.told, e)
}
