// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("Advisories", func() {
	It("V31 and V45: a foreign id is not there, in path and body, whatever is asked of it", func(ctx SpecContext) {
		mine, foreign := newWorld(ctx), newWorld(ctx)
		own, _ := mine.made(ctx, "own")
		theirs, t := foreign.made(ctx, "theirs")
		spare := foreign.version(ctx, t, "spare", v1alpha1.JobSucceeded)
		loose := foreign.uploaded(ctx, "loose", v1alpha1.JobSucceeded)
		before := foreign.versions(ctx)
		template, version, unbound := theirs.ID.String(), ids.Of(spare).String(), ids.Of(loose).String()
		for _, c := range []struct{ method, path, body string }{
			{"PATCH", "templates/" + template, `{"description": "mine"}`},
			{"DELETE", "templates/" + template, ""},
			{"PATCH", "templates/" + template + "/versions", `{"id": "` + version + `"}`},
			{"PATCH", "templates/" + own.ID.String() + "/versions", `{"id": "` + version + `"}`},
			{"POST", "templates/" + template + "/versions/archive", `{"all": true}`},
			{"GET", "templates/" + template + "/versions/spare", ""},
			{"PATCH", "templateversions/" + version, `{"name": "mine"}`},
			{"POST", "templateversions/" + version + "/archive", ""},
			{"POST", "templateversions/" + version + "/unarchive", ""},
			{"PATCH", "templateversions/" + unbound, `{"name": "mine"}`},
			{"POST", mine.path(), `{"name": "stolen", "template_version_id": "` + unbound + `"}`},
			{"POST", foreign.path(), `{"name": "planted", "template_version_id": "` + unbound + `"}`},
			{"GET", foreign.path() + "/theirs/versions/spare", ""},
			{"GET", foreign.path() + "/theirs/versions/spare/previous", ""},
			{"GET", foreign.path() + "/examples", ""},
		} {
			By(c.method + " " + c.path)
			there := as[codersdk.Response](ctx, 404, mine.admin, c.method, c.path, c.body)
			nowhere := strings.NewReplacer(template, absent().String(), version, absent().String(), unbound, absent().String(), foreign.organization, "nowhere")
			Expect(as[codersdk.Response](ctx, 404, mine.admin, c.method, nowhere.Replace(c.path), nowhere.Replace(c.body))).To(Equal(there))
		}
		Expect(foreign.versions(ctx)).To(Equal(before), "and nothing of it has changed")
	})

	It("V32: a template whose access list is empty lets in nobody but administrators", func(ctx SpecContext) {
		w := newWorld(ctx)
		shut, _ := w.made(ctx, "shut", func(in *codersdk.CreateTemplateRequest) { in.DisableEveryoneGroupAccess = true })
		Expect(w.live(ctx, "shut").Spec.Access).To(BeEmpty())
		refused(ctx, 404, w.ada, "GET", "templates/"+shut.ID.String(), nil)
		Expect(as[[]codersdk.Template](ctx, 200, w.ada, "GET", w.path(), nil)).To(BeEmpty())
		as[codersdk.Template](ctx, 200, w.admin, "GET", "templates/"+shut.ID.String(), nil)
	})
})

// versions are the resourceVersions of all that the organization's catalogue holds.
func (w *world) versions(ctx SpecContext) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	var templates v1alpha1.TemplateList
	var versions v1alpha1.TemplateVersionList
	Expect(env.Client.List(ctx, &templates, client.InNamespace(w.organization))).To(Succeed())
	Expect(env.Client.List(ctx, &versions, client.InNamespace(w.organization))).To(Succeed())
	for _, t := range templates.Items {
		all["template "+t.Name] = t.ResourceVersion
	}
	for _, v := range versions.Items {
		all["version "+v.Name] = v.ResourceVersion
	}
	return all
}
