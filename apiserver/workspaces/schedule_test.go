// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A workspace's schedule", func() {
	It("is set one field at a time, and each leaves the others alone", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		put(ctx, 204, w.ada, path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(3600000))})
		put(ctx, 204, w.ada, path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("30 9 * * 1-5")})
		shown := as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)
		Expect(*shown.TTLMillis).To(Equal(int64(3600000)))
		Expect(*shown.AutostartSchedule).To(Equal("30 9 * * 1-5"))

		put(ctx, 204, w.ada, path+"/ttl", `{"ttl_ms": null}`)
		put(ctx, 204, w.ada, path+"/autostart", `{"schedule": ""}`)
		shown = as[codersdk.Workspace](ctx, 200, w.ada, "GET", path, nil)
		Expect(shown.TTLMillis).To(BeNil())
		Expect(shown.AutostartSchedule).To(BeNil())
		object := w.object(ctx, w.ada, "dev")
		Expect(object.Spec.Autostop.After).To(Equal(v1alpha1.Duration("0s")), "off, and not the template's")
		for _, e := range object.ManagedFields {
			Expect(e.Manager).To(Equal(store.Owner))
		}
	})

	It("refuses what can't be kept, by its field", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		before := w.object(ctx, w.ada, "dev").ResourceVersion
		refused(ctx, 400, w.ada, "PUT", path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(1000))}, "ttl_ms")
		refused(ctx, 400, w.ada, "PUT", path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(1 << 62))}, "ttl_ms")
		refused(ctx, 400, w.ada, "PUT", path+"/ttl", `{"ttl_ms": "2 days"}`, "ttl_ms")
		refused(ctx, 400, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("CRON_TZ=Local 30 9 * * 1-5")}, "schedule")
		refused(ctx, 400, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new(strings.Repeat("* ", 500))}, "schedule")
		Expect(w.object(ctx, w.ada, "dev").ResourceVersion).To(Equal(before))
	})

	It("is the template's to allow", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		w.goDev.Spec.Lifecycle = &v1alpha1.Lifecycle{UserAutostart: v1alpha1.PermissionForbid, UserAutostop: v1alpha1.PermissionForbid, AutostopMax: "12h"}
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		day := codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(24 * 3600000))}
		refused(ctx, 403, w.ada, "PUT", path+"/ttl", day)
		refused(ctx, 403, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("30 9 * * 1-5")})
		refused(ctx, 400, w.admin, "PUT", path+"/ttl", day, "ttl_ms")
		put(ctx, 204, w.admin, path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("30 9 * * 1-5")})
	})

	It("is git's where a tool holds the workspace, which still starts and stops", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		path := "workspaces/" + made.ID.String()
		object := w.object(ctx, w.ada, "dev")
		w.end(ctx, object, 1, v1alpha1.JobSucceeded)
		for tool, mark := range map[string]func(*v1alpha1.Workspace){
			"Argo CD": func(o *v1alpha1.Workspace) {
				o.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "apps:berth.dev/Workspace:platform/dev"}
			},
			"Flux": func(o *v1alpha1.Workspace) {
				o.Annotations, o.Labels = nil, map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"}
			},
			"Helm": func(o *v1alpha1.Workspace) {
				o.Labels, o.Annotations = nil, map[string]string{"meta.helm.sh/release-name": "dev"}
			},
		} {
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			mark(object)
			Expect(env.Client.Update(ctx, object)).To(Succeed())
			seen(ctx, object)
			for _, r := range []codersdk.Response{
				refused(ctx, 409, w.ada, "PUT", path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(3600000))}),
				refused(ctx, 409, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("30 9 * * 1-5")}),
				refused(ctx, 409, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "delete"}),
				refused(ctx, 409, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: values("cpu", "5")}),
			} {
				Expect(r.Message).To(ContainSubstring(tool))
			}
		}
		stop := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		w.end(ctx, object, stop.BuildNumber, v1alpha1.JobSucceeded)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{
			Transition: "start", RichParameterValues: values("reset", "true"),
		})
		Expect(ids.Of(w.object(ctx, w.ada, "dev"))).To(Equal(made.ID))
	})
})

var _ = Describe("A workspace in git", func() {
	It("keeps what git sets, and takes the rest from the API", func(ctx SpecContext) {
		w := newWorld(ctx)
		object := given.Workspace(w.organization, "git", w.ada, "go-dev", func(o *v1alpha1.Workspace) {
			o.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "apps:berth.dev/Workspace:platform/git"}
			o.Spec.Autostart = &v1alpha1.Schedule{Schedule: "0 8 * * 1-5"}
			o.Spec.Parameters = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4)}
		})
		Expect(env.Client.Create(ctx, object, client.FieldOwner("argocd-controller"))).To(Succeed())
		seen(ctx, object)
		path := "workspaces/" + ids.Of(object).String()
		put(ctx, 204, w.ada, path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(3600000))})
		r := refused(ctx, 409, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{Schedule: new("30 9 * * 1-5")}, "schedule")
		Expect(r.Message).To(Equal("Workspace git is held by Argo CD application apps, and spec.autostart.schedule can't be changed here."))
		refused(ctx, 409, w.ada, "PUT", path+"/autostart", codersdk.UpdateWorkspaceAutostartRequest{}, "schedule")
		refused(ctx, 409, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: values("cpu", "5")}, "cpu")
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		Expect(object.Spec.Autostop.After).To(Equal(v1alpha1.Duration("1h")))
		Expect(object.Spec.Autostart.Schedule).To(Equal("0 8 * * 1-5"))
	})
})

// put sends a change and wants the status.
func put(ctx context.Context, status int, user, path string, body any) {
	GinkgoHelper()
	a := ask(ctx, user, "PUT", path, body)
	Expect(a.status).To(Equal(status), string(a.body))
}
