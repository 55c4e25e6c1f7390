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
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("Advisories", func() {
	It("V10: no id of a build, an agent or an app is anybody's to choose", func(ctx SpecContext) {
		a, b := newWorld(ctx), newWorld(ctx)
		victim := a.workspace(ctx, a.ada, "dev")
		a.end(ctx, a.object(ctx, a.ada, "dev"), 1, v1alpha1.JobSucceeded)
		attacker := b.workspace(ctx, b.ada, "dev")
		object := b.object(ctx, b.ada, "dev")
		b.end(ctx, object, 1, v1alpha1.JobSucceeded)

		By("a status and a build that name the victim's ids")
		object.Status.Agents[0].ID = ids.Agent(victim.LatestBuild.ID, "main").String()
		Expect(env.Client.Status().Update(ctx, object)).To(Succeed())
		forged := given.Build(object, 2, v1alpha1.TransitionStart, func(f *v1alpha1.WorkspaceBuild) {
			f.Name = "forged"
			f.Spec.Number = 1
			f.Labels = map[string]string{v1alpha1.LabelID: victim.ID.String()}
		})
		create(ctx, forged)
		seen(ctx, object)

		shown := as[codersdk.Workspace](ctx, 200, b.ada, "GET", "workspaces/"+attacker.ID.String(), nil)
		var agents []codersdk.WorkspaceAgent
		for _, r := range shown.LatestBuild.Resources {
			agents = append(agents, r.Agents...)
		}
		Expect(agents).To(HaveLen(1))
		for _, one := range agents {
			Expect(one.ID).To(Equal(ids.Agent(shown.LatestBuild.ID, "main")))
			Expect(one.Apps[0].ID).To(Equal(ids.App(one.ID, "code")))
		}
		Expect(as[codersdk.WorkspaceBuild](ctx, 200, b.ada, "GET", "workspacebuilds/"+attacker.LatestBuild.ID.String(), nil)).
			To(HaveField("Status", codersdk.WorkspaceStatusRunning), "the forged build of its number does not count")
		theirs := as[codersdk.WorkspaceBuild](ctx, 200, a.ada, "GET", "workspacebuilds/"+victim.LatestBuild.ID.String(), nil)
		Expect(theirs.WorkspaceID).To(Equal(victim.ID))
		refused(ctx, 404, b.ada, "GET", "workspacebuilds/"+victim.LatestBuild.ID.String(), nil)
	})

	It("V31 and V45: a foreign id is not there, in path, query and body, whoever asks", func(ctx SpecContext) {
		mine, foreign := newWorld(ctx), newWorld(ctx)
		theirs := foreign.workspace(ctx, foreign.ada, "dev")
		foreign.end(ctx, foreign.object(ctx, foreign.ada, "dev"), 1, v1alpha1.JobSucceeded)
		before := stored(ctx, foreign.organization)
		for _, path := range []string{
			"workspaces/" + theirs.ID.String(),
			"workspaces/" + theirs.ID.String() + "/builds",
			"workspacebuilds/" + theirs.LatestBuild.ID.String(),
			"users/" + foreign.ada + "/workspace/dev",
			"users/" + theirs.OwnerID.String() + "/workspace/dev/builds/1",
			"templates/" + theirs.TemplateID.String(),
			"templates/" + theirs.TemplateID.String() + "/versions",
			"templateversions/" + theirs.TemplateActiveVersionID.String(),
			"templateversions/" + theirs.TemplateActiveVersionID.String() + "/rich-parameters",
			"organizations/" + theirs.OrganizationID.String() + "/templates",
			"organizations/" + foreign.organization + "/templates/go-dev",
		} {
			there := refused(ctx, 404, mine.ada, "GET", path, nil)
			nowhere := strings.NewReplacer(theirs.ID.String(), absent(), theirs.LatestBuild.ID.String(), absent(), theirs.TemplateID.String(), absent(),
				theirs.TemplateActiveVersionID.String(), absent(), theirs.OrganizationID.String(), absent(), theirs.OwnerID.String(), absent(),
				foreign.ada, "nobody", foreign.organization, "nowhere").Replace(path)
			Expect(refused(ctx, 404, mine.ada, "GET", nowhere, nil)).To(Equal(there), path)
		}
		refused(ctx, 404, mine.ada, "PUT", "workspaces/"+theirs.ID.String()+"/ttl", `{"ttl_ms": null}`)
		refused(ctx, 404, mine.ada, "PUT", "workspaces/"+theirs.ID.String()+"/autostart", `{}`)
		refused(ctx, 404, mine.ada, "POST", "workspaces/"+theirs.ID.String()+"/builds", `{"transition": "stop"}`)
		refused(ctx, 404, mine.ada, "POST", "organizations/"+foreign.organization+"/members/me/workspaces", codersdk.CreateWorkspaceRequest{Name: "x", TemplateID: theirs.TemplateID})
		refused(ctx, 404, mine.ada, "POST", mine.places("me"), codersdk.CreateWorkspaceRequest{Name: "x", TemplateID: theirs.TemplateID}, "template_id")
		refused(ctx, 404, mine.ada, "POST", mine.places("me"), codersdk.CreateWorkspaceRequest{Name: "x", TemplateVersionID: theirs.TemplateActiveVersionID}, "template_version_id")
		Expect(search(ctx, mine.ada, "id:"+theirs.ID.String())).To(BeEmpty())
		Expect(stored(ctx, foreign.organization)).To(Equal(before), "and nothing of it has changed")
	})

	It("V23: no GET changes anything", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		w.end(ctx, w.object(ctx, w.ada, "dev"), 1, v1alpha1.JobSucceeded)
		before := stored(ctx, w.organization)
		id := made.ID.String()
		for _, path := range []string{
			"workspaces", "workspaces?q=owner:me", "workspaces/" + id, "workspaces/" + id + "/builds", "workspaces/" + id + "/ttl",
			"workspaces/" + id + "/builds?transition=start", "workspacebuilds/" + made.LatestBuild.ID.String(), "users/me/workspace/dev",
			"users/me/workspace/dev/builds/1", w.places("me"), w.places("me") + "?name=x&template_id=" + made.TemplateID.String(),
			"organizations/" + w.organization + "/templates", "templates/" + made.TemplateID.String() + "/versions",
		} {
			ask(ctx, w.ada, "GET", path, nil)
		}
		Expect(stored(ctx, w.organization)).To(Equal(before))
	})

	It("V23: what a parameter says stays text on its way to the build", func(ctx SpecContext) {
		w := newWorld(ctx)
		t, _ := w.template(ctx, "text", func(t *v1alpha1.Template) { t.Spec.Access = w.goDev.Spec.Access }, func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{given.Parameter("repo", v1alpha1.TypeString, "")}
		})
		for i, hostile := range []string{"$(reboot)", "`id`", "${parameters.repo}", "'; rm -rf /; '", "a\nb\t\"c\"", "\\u0000", "{{7*7}}"} {
			name := string(rune('a' + i))
			as[codersdk.Workspace](ctx, 201, w.ada, "POST", w.places("me"), codersdk.CreateWorkspaceRequest{
				Name: name, TemplateID: ids.Of(t), RichParameterValues: values("repo", hostile),
			})
			b := &v1alpha1.WorkspaceBuild{}
			Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: w.ada + "--" + name + "-1"}, b)).To(Succeed())
			Expect(b.Spec.Parameters.Values["repo"].String()).To(Equal(hostile))
		}
	})
})

// stored are the resourceVersions of all that an organization holds.
func stored(ctx context.Context, organization string) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, l := range []client.ObjectList{
		&v1alpha1.WorkspaceList{}, &v1alpha1.WorkspaceBuildList{}, &v1alpha1.TemplateList{}, &v1alpha1.TemplateVersionList{},
	} {
		Expect(env.Client.List(ctx, l, client.InNamespace(organization))).To(Succeed())
		for _, o := range items(l) {
			all[o.GetName()] = o.GetResourceVersion()
		}
	}
	return all
}
