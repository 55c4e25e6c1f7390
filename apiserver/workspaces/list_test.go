// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

func keyOf(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// search lists workspaces by a query and gives their names.
func search(ctx context.Context, user, q string) []string {
	GinkgoHelper()
	found := as[codersdk.WorkspacesResponse](ctx, 200, user, "GET", "workspaces?q="+url.QueryEscape(q), nil)
	names := []string{}
	for _, w := range found.Workspaces {
		names = append(names, w.Name)
	}
	Expect(found.Count).To(Equal(len(names)))
	return names
}

var _ = Describe("The list of workspaces", func() {
	It("shows everybody their own, and administrators all; running ones first", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.workspace(ctx, w.ada, "web")
		w.workspace(ctx, w.ada, "api")
		w.workspace(ctx, w.grace, "data")
		running := w.object(ctx, w.ada, "web")
		w.end(ctx, running, 1, v1alpha1.JobSucceeded)

		Expect(search(ctx, w.ada, "")).To(Equal([]string{"web", "api"}))
		Expect(search(ctx, w.grace, "")).To(Equal([]string{"data"}))
		Expect(search(ctx, w.admin, "organization:"+w.organization)).To(Equal([]string{"web", "api", "data"}))
		Expect(search(ctx, w.eve, "")).To(BeEmpty())

		Expect(search(ctx, w.ada, "status:running")).To(Equal([]string{"web"}))
		Expect(search(ctx, w.ada, "owner:me has-agent:connected")).To(Equal([]string{"web"}))
		Expect(search(ctx, w.ada, w.ada+"/AP")).To(Equal([]string{"api"}))
		Expect(search(ctx, w.ada, "owner:"+w.grace)).To(BeEmpty())
		Expect(search(ctx, w.ada, "owner:nobody-at-all")).To(BeEmpty())
		Expect(search(ctx, w.ada, "id:"+ids.Of(running).String())).To(Equal([]string{"web"}))
		Expect(search(ctx, w.grace, "id:"+ids.Of(running).String())).To(BeEmpty())
		Expect(search(ctx, w.ada, "template:go-dev outdated:false")).To(Equal([]string{"web", "api"}))
	})

	It("counts before it cuts, and every page fits the whole", func(ctx SpecContext) {
		w := newWorld(ctx)
		for i := range 5 {
			w.workspace(ctx, w.ada, fmt.Sprintf("w%d", i))
		}
		whole := as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", "workspaces", nil)
		Expect(whole.Count).To(Equal(5))
		var paged []codersdk.Workspace
		for offset := 0; offset < 6; offset += 2 {
			page := as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", fmt.Sprintf("workspaces?limit=2&offset=%d", offset), nil)
			Expect(page.Count).To(Equal(5))
			paged = append(paged, page.Workspaces...)
		}
		Expect(paged).To(Equal(whole.Workspaces))
		Expect(as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", "workspaces?offset=99", nil).Workspaces).To(BeEmpty())
	})

	It("refuses a bad page and a bad query, all at once", func(ctx SpecContext) {
		w := newWorld(ctx)
		refused(ctx, 400, w.ada, "GET", "workspaces?limit=-1", nil, "limit")
		refused(ctx, 400, w.ada, "GET", "workspaces?limit=ten&offset=-2&q="+url.QueryEscape(`foo:bar status:asleep a:b:c param:"=4"`), nil,
			"limit", "offset", "foo", "status", "q", "param")
		dev := w.workspace(ctx, w.ada, "dev")
		refused(ctx, 400, w.ada, "GET", "workspaces/"+dev.ID.String()+"?include_deleted=perhaps", nil, "include_deleted")
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", "workspaces/"+dev.ID.String()+"?include_deleted=true", nil).ID).To(Equal(dev.ID))
	})

	It("shows a workspace from a manifest with the build that is coming, under its final id", func(ctx SpecContext) {
		w := newWorld(ctx)
		object := given.Workspace(w.organization, "from-git", w.ada, "go-dev", func(o *v1alpha1.Workspace) { o.Spec.Name = "git" })
		create(ctx, object)
		shown := as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/me/workspace/git", nil)
		Expect(shown.LatestBuild.Status).To(Equal(codersdk.WorkspaceStatusPending))
		Expect(shown.LatestBuild.ID).To(Equal(ids.Build(ids.Of(object), 1)))
		Expect(as[codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", "workspacebuilds/"+shown.LatestBuild.ID.String(), nil)).To(Equal(shown.LatestBuild))
		Expect(as[[]codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", "workspaces/"+shown.ID.String()+"/builds", nil)).To(HaveLen(1))
	})

	It("leaves out what can't be shown whole: of no template, no owner, a taken name, a namespace of nobody", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := w.workspace(ctx, w.ada, "dev")
		create(ctx, given.Workspace(w.organization, "no-template", w.ada, "go-dve"))
		create(ctx, given.Workspace(w.organization, "no-version", w.ada, "broken"))
		create(ctx, given.Workspace(w.organization, "no-owner", "nobody-at-all", "go-dev"))
		create(ctx, given.Workspace("default", "elsewhere-"+w.ada, w.ada, "go-dev", func(o *v1alpha1.Workspace) { o.Spec.Name = "elsewhere" }))
		// The cluster tells ages apart by the second.
		made := w.object(ctx, w.ada, "dev").CreationTimestamp
		Eventually(func() time.Duration { return time.Since(made.Time) }).WithTimeout(5 * time.Second).Should(BeNumerically(">", time.Second))
		younger := given.Workspace(w.organization, "younger", w.ada, "go-dev", func(o *v1alpha1.Workspace) { o.Spec.Name = "DEV" })
		create(ctx, younger)
		Expect(search(ctx, w.ada, "")).To(Equal([]string{"dev"}), "the older one of two counts, also before the manager has said so")

		younger.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNameTaken, LastTransitionTime: metav1.Now(),
		}}
		Expect(env.Client.Status().Update(ctx, younger)).To(Succeed())
		seen(ctx, younger)
		Expect(search(ctx, w.ada, "")).To(Equal([]string{"dev"}))
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/me/workspace/dev", nil).ID).To(Equal(first.ID))
		refused(ctx, 404, w.ada, "GET", "workspaces/"+ids.Of(younger).String(), nil)
	})
})
