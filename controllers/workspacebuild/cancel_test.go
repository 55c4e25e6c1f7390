// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var _ = Describe("A start that is canceled", func() {
	cancel := func(b *bench) string {
		return fmt.Sprintf(`{"spec":{"cancel":{"requestedAt":%q,"by":"ada"}}}`, b.clock.Now().UTC().Format(time.RFC3339Nano))
	}

	It("ends when its pod is gone, and tells so", func(ctx SpecContext) {
		b := set(ctx)
		build := b.starts(ctx)
		pod := b.pod(ctx)
		bind(ctx, pod)
		edit(ctx, build, cancel(b))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobCanceling))
		kill(ctx, pod)
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobCanceled))
		Expect(lines(build)).To(ContainElements(HavePrefix("Stopping: Pod api"), HavePrefix("Cleaning up: Asked by ada to end early"), "Done: The build was canceled."))
		Expect(b.claims(ctx)).To(HaveLen(1), "the claims are kept")
	})

	It("does not stay canceling for ever where its pod does not go, whichever replica leads", func(ctx SpecContext) {
		b := set(ctx)
		build := b.starts(ctx)
		bind(ctx, b.pod(ctx)) // of a node that is gone: nobody ends the pod
		edit(ctx, build, cancel(b))
		b.settle(ctx, build)
		result, err := b.Reconcile(ctx, requestOf(build))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically("~", 3*time.Minute, 3*time.Minute), "it is looked at again by itself")
		b.elsewhere()
		b.clock.SetTime(b.clock.Now().Add(5 * time.Minute))
		b.settle(ctx, build)
		Expect(build.Phase()).To(Equal(v1alpha1.JobCanceled))
		Expect(b.pod(ctx).DeletionTimestamp).NotTo(BeNil())

		again := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStart))
		b.settle(ctx, again)
		Expect(again.Phase()).To(Equal(v1alpha1.JobRunning))
		Expect(b.pods(ctx)).To(HaveLen(1), "no second pod beside the one that does not go")
	})
})
