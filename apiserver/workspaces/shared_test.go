// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("A template that another organization has opened", func() {
	It("V43 is listed, shown and started in the one that it is open to, and in no other", func(ctx SpecContext) {
		platform, guests, strangers := newWorld(ctx), newWorld(ctx), newWorld(ctx)
		shared, version := platform.template(ctx, "shared", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindOrganization, Name: v1alpha1.ObjectName(guests.organization), Role: v1alpha1.AccessRoleUse}}
		}, parametrised)
		names := func(w *world, user string) (found []string) {
			for _, t := range as[[]codersdk.Template](ctx, 200, user, "GET", "organizations/"+w.organization+"/templates", nil) {
				found = append(found, t.Name)
			}
			return found
		}
		Expect(names(guests, guests.ada)).To(Equal([]string{"go-dev", "shared"}))
		Expect(names(strangers, strangers.ada)).To(Equal([]string{"go-dev"}))
		Expect(names(platform, platform.ada)).To(Equal([]string{"go-dev"}), "nobody opened it to its own people")

		byID := as[codersdk.Template](ctx, 200, guests.ada, "GET", "templates/"+ids.Of(shared).String(), nil)
		Expect(byID.OrganizationName).To(Equal(platform.organization))
		refused(ctx, 404, strangers.ada, "GET", "templates/"+ids.Of(shared).String(), nil)
		byName := "organizations/" + guests.organization + "/templates/Shared"
		Expect(as[codersdk.Template](ctx, 200, guests.ada, "GET", byName, nil).ID).To(Equal(byID.ID))
		ofName := byName + "/versions/" + version.Name
		Expect(as[codersdk.TemplateVersion](ctx, 200, guests.ada, "GET", ofName, nil).ID).To(Equal(ids.Of(version)))
		refused(ctx, 404, guests.ada, "GET", ofName+"/previous", nil)
		refused(ctx, 404, strangers.ada, "GET", "organizations/"+strangers.organization+"/templates/shared", nil)
		refused(ctx, 404, platform.ada, "GET", "organizations/"+platform.organization+"/templates/shared", nil)
		refused(ctx, 403, guests.admin, "PATCH", "templates/"+ids.Of(shared).String(), codersdk.UpdateTemplateMeta{Name: "theirs"})

		in := guests.request(func(in *codersdk.CreateWorkspaceRequest) { in.TemplateID = ids.Of(shared) })
		made := as[codersdk.Workspace](ctx, 201, guests.ada, "POST", guests.places("me"), in)
		Expect(made.OrganizationName).To(Equal(guests.organization))
		Expect(made.TemplateID).To(Equal(ids.Of(shared)))
		Expect(made.LatestBuild.TemplateVersionID).To(Equal(ids.Of(version)))
		var w v1alpha1.Workspace
		Expect(env.Client.Get(ctx, keyOf(guests.organization, guests.ada+"--dev"), &w)).To(Succeed())
		Expect(w.Spec.TemplateRef).To(Equal(v1alpha1.TemplateReference{Name: "shared", Organization: v1alpha1.ObjectName(platform.organization)}))
		seen(ctx, &w)
		Expect(as[codersdk.Workspace](ctx, 200, guests.ada, "GET", "workspaces/"+made.ID.String(), nil).TemplateName).To(Equal("shared"))
		found := as[codersdk.WorkspacesResponse](ctx, 200, guests.ada, "GET", "workspaces?q=template:shared", nil)
		Expect(found.Count).To(Equal(1))
		refused(ctx, 404, strangers.ada, "POST", strangers.places("me"), in, "template_id")
		refused(ctx, 404, guests.owner, "POST", strangers.places(strangers.ada), in, "template_id")

		By("taking it back: what there is stays, and is not started again")
		shared.Spec.Access = nil
		Expect(env.Client.Update(ctx, shared)).To(Succeed())
		seen(ctx, shared)
		Expect(names(guests, guests.ada)).To(Equal([]string{"go-dev"}))
		refused(ctx, 404, guests.ada, "POST", guests.places("me"), in, "template_id")
		refused(ctx, 404, guests.ada, "GET", byName, nil)
		Expect(as[codersdk.Workspace](ctx, 200, guests.ada, "GET", "workspaces/"+made.ID.String(), nil).TemplateName).To(Equal("shared"))
		guests.end(ctx, &w, 1, v1alpha1.JobSucceeded)
		builds := "workspaces/" + made.ID.String() + "/builds"
		as[codersdk.WorkspaceBuild](ctx, 201, guests.ada, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		guests.end(ctx, &w, 2, v1alpha1.JobSucceeded)
		no := refused(ctx, 403, guests.ada, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: "start"})
		Expect(no.Message).To(ContainSubstring("shared"))
		as[codersdk.WorkspaceBuild](ctx, 201, guests.ada, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: "delete"})
	})
})
