// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

// refuses has the cluster answer the creation of pods with what why gives, as long as that is an error.
func (b *bench) refuses(why func() error) {
	c := NewJournal(interceptor.NewClient(env.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, ok := o.(*corev1.Pod); ok {
				if err := why(); err != nil {
					return err
				}
			}
			return c.Create(ctx, o, opts...)
		},
	}))
	b.Journal, b.Reconciler.Client, b.Reconciler.Live = c, c, c
}

var _ = Describe("A pod that the cluster does not take", func() {
	pods := schema.GroupResource{Resource: "pods"}

	It("is tried again, ever later, where that may pass: a quota that is used up", func(ctx SpecContext) {
		b := set(ctx)
		quota := apierrors.NewForbidden(pods, "api", errors.New(`exceeded quota: compute, requested: pods=1, used: pods=3, limited: pods=3`))
		var full error = quota
		b.refuses(func() error { return full })
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		after := func() time.Duration {
			GinkgoHelper()
			result, err := b.Reconcile(ctx, requestOf(build))
			Expect(err).NotTo(HaveOccurred())
			return result.RequeueAfter
		}
		Expect(after()).To(Equal(5 * time.Second))
		b.clock.SetTime(b.clock.Now().Add(time.Minute))
		Expect(after()).To(Equal(30 * time.Second))
		b.elsewhere()
		b.clock.SetTime(b.clock.Now().Add(time.Minute))
		Expect(after()).To(Equal(time.Minute), "a new leader goes on where the last one was")
		b.clock.SetTime(b.clock.Now().Add(5 * time.Minute))
		Expect(after()).To(Equal(2 * time.Minute))
		read(ctx, build)
		Expect(build).To(HaveCondition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonPodRefused))
		Expect(lines(build)).To(ContainElement(ContainSubstring("exceeded quota: compute")))

		full = nil
		b.settle(ctx, build)
		ready(ctx, b.pod(ctx))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
	})

	It("is tried again where the cluster is only busy", func(ctx SpecContext) {
		b := set(ctx)
		answers := []error{apierrors.NewTooManyRequests("busy", 1), apierrors.NewInternalError(errors.New("no leader")), apierrors.NewTimeoutError("lost", 0)}
		b.refuses(func() (err error) {
			if len(answers) > 0 {
				err, answers = answers[0], answers[1:]
			}
			return err
		})
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		for range 3 {
			_, err := b.Reconcile(ctx, requestOf(build))
			Expect(err).To(HaveOccurred(), "the queue's own back-off")
		}
		b.settle(ctx, build)
		ready(ctx, b.pod(ctx))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
	})

	It("ends the build at once where no waiting makes it right", func(ctx SpecContext) {
		b := set(ctx)
		asked := 0
		b.refuses(func() error {
			asked++
			return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "api", nil)
		})
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobFailed))
		Expect(build).To(BeStalled(v1alpha1.ReasonPodRefused))
		Expect(asked).To(Equal(1))
		Expect(build.Status.Log[len(build.Status.Log)-1].Output).To(HavePrefix("The cluster can't make the pod: "))
	})
})
