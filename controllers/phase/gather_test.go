// SPDX-License-Identifier: Apache-2.0

package phase_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// Five hundred workspaces that come are one pass of their Template, some seconds later; what can't wait is asked for at once.
func TestGather(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	q := workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request](),
		workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{Clock: clock})
	defer q.ShutDown()
	one := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "n", Name: "template"}}
	of := func(context.Context, client.Object) []reconcile.Request { return []reconcile.Request{one} }
	last := func(_ context.Context, r reconcile.Request, _ client.Object, gone bool) bool { return gone && r == one }
	handler := phase.Gather(5*time.Second, of, last)
	ctx, w := context.Background(), &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "w"}}

	for range 250 {
		handler.Create(ctx, event.CreateEvent{Object: w}, q)
		handler.Update(ctx, event.UpdateEvent{ObjectOld: w, ObjectNew: w}, q)
	}
	if n := q.Len(); n != 0 {
		t.Fatalf("%d passes at once, want none", n)
	}
	for q.Len() == 0 { // the queue's own goroutine may look at the clock before or after a step
		clock.Step(5 * time.Second)
		runtime.Gosched()
	}
	if got, _ := q.Get(); got != one {
		t.Errorf("a pass of %v, want %v", got, one)
	}
	q.Done(one)
	if n := q.Len(); n != 0 {
		t.Errorf("%d more passes, want none", n)
	}
	handler.Delete(ctx, event.DeleteEvent{Object: w}, q)
	if n := q.Len(); n != 1 {
		t.Errorf("%d passes at once of what can't wait, want one", n)
	}
	q.Get()
	q.Done(one)
	phase.Gather(0, of, nil).Create(ctx, event.CreateEvent{Object: w}, q)
	if n := q.Len(); n != 1 {
		t.Errorf("%d passes where nothing is gathered, want one", n)
	}
}
