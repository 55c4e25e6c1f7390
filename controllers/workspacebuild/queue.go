// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
)

const (
	// turnAgain is how soon a start that waits for its turn looks again where no event comes.
	turnAgain = 15 * time.Second
	// woken is how many of those that wait look again when a start ends: more than one, as some may be gone by then.
	woken = 16
)

// turn has a start wait for its turn while as many are at work as may be at once: first come, first served. A stop waits
// for nothing, and neither does a start that has begun. As its count is the cache's, a few more may be let in at once.
func (r *Reconciler) turn(ctx context.Context, s *scope) error {
	b := &s.build
	begun := b.Status.Job != nil || slices.ContainsFunc(s.pods, s.mine) || b.Spec.Slot != nil // what it takes over runs already
	if r.AtOnce <= 0 || b.Spec.Transition != v1alpha1.TransitionStart || b.Spec.Cancel != nil || begun || !ledger.InProgress(b) {
		return nil
	}
	working, err := r.indexed(ctx, index.AtWork)
	if err != nil {
		return err
	}
	waiting, err := r.indexed(ctx, index.Pending)
	if err != nil {
		return err
	}
	free := r.AtOnce - len(working)
	if len(waiting) <= free {
		return nil
	}
	ahead, own := 0, placeOf(b)
	for _, before := range inLine(waiting) {
		if ahead >= free || before.compare(own) >= 0 {
			break
		}
		if r.isHeld(ctx, before.build) {
			ahead++
		}
	}
	if ahead < free {
		return nil
	}
	s.queued = true
	return phase.Wait(turnAgain, v1alpha1.ReasonQueued, "%d starts are at work, which is as many as may be at once; this one waits for its turn", len(working))
}

// indexed are the starts that an index finds, in no order. They are the cache's own.
func (r *Reconciler) indexed(ctx context.Context, name string) ([]v1alpha1.WorkspaceBuild, error) {
	var list v1alpha1.WorkspaceBuildList
	if err := r.List(ctx, &list, client.MatchingFields{name: "true"}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(b v1alpha1.WorkspaceBuild) bool { return b.Spec.Transition != v1alpha1.TransitionStart }), nil
}

// place is a build's in the line of those that wait: by when it was made, as the place in the queue on the wire.
type place struct {
	build *v1alpha1.WorkspaceBuild
	at    time.Time
}

func placeOf(b *v1alpha1.WorkspaceBuild) place { return place{b, v1alpha1.CreatedAt(b)} }

func (p place) compare(q place) int {
	return cmp.Or(p.at.Compare(q.at), cmp.Compare(p.build.UID, q.build.UID))
}

// inLine are builds first come first. Their times are read once each, as there may be hundreds.
func inLine(builds []v1alpha1.WorkspaceBuild) []place {
	line := make([]place, len(builds))
	for i := range builds {
		line[i] = placeOf(&builds[i])
	}
	slices.SortFunc(line, place.compare)
	return line
}

// isHeld tells whether a build is the one that its workspace is held to: one that nobody has accepted holds up no other.
func (r *Reconciler) isHeld(ctx context.Context, b *v1alpha1.WorkspaceBuild) bool {
	var w v1alpha1.Workspace
	err := r.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: string(b.Spec.WorkspaceRef.Name)}, &w)
	return err == nil && w.DeletionTimestamp == nil && ledger.IsAccepted(&w, b)
}

// next names those that wait longest.
func (r *Reconciler) next(ctx context.Context, _ client.Object) []reconcile.Request {
	waiting, err := r.indexed(ctx, index.Pending)
	if err != nil || r.AtOnce <= 0 {
		return nil // they look again by themselves
	}
	var requests []reconcile.Request
	for _, p := range inLine(waiting)[:min(len(waiting), woken)] {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(p.build)})
	}
	return requests
}

// leftWork passes starts that are no longer at work.
func leftWork() predicate.Predicate {
	works := func(o client.Object) bool {
		b, ok := o.(*v1alpha1.WorkspaceBuild)
		return ok && index.IsAtWork(b)
	}
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return works(e.ObjectOld) && !works(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return works(e.Object) },
	}
}
