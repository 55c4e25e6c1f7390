// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

var _ = Describe("A start that a quota judges", func() {
	narrow := func(ctx context.Context, w *world) {
		w.template = w.newTemplate(ctx, "dear", dear)
		w.granted(ctx, v1alpha1.Quota{DailyCost: ptr.To(int64(20))}) // room for one
	}
	promised := func(ws *v1alpha1.Workspace) { ws.Annotations = map[string]string{v1alpha1.AnnotationFirstBuild: "api"} }

	It("counts another that is accepted after the workspaces were read", func(ctx SpecContext) {
		held := true
		w := found(ctx, interceptor.NewClient(env.Client, interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
				if held && o.GetName() == "first" {
					return apierrors.NewInternalError(fmt.Errorf("etcd has no leader"))
				}
				return c.SubResource(sub).Update(ctx, o, opts...)
			},
		}))
		narrow(ctx, w)
		first, second := w.workspace(ctx, "first"), w.workspace(ctx, "second", promised)
		w.settle(ctx, second)
		for range 4 {
			_, _ = w.decides.Reconcile(ctx, request(first))
		}
		Expect(w.ledger(ctx, first)).To(Equal([]string{"1 Start Pending"}), "it has reserved, and was not accepted")

		once := true
		w.decides.Live = NewJournal(interceptor.NewClient(env.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				err := c.List(ctx, list, opts...)
				if _, ok := list.(*v1alpha1.WorkspaceList); ok && once {
					once, held = false, false
					w.run(ctx, first)
				}
				return err
			},
		}))
		refused := w.asked(ctx, second, 4)
		w.settle(ctx, second)
		Expect(once).To(BeFalse())
		Expect(first).To(BeReady())
		read(ctx, refused)
		Expect(refused.Phase()).To(Equal(v1alpha1.JobFailed))
		Expect(w.pods(ctx, second)).To(BeEmpty())
	})

	It("is not accepted once its build is gone and another has its credit", func(ctx SpecContext) {
		var w *world
		var first, second *v1alpha1.Workspace
		m := between(func() {
			Expect(env.Client.Delete(ctx, w.builds(ctx, first)[0])).To(Succeed())
			w.settle(ctx, second)
			Expect(second.Status.Build).NotTo(BeNil())
		})
		w = found(ctx, m)
		narrow(ctx, w)
		first, second = w.workspace(ctx, "first"), w.workspace(ctx, "second")
		w.settle(ctx, first)
		Expect(m.met).To(BeTrue(), "what was decided before is refused")
		Expect(first).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(first.Status.Build).To(BeNil())
	})
})
