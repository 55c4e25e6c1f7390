// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/quota"
)

// gather is how long starts and stops are gathered before a group's use is counted anew: a morning of a hundred starts
// is a few writes.
const gather = 5 * time.Second

// use counts what the members' workspaces take in the organization, of what they may take together. Without a quota
// nothing is counted.
func (r *Reconciler) use(ctx context.Context, s *scope) error {
	if s.group.Spec.Quota == nil {
		return nil
	}
	namespaces, err := phase.Namespaces(ctx, r, s.org.Name)
	if err != nil {
		return err
	}
	members, err := phase.Members(ctx, r, &s.group)
	if err != nil {
		return err
	}
	home := map[string]bool{}
	for _, n := range namespaces {
		home[n] = true
	}
	var cost, budget, running int64
	for name := range members {
		var user v1alpha1.User
		err := r.Get(ctx, client.ObjectKey{Name: name}, &user)
		if apierrors.IsNotFound(err) || err == nil && !belongs(&user, s.org) {
			continue
		}
		if err != nil {
			return err
		}
		rules, err := phase.QuotaOf(ctx, r, &user, s.org)
		if err != nil {
			return err
		}
		if own := rules.Budget(); own != quota.Unlimited && budget != quota.Unlimited {
			budget += own
		} else {
			budget = quota.Unlimited
		}
		uses, err := r.usesOf(ctx, name, home)
		if err != nil {
			return err
		}
		for _, u := range uses {
			cost += u.Cost
			if u.Running {
				running++
			}
		}
	}
	s.cost, s.running = fmt.Sprint(cost), fmt.Sprint(running)
	if budget != quota.Unlimited {
		s.cost = fmt.Sprintf("%d/%d", cost, budget)
	}
	if most := s.group.Spec.Quota.Running; most != nil {
		s.running = fmt.Sprintf("%d/%d", running, *most)
	}
	return nil
}

// usesOf counts a User's workspaces in some namespaces.
func (r *Reconciler) usesOf(ctx context.Context, owner string, namespaces map[string]bool) ([]quota.Use, error) {
	var list v1alpha1.WorkspaceList
	if err := r.List(ctx, &list, client.MatchingFields{index.Owner: owner}); err != nil {
		return nil, err
	}
	var uses []quota.Use
	for i := range list.Items {
		w := &list.Items[i]
		if !namespaces[w.Namespace] {
			continue
		}
		builds, err := phase.Builds(ctx, r, w)
		if err != nil {
			return nil, err
		}
		uses = append(uses, quota.Count(w, builds))
	}
	return uses, nil
}

// used asks for a count, in a moment, when a workspace of a member may take more or less than before.
func (r *Reconciler) used(ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	was, ok := e.ObjectOld.(*v1alpha1.Workspace)
	is, also := e.ObjectNew.(*v1alpha1.Workspace)
	if !ok || !also || accepted(was) == accepted(is) && was.Status.Phase == is.Status.Phase && len(was.Status.Volumes) == len(is.Status.Volumes) {
		return
	}
	r.recount(ctx, is, queue)
}

// left asks for a count when a workspace has gone.
func (r *Reconciler) left(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if w, ok := e.Object.(*v1alpha1.Workspace); ok {
		r.recount(ctx, w, queue)
	}
}

// recount queues the groups with a quota that a workspace's owner is in.
func (r *Reconciler) recount(ctx context.Context, w *v1alpha1.Workspace, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	var owner v1alpha1.User
	if r.Get(ctx, client.ObjectKey{Name: string(w.Spec.Owner.User)}, &owner) != nil {
		return // who is gone is in no group
	}
	groups, err := phase.Groups(ctx, r, &owner)
	if err != nil {
		return // it is counted with the next event
	}
	for key := range groups {
		var g v1alpha1.Group
		if r.Get(ctx, key, &g) == nil && g.Spec.Quota != nil {
			queue.AddAfter(reconcile.Request{NamespacedName: key}, gather)
		}
	}
}

func accepted(w *v1alpha1.Workspace) int64 {
	if w.Status.Build == nil {
		return 0
	}
	return w.Status.Build.Number
}
