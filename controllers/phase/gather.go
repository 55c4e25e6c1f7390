// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queue is where a handler asks for passes.
type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Gather is the handler for what only moves a count: it asks for the passes that of names after a while, so that five
// hundred starts are counted a few times and not five hundred. Those that urgent names, where it is given, it asks for at
// once; gone tells it that the object was deleted. An after of zero has everything looked at at once.
func Gather(after time.Duration, of handler.MapFunc, urgent func(ctx context.Context, r reconcile.Request, o client.Object, gone bool) bool) handler.EventHandler {
	ask := func(ctx context.Context, q queue, o client.Object, gone bool) {
		for _, r := range of(ctx, o) {
			if after <= 0 || urgent != nil && urgent(ctx, r, o, gone) {
				q.Add(r)
				continue
			}
			q.AddAfter(r, after)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { ask(ctx, q, e.Object, false) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { ask(ctx, q, e.ObjectNew, false) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { ask(ctx, q, e.Object, true) },
	}
}
