// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// running is a running workspace of ada's in a new world, with the path of its builds.
func running(ctx context.Context) (w *world, object *v1alpha1.Workspace, path string) {
	GinkgoHelper()
	w = newWorld(ctx)
	path = "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String() + "/builds"
	object = w.object(ctx, w.ada, "dev")
	w.end(ctx, object, 1, v1alpha1.JobSucceeded)
	return w, object, path
}

var _ = Describe("A bad build", Ordered, func() {
	var w *world // one for all: a refusal changes nothing
	var path string
	BeforeAll(func(ctx SpecContext) { w, _, path = running(ctx) })

	DescribeTable("is refused", func(ctx SpecContext, status int, in codersdk.CreateWorkspaceBuildRequest, fields ...string) {
		refused(ctx, status, w.ada, "POST", path, in, fields...)
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path, nil)).To(HaveLen(1))
	},
		Entry("no transition", 400, codersdk.CreateWorkspaceBuildRequest{}, "transition"),
		Entry("an unknown one", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "pause"}, "transition"),
		Entry("an unknown parameter", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: values("x", "1")}, "x"),
		Entry("an immutable parameter", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: values("region", "bern")}, "region"),
		Entry("parameters of a stop", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "stop", RichParameterValues: values("cpu", "3")}, "rich_parameter_values"),
		Entry("orphan without delete", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "stop", Orphan: true}, "orphan"),
		Entry("orphan by a member", 403, codersdk.CreateWorkspaceBuildRequest{Transition: "delete", Orphan: true}),
		Entry("state by a member", 403, codersdk.CreateWorkspaceBuildRequest{Transition: "start", State: []byte("x")}),
		Entry("debug by a member", 400, codersdk.CreateWorkspaceBuildRequest{Transition: "start", LogLevel: "debug"}, "log_level"),
	)

})

var _ = Describe("A build", func() {
	var w *world
	var object *v1alpha1.Workspace
	var path string
	BeforeEach(func(ctx SpecContext) { w, object, path = running(ctx) })

	It("is refused with a version that is unknown, hidden, another template's, failed or still checked", func(ctx SpecContext) {
		start := func(v *v1alpha1.TemplateVersion) codersdk.CreateWorkspaceBuildRequest {
			return codersdk.CreateWorkspaceBuildRequest{Transition: "start", TemplateVersionID: ids.Of(v)}
		}
		other := newWorld(ctx)
		unknown := refused(ctx, 404, w.ada, "POST", path, start(&v1alpha1.TemplateVersion{Spec: v1alpha1.TemplateVersionSpec{ID: v1alpha1.ID(absent())}}), "template_version_id")
		Expect(refused(ctx, 404, w.ada, "POST", path, start(other.version), "template_version_id")).To(Equal(unknown))
		_, foreign := w.template(ctx, "other", func(t *v1alpha1.Template) { t.Spec.Access = w.goDev.Spec.Access }, func(*v1alpha1.TemplateContent) {})
		refused(ctx, 400, w.ada, "POST", path, start(foreign), "template_version_id")
		refused(ctx, 400, w.ada, "POST", path, start(w.addVersion(ctx, w.goDev, "failed", parametrised, v1alpha1.JobFailed)), "template_version_id")
		refused(ctx, 406, w.ada, "POST", path, start(w.addVersion(ctx, w.goDev, "importing", parametrised, v1alpha1.JobRunning)), "template_version_id")
	})

	It("of an administrator may tell all, and leave the claims behind; nobody gives state", func(ctx SpecContext) {
		refused(ctx, 400, w.admin, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start", State: []byte("x")}, "state")
		as[codersdk.WorkspaceBuild](ctx, 201, w.admin, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "delete", Orphan: true, LogLevel: "debug"})
		b := &v1alpha1.WorkspaceBuild{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: object.Name + "-2"}, b)).To(Succeed())
		Expect(b.Spec.Orphan).To(BeTrue())
		Expect(b.Spec.LogLevel).To(Equal("debug"))
		Expect(b.Spec.Initiator.User).To(Equal(w.admin))
		Expect(b.Spec.RequestID).NotTo(BeEmpty())
		Expect(b.OwnerReferences[0].UID).To(Equal(object.UID))
		Expect(*b.OwnerReferences[0].BlockOwnerDeletion).To(BeFalse())
	})

	It("of a running workspace is a restart, and takes another version when asked to", func(ctx SpecContext) {
		second := w.addVersion(ctx, w.goDev, "second", func(c *v1alpha1.TemplateContent) { parametrised(c); c.Parameters = c.Parameters[1:] }, v1alpha1.JobSucceeded)
		same := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: values("cpu", "4")})
		Expect(same.TemplateVersionID).To(Equal(ids.Of(w.version)), "without a word the version stays")
		w.end(ctx, object, 2, v1alpha1.JobSucceeded)
		other := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start", TemplateVersionID: ids.Of(second)})
		Expect(other.TemplateVersionID).To(Equal(ids.Of(second)))
		b := &v1alpha1.WorkspaceBuild{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: object.Name + "-3"}, b)).To(Succeed())
		Expect(b.Spec.Restart).To(BeTrue())
		Expect(w.object(ctx, w.ada, "dev").Spec.Parameters).NotTo(HaveKey("cpu"), "the new version has no such parameter")
	})

	It("is made once, however many ask at once", func(ctx SpecContext) {
		var wait sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wait.Go(func() {
				defer GinkgoRecover()
				answers[i] = ask(ctx, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
			})
		}
		wait.Wait()
		made := 0
		for _, a := range answers {
			Expect(a.status).To(BeElementOf(201, 409), string(a.body))
			if a.status == 201 {
				made++
			}
		}
		Expect(made).To(BeNumerically(">", 0))
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", path, nil)).To(HaveLen(2))
	})

	It("has a number that is a number", func(ctx SpecContext) {
		for _, number := range []string{"one", "-1", "1.5", "99999999999"} {
			refused(ctx, 400, w.ada, "GET", "users/me/workspace/dev/builds/"+number, nil, "buildnumber")
		}
		refused(ctx, 404, w.ada, "GET", "users/me/workspace/dev/builds/0", nil)
		refused(ctx, 404, w.ada, "GET", "workspacebuilds/"+absent(), nil)
	})
})
