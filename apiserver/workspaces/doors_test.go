// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A parameter that may not change so", func() {
	It("is refused by a build of the API, which names each", func(ctx SpecContext) {
		w := newWorld(ctx)
		t, _ := w.template(ctx, "grows", func(t *v1alpha1.Template) { t.Spec.Access = w.goDev.Spec.Access }, func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{
				given.Parameter("region", v1alpha1.TypeString, "zurich"),
				given.Parameter("disk", v1alpha1.TypeInteger, 10, func(p *v1alpha1.Parameter) {
					p.Mutable, p.Monotonic = true, v1alpha1.MonotonicIncreasing
				}),
			}
		})
		made := as[codersdk.Workspace](ctx, 201, w.ada, "POST", w.places(w.ada), codersdk.CreateWorkspaceRequest{Name: "grown", TemplateID: ids.Of(t)})
		w.end(ctx, w.object(ctx, w.ada, "grown"), 1, v1alpha1.JobSucceeded)
		path := "workspaces/" + made.ID.String() + "/builds"
		wrong := append(values("region", "bern"), values("disk", "5")...)
		refused(ctx, 400, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: wrong}, "region", "disk")
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path, nil)).To(HaveLen(1))
		Expect(w.object(ctx, w.ada, "grown").Spec.Parameters).NotTo(HaveKey("region"))
	})
})
