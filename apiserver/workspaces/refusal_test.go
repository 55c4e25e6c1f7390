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
	"github.com/berth-dev/berth/internal/ids"
)

// request is one that is right, but for the change.
func (w *world) request(change func(*codersdk.CreateWorkspaceRequest)) codersdk.CreateWorkspaceRequest {
	in := codersdk.CreateWorkspaceRequest{Name: "dev", TemplateID: ids.Of(w.goDev)}
	change(&in)
	return in
}

// empty tells that a refusal left nothing behind.
func (w *world) empty(ctx context.Context) {
	GinkgoHelper()
	var left v1alpha1.WorkspaceList
	Expect(env.Client.List(ctx, &left, client.InNamespace(w.organization))).To(Succeed())
	Expect(left.Items).To(BeEmpty())
}

var _ = Describe("Making a workspace refuses an input", Ordered, func() {
	var w *world // one for all: a refusal changes nothing
	BeforeAll(func(ctx SpecContext) { w = newWorld(ctx) })

	DescribeTable("a bad name", func(ctx SpecContext, name string) {
		refused(ctx, 400, w.ada, "POST", w.places("me"), w.request(func(in *codersdk.CreateWorkspaceRequest) { in.Name = name }), "name")
		w.empty(ctx)
	},
		Entry("none", ""), Entry("300 characters", strings.Repeat("x", 300)), Entry("33", strings.Repeat("x", 33)),
		Entry("a path", "../etc"), Entry("two hyphens", "a--b"), Entry("a hyphen first", "-a"), Entry("a hyphen last", "a-"),
		Entry("a dot", "a.b"), Entry("a blank", "a b"), Entry("a NUL", "a\x00b"), Entry("a line", "a\n"), Entry("umlauts", "büro"),
		Entry("new", "New"), Entry("create", "create"),
	)

	DescribeTable("a bad field", func(ctx SpecContext, change func(*codersdk.CreateWorkspaceRequest), fields ...string) {
		refused(ctx, 400, w.ada, "POST", w.places("me"), w.request(change), fields...)
		w.empty(ctx)
	},
		Entry("neither template nor version", func(in *codersdk.CreateWorkspaceRequest) { in.TemplateID = [16]byte{} }, "template_id", "template_version_id"),
		Entry("both", func(in *codersdk.CreateWorkspaceRequest) { in.TemplateVersionID = ids.Of(w.version) }, "template_id", "template_version_id"),
		Entry("30 seconds", func(in *codersdk.CreateWorkspaceRequest) { in.TTLMillis = new(int64(30000)) }, "ttl_ms"),
		Entry("31 days", func(in *codersdk.CreateWorkspaceRequest) { in.TTLMillis = new(int64(31 * 86400000)) }, "ttl_ms"),
		Entry("a bad cron", func(in *codersdk.CreateWorkspaceRequest) { in.AutostartSchedule = new("every day") }, "schedule"),
		Entry("a day of the month", func(in *codersdk.CreateWorkspaceRequest) { in.AutostartSchedule = new("30 9 1 * *") }, "schedule"),
		Entry("updates of no kind", func(in *codersdk.CreateWorkspaceRequest) { in.AutomaticUpdates = "weekly" }, "automatic_updates"),
		Entry("a number out of range", func(in *codersdk.CreateWorkspaceRequest) { in.RichParameterValues = values("cpu", "9") }, "cpu"),
		Entry("no number", func(in *codersdk.CreateWorkspaceRequest) { in.RichParameterValues = values("cpu", "many") }, "cpu"),
		Entry("not the pattern", func(in *codersdk.CreateWorkspaceRequest) { in.RichParameterValues = values("region", "Zürich") }, "region"),
		Entry("an unknown parameter", func(in *codersdk.CreateWorkspaceRequest) { in.RichParameterValues = values("cpus", "2") }, "cpus"),
		Entry("one given twice", func(in *codersdk.CreateWorkspaceRequest) {
			in.RichParameterValues = append(values("cpu", "2"), values("cpu", "3")...)
		}, "cpu"),
		Entry("several at once", func(in *codersdk.CreateWorkspaceRequest) {
			in.RichParameterValues = append(values("cpu", "9"), values("region", "9")...)
		}, "cpu", "region"),
	)

	It("what is no JSON, and what is far too much of it", func(ctx SpecContext) {
		for _, body := range []string{"", "{", "[]", `"dev"`, "null x", `{"name": 7}`, `{"ttl_ms": "8h"}`, `{"template_id": "x"}`} {
			a := ask(ctx, w.ada, "POST", w.places("me"), body)
			Expect(a.status).To(Equal(400), "%s: %s", body, a.body)
		}
		Expect(ask(ctx, w.ada, "POST", w.places("me"), `{"name": "`+strings.Repeat("x", 3<<20)+`"}`).status).To(Equal(413))
		w.empty(ctx)
	})

})

