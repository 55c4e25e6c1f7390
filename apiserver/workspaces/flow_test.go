// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"fmt"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("A workspace's life", func() {
	It("is made, read by every name, stopped, started and deleted", func(ctx SpecContext) {
		w := newWorld(ctx)

		By("making it")
		made := as[codersdk.Workspace](ctx, 201, w.ada, "POST", w.places("me"), codersdk.CreateWorkspaceRequest{
			Name: "Api", TemplateID: ids.Of(w.goDev), TTLMillis: new(int64(28800000)), AutostartSchedule: new("CRON_TZ=Europe/Zurich 30 9 * * 1-5"),
			RichParameterValues: []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: "4"}, {Name: "reset", Value: "true"}},
		})
		object := w.object(ctx, w.ada, "Api")
		Expect(made.ID).To(Equal(ids.Of(object)))
		Expect(made.Name).To(Equal("Api"))
		Expect(made.OwnerName).To(Equal(w.ada))
		Expect(made.LatestBuild.ID).To(Equal(ids.Build(made.ID, 1)))
		Expect(made.LatestBuild.Status).To(Equal(codersdk.WorkspaceStatusPending))
		Expect(*made.TTLMillis).To(Equal(int64(28800000)))
		Expect(*made.AutostartSchedule).To(Equal("CRON_TZ=Europe/Zurich 30 9 * * 1-5"))
		Expect(made.AutomaticUpdates).To(Equal(codersdk.AutomaticUpdatesNever))
		Expect(object.Spec.Parameters).To(HaveLen(1), "an ephemeral value does not stay")
		Expect(object.Annotations).To(HaveKey(v1alpha1.AnnotationFirstBuild))

		By("reading it at once, as the cache waits for what was written")
		path := "workspaces/" + made.ID.String()
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil).ID).To(Equal(made.ID))
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/me/workspace/aPI", nil).ID).To(Equal(made.ID))
		Expect(as[codersdk.Workspace](ctx, 200, w.owner, "GET", "users/"+made.OwnerID.String()+"/workspace/api", nil).ID).To(Equal(made.ID))
		Expect(as[codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", "workspacebuilds/"+made.LatestBuild.ID.String(), nil).BuildNumber).To(Equal(int64(1)))
		Expect(as[codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", "users/me/workspace/api/builds/1", nil).ID).To(Equal(made.LatestBuild.ID))
		Expect(ask(ctx, w.ada, "GET", "users/me/workspace/api/builds/2", nil).status).To(Equal(404))

		By("refusing a build beside one that is at work")
		for _, t := range []codersdk.WorkspaceTransition{"start", "stop", "delete"} {
			r := refused(ctx, 409, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: t})
			Expect(r.Message).To(Equal("A workspace build is already active."))
		}

		By("showing it run")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		run := as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)
		Expect(run.LatestBuild.Status).To(Equal(codersdk.WorkspaceStatusRunning))
		Expect(run.LatestBuild.DailyCost).To(Equal(int32(6)))
		Expect(run.Health.Healthy).To(BeTrue())
		agent := run.LatestBuild.Resources[1].Agents[0]
		Expect(agent.Status).To(Equal(codersdk.WorkspaceAgentConnected))
		Expect(agent.ID).To(Equal(ids.Agent(run.LatestBuild.ID, "main")))
		Expect(agent.Apps[0].ID).To(Equal(ids.App(agent.ID, "code")))

		By("finding it by what its newest build was made with")
		Expect(search(ctx, w.ada, `param:"cpu=4" param:region name:api`)).To(Equal([]string{"Api"}))
		Expect(search(ctx, w.ada, `param:"reset=true"`)).To(Equal([]string{"Api"}), "an ephemeral value is the build's as well")
		Expect(search(ctx, w.ada, `param:"cpu=2"`)).To(BeEmpty())
		Expect(search(ctx, w.ada, "param:gpu")).To(BeEmpty())

		By("stopping it, with what the last build had")
		stop := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		Expect(stop.BuildNumber).To(Equal(int64(2)))
		Expect(stop.TemplateVersionID).To(Equal(ids.Of(w.version)))
		Expect(stop.InitiatorName).To(Equal(w.ada))
		w.end(ctx, object, 2, v1alpha1.JobSucceeded)
		Expect(search(ctx, w.ada, `param:"cpu=4"`)).To(Equal([]string{"Api"}))
		Expect(search(ctx, w.ada, `param:"reset=true"`)).To(BeEmpty())

		By("starting it with a changed parameter, which stays")
		start := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{
			Transition: "start", RichParameterValues: []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: "8"}},
		})
		Expect(start.BuildNumber).To(Equal(int64(3)))
		Expect(w.object(ctx, w.ada, "api").Spec.Parameters["cpu"].String()).To(Equal("8"))
		w.end(ctx, object, 3, v1alpha1.JobSucceeded)

		By("listing its builds, newest first, page by page as whole")
		all := as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path+"/builds", nil)
		Expect(all).To(HaveLen(3))
		var paged []uuid.UUID
		for offset := range 4 {
			for _, b := range as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", fmt.Sprintf("%s/builds?limit=1&offset=%d", path, offset), nil) {
				paged = append(paged, b.ID)
			}
		}
		Expect(paged).To(Equal([]uuid.UUID{all[0].ID, all[1].ID, all[2].ID}))
		Expect(all[0].BuildNumber).To(Equal(int64(3)))
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path+"/builds?after_id="+all[0].ID.String(), nil)).To(HaveLen(2))
		refused(ctx, 400, w.ada, "GET", path+"/builds?after_id="+absent(), nil, "after_id")
		refused(ctx, 400, w.ada, "GET", path+"/builds?limit=-1&since=yesterday", nil, "limit", "since")

		By("deleting it by a build that says so")
		gone := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "delete"})
		Expect(gone.Transition).To(Equal(codersdk.WorkspaceTransitionDelete))
		Expect(gone.BuildNumber).To(Equal(int64(4)))
	})

	It("keeps a build that it only tries out to itself", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		path := "workspaces/" + made.ID.String() + "/builds"
		tried := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{
			Transition: "start", DryRun: true, RichParameterValues: []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: "7"}},
		})
		Expect(tried.BuildNumber).To(Equal(int64(2)))
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path, nil)).To(HaveLen(1))
		Expect(w.object(ctx, w.ada, "dev").Spec.Parameters).To(BeEmpty())
	})
})
