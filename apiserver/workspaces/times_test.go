// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
	"github.com/berth-dev/berth/internal/testing/given"
)

// stopsAt has the manager plan the stop of the run of the accepted build.
func (w *world) stopsAt(ctx context.Context, o *v1alpha1.Workspace, deadline time.Time, latest *metav1.Time) {
	GinkgoHelper()
	o.Status.Schedule = &v1alpha1.WorkspaceSchedule{Deadline: &metav1.Time{Time: deadline}, MaxDeadline: latest}
	Expect(env.Client.Status().Update(ctx, o)).To(Succeed())
	seen(ctx, o)
}

var _ = Describe("The stop of a run", func() {
	It("is moved, and shown moved at once", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		path := "workspaces/" + made.ID.String()
		to := time.Now().Add(10 * time.Hour).UTC().Truncate(time.Second)
		extend := codersdk.PutExtendWorkspaceRequest{Deadline: to}
		Expect(refused(ctx, 409, w.ada, "PUT", path+"/extend", extend).Message).To(ContainSubstring("still building"))

		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		Expect(refused(ctx, 409, w.ada, "PUT", path+"/extend", extend).Message).To(ContainSubstring("no deadline"))
		w.stopsAt(ctx, object, time.Now().Add(time.Hour), &metav1.Time{Time: time.Now().Add(12 * time.Hour)})
		refused(ctx, 400, w.ada, "PUT", path+"/extend", codersdk.PutExtendWorkspaceRequest{Deadline: time.Now().Add(29 * time.Minute)}, "deadline")
		refused(ctx, 400, w.ada, "PUT", path+"/extend", codersdk.PutExtendWorkspaceRequest{Deadline: time.Now().Add(13 * time.Hour)}, "deadline")
		refused(ctx, 400, w.ada, "PUT", path+"/extend", "{}", "deadline")

		as[codersdk.Response](ctx, 200, w.ada, "PUT", path+"/extend", extend)
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil).LatestBuild.Deadline.Time).To(BeTemporally("==", to))
		object = w.object(ctx, w.ada, "dev")
		Expect(schedule.Deadline(object, nil, object.CreationTimestamp.Time)).To(BeTemporally("==", to), "the manager stops it then")

		stop := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		Expect(refused(ctx, 409, w.ada, "PUT", path+"/extend", extend).Message).To(Equal("Workspace must be started."))
		w.end(ctx, object, stop.BuildNumber, v1alpha1.JobSucceeded)
		refused(ctx, 409, w.ada, "PUT", path+"/extend", extend)
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil).LatestBuild.Deadline.IsZero()).To(BeTrue())
	})

	It("is refused once a stop was accepted that the caller has not seen", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		w.stopsAt(ctx, object, time.Now().Add(time.Hour), nil)
		object.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: "other", UID: "other"}, Number: 2}
		Expect(env.Client.Status().Update(ctx, object)).To(Succeed())
		seen(ctx, object)
		refused(ctx, 409, w.ada, "PUT", "workspaces/"+made.ID.String()+"/extend", codersdk.PutExtendWorkspaceRequest{Deadline: time.Now().Add(5 * time.Hour)})
		Expect(w.object(ctx, w.ada, "dev").Annotations).NotTo(HaveKey(v1alpha1.AnnotationExtendedTo))
	})

	It("is moved where git holds the workspace, too", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		w.stopsAt(ctx, object, time.Now().Add(time.Hour), nil)
		object.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"}
		Expect(env.Client.Update(ctx, object)).To(Succeed())
		seen(ctx, object)
		as[codersdk.Response](ctx, 200, w.ada, "PUT", "workspaces/"+made.ID.String()+"/extend", codersdk.PutExtendWorkspaceRequest{Deadline: time.Now().Add(5 * time.Hour)})
	})
})

var _ = Describe("Dormancy", func() {
	It("is put on and taken off, each once, and found by the search", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		w.goDev.Spec.Lifecycle = &v1alpha1.Lifecycle{DeleteDormantAfter: "240h"}
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		put(ctx, 304, w.ada, path+"/dormant", codersdk.UpdateWorkspaceDormancy{})
		asleep := as[codersdk.Workspace](ctx, 200, w.ada, "PUT", path+"/dormant", codersdk.UpdateWorkspaceDormancy{Dormant: true})
		Expect(asleep.DormantAt.Time).To(BeTemporally("~", time.Now(), 10*time.Second))
		Expect(asleep.DeletingAt.Sub(asleep.DormantAt.Time)).To(BeNumerically("~", 240*time.Hour, time.Second))
		before := w.object(ctx, w.ada, "dev").ResourceVersion
		put(ctx, 304, w.ada, path+"/dormant", codersdk.UpdateWorkspaceDormancy{Dormant: true})
		Expect(w.object(ctx, w.ada, "dev").ResourceVersion).To(Equal(before))
		Expect(search(ctx, w.ada, "dormant:true")).To(Equal([]string{"dev"}))
		Expect(search(ctx, w.ada, "dormant_at:"+time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly))).To(Equal([]string{"dev"}))
		Expect(search(ctx, w.ada, "dormant_at:"+time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly))).To(BeEmpty())
		Expect(search(ctx, w.ada, "deleting_by:"+time.Now().UTC().AddDate(0, 0, 11).Format(time.DateOnly))).To(Equal([]string{"dev"}))

		awake := as[codersdk.Workspace](ctx, 200, w.ada, "PUT", path+"/dormant", codersdk.UpdateWorkspaceDormancy{})
		Expect(awake.DormantAt.IsZero()).To(BeTrue())
		Expect(awake.DeletingAt.IsZero()).To(BeTrue())
		Expect(search(ctx, w.ada, "dormant:true")).To(BeEmpty())
		refused(ctx, 404, w.grace, "PUT", path+"/dormant", codersdk.UpdateWorkspaceDormancy{Dormant: true})
	})
})

