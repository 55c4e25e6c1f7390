// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/dryrun"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

var _ = Describe("A dry run", func() {
	// work has the manager's own code work on all dry runs of the organization.
	work := func(ctx context.Context, w *world) {
		GinkgoHelper()
		journal := cluster.NewJournal(env.Client)
		r := &dryrun.Reconciler{
			Client: journal, Live: journal, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
			Platform: render.Platform{AgentImage: "registry.example/berth:1"}, Worker: "manager-0", Clock: clock.RealClock{},
		}
		var all v1alpha1.DryRunList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
		for i := range all.Items {
			Expect(journal.Settle(ctx, r, &all.Items[i])).To(Succeed())
			seen(ctx, &all.Items[i])
		}
	}
	// version is one of goDev that was pushed and checked.
	version := func(ctx context.Context, w *world) string {
		GinkgoHelper()
		v := w.push(ctx, w.admin, tarred("template.yaml", "image: a\nparameters: [{name: cpu, type: integer, default: 2, maximum: 8}]\nresources: {requests: {cpu: '${parameters.cpu}'}}\n"),
			func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID = ids.Of(w.goDev) })
		Expect(w.check(ctx, v.ID).Job.Status).To(Equal(codersdk.ProvisionerJobSucceeded))
		return "templateversions/" + v.ID.String() + "/dry-run"
	}
	cpu := func(value string) codersdk.CreateTemplateVersionDryRunRequest {
		return codersdk.CreateTemplateVersionDryRunRequest{WorkspaceName: "dev", RichParameterValues: []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: value}}}
	}

	It("is asked of the cluster, and shows what a workspace would be", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		job := as[codersdk.ProvisionerJob](ctx, 201, w.ada, "POST", path, cpu("4"))
		Expect(job.Status).To(Equal(codersdk.ProvisionerJobPending))
		one := path + "/" + job.ID.String()
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", one+"/logs", nil)).To(BeEmpty())
		work(ctx, w)
		done := as[codersdk.ProvisionerJob](ctx, 200, w.ada, "GET", one, nil)
		Expect(done.Status).To(Equal(codersdk.ProvisionerJobSucceeded), done.Error)
		Expect(done.ID).To(Equal(job.ID))
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", one+"/logs", nil)).NotTo(BeEmpty())
		Expect(as[[]codersdk.WorkspaceResource](ctx, 200, w.ada, "GET", one+"/resources", nil)).To(HaveLen(2))
		refused(ctx, 400, w.ada, "PATCH", one+"/cancel", nil)

		By("others, who do not learn of it, and who administers the template")
		Expect(ask(ctx, w.grace, "GET", one, nil).status).To(Equal(404))
		Expect(ask(ctx, w.grace, "PATCH", one+"/cancel", nil).status).To(Equal(404))
		Expect(ask(ctx, w.admin, "GET", one, nil).status).To(Equal(200))

		By("another version, which it does not belong to")
		Expect(ask(ctx, w.ada, "GET", "templateversions/"+ids.Of(w.version).String()+"/dry-run/"+job.ID.String(), nil).status).To(Equal(404))
		Expect(ask(ctx, w.ada, "GET", path+"/"+absent(), nil).status).To(Equal(404))
		Expect(ask(ctx, w.ada, "GET", path+"/x", nil).status).To(Equal(400))
	})

	It("is canceled before it has begun", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		job := as[codersdk.ProvisionerJob](ctx, 201, w.ada, "POST", path, cpu("4"))
		one := path + "/" + job.ID.String()
		as[codersdk.Response](ctx, 200, w.ada, "PATCH", one+"/cancel", nil)
		refused(ctx, 400, w.ada, "PATCH", one+"/cancel", nil)
		work(ctx, w)
		Expect(as[codersdk.ProvisionerJob](ctx, 200, w.ada, "GET", one, nil).Status).To(Equal(codersdk.ProvisionerJobCanceled))
	})

	It("is refused with the names of what is wrong", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		refused(ctx, 400, w.ada, "POST", path, cpu("many"), "cpu")
		refused(ctx, 400, w.ada, "POST", path, cpu("9"), "cpu")
		refused(ctx, 400, w.ada, "POST", path, codersdk.CreateTemplateVersionDryRunRequest{WorkspaceName: "a--b"}, "workspace_name")
		refused(ctx, 400, w.ada, "POST", path, codersdk.CreateTemplateVersionDryRunRequest{UserVariableValues: []codersdk.VariableValue{{Name: "a"}}}, "user_variable_values")
		Expect(ask(ctx, w.eve, "POST", path, cpu("1")).status).To(Equal(404))

		unchecked := w.push(ctx, w.admin, tarred("template.yaml", "image: a"))
		Expect(ask(ctx, w.admin, "POST", "templateversions/"+unchecked.ID.String()+"/dry-run", cpu("1")).status).To(Equal(412))
		broken := w.push(ctx, w.admin, tarred("main.tf", ""))
		w.check(ctx, broken.ID)
		Expect(ask(ctx, w.admin, "POST", "templateversions/"+broken.ID.String()+"/dry-run", cpu("1")).status).To(Equal(412))
	})
})
