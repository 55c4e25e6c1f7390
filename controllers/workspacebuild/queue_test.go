// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// only has a reconciler list the builds of the bench's own namespace: the specs share a cluster, and so its queue.
type only struct {
	client.Client
	namespace string
}

func (o only) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return o.Client.List(ctx, list, append(opts, client.InNamespace(o.namespace))...)
}

var _ = Describe("Starts beyond the bound", func() {
	It("wait for their turn, first come first, and have their whole time then", func(ctx SpecContext) {
		b := set(ctx)
		b.Reconciler.Client, b.AtOnce = only{b.Journal, b.org}, 1
		first := b.starts(ctx)
		Expect(first.Phase()).To(Equal(v1alpha1.JobRunning))

		at := time.Now()
		another := func(name string, later time.Duration, accepted bool) (*bench, *v1alpha1.WorkspaceBuild) {
			other := *b
			other.workspace = given.Workspace(b.org, name, b.user, "go")
			create(ctx, other.workspace)
			build := other.build(ctx, 1, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) {
				o.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: at.Add(later).UTC().Format(time.RFC3339Nano)}
			})
			if accepted {
				other.accepts(ctx, build)
			}
			return &other, build
		}
		another("lost", -time.Hour, false) // nobody accepts it, and it holds up no other
		third, last := another("third", 2*time.Second, true)
		second, next := another("second", time.Second, true)
		for _, waits := range []*v1alpha1.WorkspaceBuild{last, next} {
			b.settle(ctx, waits)
			Expect(waits).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonQueued))
			Expect(waits.Status.Job).To(BeNil())
		}
		Expect(b.pods(ctx)).To(HaveLen(1))

		b.clock.SetTime(b.clock.Now().Add(9 * time.Minute))
		ready(ctx, b.pod(ctx))
		b.settle(ctx, first)
		Expect(first.Phase()).To(Equal(v1alpha1.JobSucceeded))
		third.settle(ctx, last)
		Expect(last.Status.Job).To(BeNil(), "another came first")
		second.settle(ctx, next)
		Expect(next.Phase()).To(Equal(v1alpha1.JobRunning))
		b.clock.SetTime(b.clock.Now().Add(2 * time.Minute))
		second.settle(ctx, next)
		Expect(next.Phase()).To(Equal(v1alpha1.JobRunning), "its ten minutes began when its turn came")
		b.clock.SetTime(b.clock.Now().Add(9 * time.Minute))
		second.settle(ctx, next)
		Expect(next.Phase()).To(Equal(v1alpha1.JobFailed))
		third.settle(ctx, last)
		Expect(last.Phase()).To(Equal(v1alpha1.JobRunning))
	})

	It("hold up no stop", func(ctx SpecContext) {
		b := set(ctx)
		b.Reconciler.Client, b.AtOnce = only{b.Journal, b.org}, 1
		b.starts(ctx)
		other := *b
		other.workspace = given.Workspace(b.org, "other", b.user, "go")
		create(ctx, other.workspace)
		stop := other.accepts(ctx, other.build(ctx, 1, v1alpha1.TransitionStop))
		other.settle(ctx, stop)
		Expect(stop.Phase()).To(Equal(v1alpha1.JobSucceeded))
	})
})