var _ = Describe("Making a workspace refuses", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("a name that is taken, also in other capitals", func(ctx SpecContext) {
		w.workspace(ctx, w.ada, "Dev")
		for _, name := range []string{"Dev", "dev", "DEV"} {
			r := refused(ctx, 409, w.ada, "POST", w.places("me"), w.request(func(in *codersdk.CreateWorkspaceRequest) { in.Name = name }), "name")
			Expect(r.Validations[0].Detail).To(Equal("This value is already in use and should be unique."))
		}
		w.workspace(ctx, w.grace, "dev") // another's name is free
	})

	It("a template that is deprecated, hidden, without a version or another organization's, and a place of others", func(ctx SpecContext) {
		other := newWorld(ctx)
		of := func(t *v1alpha1.Template) codersdk.CreateWorkspaceRequest {
			return w.request(func(in *codersdk.CreateWorkspaceRequest) { in.TemplateID = ids.Of(t) })
		}
		unknown := refused(ctx, 404, w.ada, "POST", w.places("me"), of(&v1alpha1.Template{Spec: v1alpha1.TemplateSpec{ID: v1alpha1.ID(absent())}}), "template_id")
		Expect(refused(ctx, 404, w.ada, "POST", w.places("me"), of(w.secret), "template_id")).To(Equal(unknown))
		Expect(refused(ctx, 404, w.ada, "POST", w.places("me"), of(w.broken), "template_id")).To(Equal(unknown))
		Expect(refused(ctx, 404, w.ada, "POST", w.places("me"), of(other.goDev), "template_id")).To(Equal(unknown))
		refused(ctx, 404, w.ada, "POST", w.places(w.grace), w.request(func(*codersdk.CreateWorkspaceRequest) {}))
		refused(ctx, 404, w.eve, "POST", w.places("me"), w.request(func(*codersdk.CreateWorkspaceRequest) {}))
		refused(ctx, 403, w.owner, "POST", w.places(w.eve), w.request(func(*codersdk.CreateWorkspaceRequest) {}))

		w.goDev.Spec.DeprecationMessage = "use go-dev-2"
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		Expect(refused(ctx, 400, w.ada, "POST", w.places("me"), of(w.goDev)).Detail).To(Equal("use go-dev-2"))
		w.empty(ctx)
	})

	It("a version that is failed, archived or still being checked", func(ctx SpecContext) {
		of := func(v *v1alpha1.TemplateVersion) codersdk.CreateWorkspaceRequest {
			return w.request(func(in *codersdk.CreateWorkspaceRequest) { in.TemplateID, in.TemplateVersionID = [16]byte{}, ids.Of(v) })
		}
		failed := w.addVersion(ctx, w.goDev, "failed", parametrised, v1alpha1.JobFailed)
		refused(ctx, 400, w.ada, "POST", w.places("me"), of(failed), "template_version_id")
		running := w.addVersion(ctx, w.goDev, "running", parametrised, v1alpha1.JobRunning)
		refused(ctx, 409, w.ada, "POST", w.places("me"), of(running), "template_version_id")
		archived := w.addVersion(ctx, w.goDev, "archived", parametrised, v1alpha1.JobSucceeded)
		archived.Spec.Archived = true
		Expect(env.Client.Update(ctx, archived)).To(Succeed())
		seen(ctx, archived)
		refused(ctx, 400, w.ada, "POST", w.places("me"), of(archived), "template_version_id")
		w.empty(ctx)

		older := w.addVersion(ctx, w.goDev, "older", parametrised, v1alpha1.JobSucceeded)
		made := as[codersdk.Workspace](ctx, 201, w.ada, "POST", w.places("me"), of(older))
		Expect(made.LatestBuild.TemplateVersionID).To(Equal(ids.Of(older)))
		Expect(made.Outdated).To(BeTrue())
		Expect(string(w.object(ctx, w.ada, "dev").Spec.VersionRef.Name)).To(Equal("older"))
	})
})

func values(name, value string) []codersdk.WorkspaceBuildParameter {
	return []codersdk.WorkspaceBuildParameter{{Name: name, Value: value}}
}