var _ = Describe("A workspace's name", func() {
	It("stays", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		before := w.object(ctx, w.ada, "dev").ResourceVersion
		Expect(refused(ctx, 400, w.ada, "PATCH", path, codersdk.UpdateWorkspaceRequest{Name: "other"}).Message).To(Equal("Workspace renames are not allowed."))
		Expect(ask(ctx, w.ada, "PATCH", path, codersdk.UpdateWorkspaceRequest{Name: "dev"}).status).To(Equal(204))
		Expect(w.object(ctx, w.ada, "dev").ResourceVersion).To(Equal(before))
	})
})

var _ = Describe("Automatic updates", func() {
	It("say which version a start takes", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		path := "workspaces/" + made.ID.String()
		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		Expect(made.AutomaticUpdates).To(Equal(codersdk.AutomaticUpdatesNever))
		newer := w.addVersion(ctx, w.goDev, "go-dev-2", func(c *v1alpha1.TemplateContent) {
			parametrised(c)
			c.Image = "registry.example/base:26.04"
		}, v1alpha1.JobSucceeded)
		w.goDev.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(newer.Name), UID: newer.UID}
		Expect(env.Client.Status().Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		start := func() string {
			GinkgoHelper()
			return as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "start", DryRun: true}).TemplateVersionName
		}
		Expect(start()).To(Equal("go-dev-1"))
		put(ctx, 204, w.ada, path+"/autoupdates", codersdk.UpdateWorkspaceAutomaticUpdatesRequest{AutomaticUpdates: codersdk.AutomaticUpdatesAlways})
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)).To(And(
			HaveField("AutomaticUpdates", codersdk.AutomaticUpdatesAlways), HaveField("Outdated", true)))
		Expect(start()).To(Equal("go-dev-2"))
		put(ctx, 204, w.ada, path+"/autoupdates", codersdk.UpdateWorkspaceAutomaticUpdatesRequest{AutomaticUpdates: codersdk.AutomaticUpdatesNever})
		Expect(start()).To(Equal("go-dev-1"))
		refused(ctx, 400, w.ada, "PUT", path+"/autoupdates", `{"automatic_updates":"sometimes"}`, "automatic_updates")
		refused(ctx, 400, w.ada, "PUT", path+"/autoupdates", `{}`, "automatic_updates")
		Expect(search(ctx, w.admin, "template:go-dev outdated:true organization:"+w.organization)).To(Equal([]string{"dev"}))
		Expect(search(ctx, w.admin, "template:go-dev outdated:false organization:"+w.organization)).To(BeEmpty())
	})

	It("leave a workspace alone that restarts by itself, and let go of one version", func(ctx SpecContext) {
		w := newWorld(ctx)
		object := given.Workspace(w.organization, "git", w.ada, "go-dev", func(o *v1alpha1.Workspace) {
			o.Spec.Updates, o.Spec.VersionRef = v1alpha1.UpdatesRestart, &v1alpha1.NameReference{Name: "go-dev-1"}
		})
		create(ctx, object)
		put(ctx, 204, w.ada, "workspaces/"+string(object.UID)+"/autoupdates", codersdk.UpdateWorkspaceAutomaticUpdatesRequest{AutomaticUpdates: codersdk.AutomaticUpdatesAlways})
		Expect(env.Client.Get(ctx, keyOf(w.organization, "git"), object)).To(Succeed())
		Expect(object.Spec.Updates).To(Equal(v1alpha1.UpdatesRestart))
		Expect(object.Spec.VersionRef).To(BeNil())
	})

	It("can't be had by the schedule where the new version needs a choice", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		w.end(ctx, w.object(ctx, w.ada, "dev"), 1, v1alpha1.JobSucceeded)
		mismatch := func() bool {
			GinkgoHelper()
			return as[codersdk.ResolveAutostartResponse](ctx, 200, w.ada, "GET", path+"/resolve-autostart", nil).ParameterMismatch
		}
		put(ctx, 204, w.ada, path+"/autoupdates", codersdk.UpdateWorkspaceAutomaticUpdatesRequest{AutomaticUpdates: codersdk.AutomaticUpdatesAlways})
		Expect(mismatch()).To(BeFalse())
		for i, needs := range []bool{false, true} {
			v := w.addVersion(ctx, w.goDev, fmt.Sprintf("go-dev-%d", i+2), func(c *v1alpha1.TemplateContent) {
				parametrised(c)
				if needs {
					c.Parameters = append(c.Parameters, v1alpha1.Parameter{Name: "team", Type: v1alpha1.TypeString, Required: true})
				}
			}, v1alpha1.JobSucceeded)
			w.goDev.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
			Expect(env.Client.Status().Update(ctx, w.goDev)).To(Succeed())
			seen(ctx, w.goDev)
			Expect(mismatch()).To(Equal(needs))
		}
		put(ctx, 204, w.ada, path+"/autoupdates", codersdk.UpdateWorkspaceAutomaticUpdatesRequest{AutomaticUpdates: codersdk.AutomaticUpdatesNever})
		Expect(mismatch()).To(BeFalse(), "it keeps its version")
	})
})
