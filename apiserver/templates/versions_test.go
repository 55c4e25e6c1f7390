// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"strings"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("The versions of a template", func() {
	It("are promoted by the API, which shows it at once, and the manager follows", func(ctx SpecContext) {
		w, foreign := newWorld(ctx), newWorld(ctx)
		made, t := w.made(ctx, "dev")
		_, other := w.made(ctx, "other")
		w.settle(ctx, t)
		path := "templates/" + made.ID.String()
		second := w.version(ctx, t, "second", v1alpha1.JobSucceeded)
		try := func(status int, id uuid.UUID) codersdk.Response {
			GinkgoHelper()
			return refused(ctx, status, w.admin, "PATCH", path+"/versions", codersdk.UpdateActiveTemplateVersion{ID: id}, "id")
		}
		unknown := try(404, absent())
		_, theirs := foreign.made(ctx, "theirs")
		Expect(try(404, ids.Of(foreign.version(ctx, theirs, "v", v1alpha1.JobSucceeded)))).To(Equal(unknown))
		try(400, ids.Of(w.version(ctx, other, "of-other", v1alpha1.JobSucceeded)))
		try(400, ids.Of(w.uploaded(ctx, "unbound", v1alpha1.JobSucceeded)))
		try(400, ids.Of(w.version(ctx, t, "failed", v1alpha1.JobFailed)))
		try(400, ids.Of(w.version(ctx, t, "put-away", v1alpha1.JobSucceeded, func(v *v1alpha1.TemplateVersion) { v.Spec.Archived = true })))
		try(412, ids.Of(w.version(ctx, t, "checking", v1alpha1.JobRunning)))
		refused(ctx, 403, w.ada, "PATCH", path+"/versions", codersdk.UpdateActiveTemplateVersion{ID: ids.Of(second)})
		Expect(w.live(ctx, "dev").Spec.Rollout.Pin).To(Equal(v1alpha1.ObjectName("dev-one")))

		as[codersdk.Response](ctx, 200, w.admin, "PATCH", path+"/versions", codersdk.UpdateActiveTemplateVersion{ID: ids.Of(second)})
		Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", path, nil).ActiveVersionID).To(Equal(ids.Of(second)))
		ws := as[codersdk.Workspace](ctx, 201, w.ada, "POST", "organizations/"+w.organization+"/members/me/workspaces",
			codersdk.CreateWorkspaceRequest{Name: "mine", TemplateID: made.ID})
		Expect(ws.LatestBuild.TemplateVersionID).To(Equal(ids.Of(second)))
		w.settle(ctx, t)
		Expect(t.Status.ActiveVersion.UID).To(Equal(second.UID))

		By("but not past a hold")
		t.Spec.Hold = &v1alpha1.TemplateHold{Version: "second", Until: time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
		Expect(env.Client.Update(ctx, t)).To(Succeed())
		seen(ctx, t)
		r := refused(ctx, 409, w.admin, "PATCH", path+"/versions", codersdk.UpdateActiveTemplateVersion{ID: made.ActiveVersionID})
		Expect(r.Message).To(ContainSubstring("held at version second"))
	})

	It("are found by name, and each by the one that came after", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		at := func(n int) func(*v1alpha1.TemplateVersion) {
			return func(v *v1alpha1.TemplateVersion) {
				v.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: time.Now().Add(time.Duration(n) * time.Minute).UTC().Format(time.RFC3339Nano)}
			}
		}
		second := w.version(ctx, t, "second", v1alpha1.JobSucceeded, at(1), func(v *v1alpha1.TemplateVersion) { v.Spec.Name, v.Spec.Archived = "V2.0", true })
		third := w.version(ctx, t, "third", v1alpha1.JobFailed, at(2))
		for _, path := range []string{w.path() + "/dev/versions/", "templates/" + made.ID.String() + "/versions/"} {
			found := as[codersdk.TemplateVersion](ctx, 200, w.ada, "GET", path+"v2.0", nil)
			Expect(found.ID).To(Equal(ids.Of(second)))
			refused(ctx, 404, w.ada, "GET", path+"second", nil)
			refused(ctx, 404, newWorld(ctx).ada, "GET", path+"v2.0", nil)
		}
		before := func(name string) codersdk.TemplateVersion {
			GinkgoHelper()
			return as[codersdk.TemplateVersion](ctx, 200, w.ada, "GET", w.path()+"/dev/versions/"+name+"/previous", nil)
		}
		Expect(before(third.Name).ID).To(Equal(ids.Of(second)))
		Expect(before("V2.0").ID).To(Equal(made.ActiveVersionID))
		refused(ctx, 404, w.ada, "GET", w.path()+"/dev/versions/dev-one/previous", nil)
		refused(ctx, 404, w.ada, "GET", w.path()+"/dev/versions/none/previous", nil)
	})

	It("take another name or message, and nothing else", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, t := w.made(ctx, "dev")
		v := w.version(ctx, t, "second", v1alpha1.JobSucceeded)
		w.version(ctx, t, "third", v1alpha1.JobSucceeded)
		path := "templateversions/" + ids.Of(v).String()
		changed := as[codersdk.TemplateVersion](ctx, 200, w.admin, "PATCH", path, `{"name": "V2", "message": "Better"}`)
		Expect([]string{changed.Name, changed.Message}).To(Equal([]string{"V2", "Better"}))
		Expect(as[codersdk.TemplateVersion](ctx, 200, w.ada, "GET", path, nil)).To(Equal(changed))
		kept := as[codersdk.TemplateVersion](ctx, 200, w.admin, "PATCH", path, `{}`)
		Expect(kept).To(Equal(changed))
		Expect(as[codersdk.TemplateVersion](ctx, 200, w.admin, "PATCH", path, `{"message": ""}`).Message).To(BeEmpty())

		refused(ctx, 409, w.admin, "PATCH", path, `{"name": "THIRD"}`, "name")
		refused(ctx, 400, w.admin, "PATCH", path, `{"name": "a b", "message": "`+strings.Repeat("x", 1049)+`"}`, "name", "message")
		refused(ctx, 400, w.admin, "PATCH", path, `{"name": "`+strings.Repeat("x", 65)+`"}`, "name")
		refused(ctx, 403, w.ada, "PATCH", path, `{"name": "mine"}`)
		loose := w.uploaded(ctx, "loose", v1alpha1.JobSucceeded)
		Expect(as[codersdk.TemplateVersion](ctx, 200, w.admin, "PATCH", "templateversions/"+ids.Of(loose).String(), `{"name": "v2"}`).Name).To(Equal("v2"))
		refused(ctx, 404, w.ada, "PATCH", "templateversions/"+ids.Of(loose).String(), `{"name": "v3"}`)

		By("two to one name at once")
		var paths []string
		for _, name := range []string{"fourth", "fifth"} {
			paths = append(paths, "templateversions/"+ids.Of(w.version(ctx, t, name, v1alpha1.JobSucceeded)).String())
			knownAt(ctx, 1, w.admin, paths[len(paths)-1])
		}
		statuses := atOnce(2, func(i int) int {
			return askAt(ctx, replicas[i], w.admin, "PATCH", paths[i], `{"name": "both"}`).status
		})
		Expect(statuses).To(Equal(map[int]int{200: 1, 409: 1}))
	})

	It("are put away and brought back, but for the active one", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		v := w.version(ctx, t, "second", v1alpha1.JobSucceeded)
		path := "templateversions/" + ids.Of(v).String()
		list := "templates/" + made.ID.String() + "/versions"
		refused(ctx, 403, w.ada, "POST", path+"/archive", nil)
		as[codersdk.Response](ctx, 200, w.admin, "POST", path+"/archive", nil)
		as[codersdk.Response](ctx, 200, w.admin, "POST", path+"/archive", nil)
		Expect(as[[]codersdk.TemplateVersion](ctx, 200, w.ada, "GET", list, nil)).To(HaveLen(1))
		refused(ctx, 400, w.admin, "PATCH", list, codersdk.UpdateActiveTemplateVersion{ID: ids.Of(v)}, "id")
		as[codersdk.Response](ctx, 200, w.admin, "POST", path+"/unarchive", nil)
		Expect(as[[]codersdk.TemplateVersion](ctx, 200, w.ada, "GET", list, nil)).To(HaveLen(2))
		r := refused(ctx, 400, w.admin, "POST", "templateversions/"+made.ActiveVersionID.String()+"/archive", nil)
		Expect(r.Message).To(ContainSubstring("active version"))
	})

	It("are put away all at once where nothing needs them", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		version := func(name string, phase v1alpha1.JobPhase) *v1alpha1.TemplateVersion {
			return w.version(ctx, t, name, phase)
		}
		failed, spare, checking := version("failed", v1alpha1.JobFailed), version("spare", v1alpha1.JobSucceeded), version("checking", v1alpha1.JobRunning)
		kept, left, wished := version("kept", v1alpha1.JobSucceeded), version("left", v1alpha1.JobSucceeded), version("wished", v1alpha1.JobSucceeded)
		w.workspace(ctx, t, "wishes", func(ws *v1alpha1.Workspace) { ws.Spec.VersionRef = &v1alpha1.NameReference{Name: "wished"} })
		ws := w.workspace(ctx, t, "builds")
		for i, v := range []*v1alpha1.TemplateVersion{left, kept} {
			w.create(ctx, given.Build(ws, int64(i+1), v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
				b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
			}))
		}
		b := &v1alpha1.WorkspaceBuild{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: "builds-2"}, b)).To(Succeed())
		ws.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: "builds-2", UID: b.UID}, Number: 2}
		Expect(env.Client.Status().Update(ctx, ws)).To(Succeed())
		seen(ctx, ws)

		path := "templates/" + made.ID.String() + "/versions/archive"
		refused(ctx, 403, w.ada, "POST", path, codersdk.ArchiveTemplateVersionsRequest{All: true})
		only := as[codersdk.ArchiveTemplateVersionsResponse](ctx, 200, w.admin, "POST", path, codersdk.ArchiveTemplateVersionsRequest{})
		Expect(only).To(Equal(codersdk.ArchiveTemplateVersionsResponse{TemplateID: made.ID, ArchivedIDs: []uuid.UUID{ids.Of(failed)}}))
		all := as[codersdk.ArchiveTemplateVersionsResponse](ctx, 200, w.admin, "POST", path, codersdk.ArchiveTemplateVersionsRequest{All: true})
		Expect(all.ArchivedIDs).To(ConsistOf(ids.Of(spare), ids.Of(left)))
		none := as[codersdk.ArchiveTemplateVersionsResponse](ctx, 200, w.admin, "POST", path, codersdk.ArchiveTemplateVersionsRequest{All: true})
		Expect(none.ArchivedIDs).To(BeEmpty())
		for _, v := range []*v1alpha1.TemplateVersion{checking, kept, wished} {
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(v), v)).To(Succeed())
			Expect(v.Spec.Archived).To(BeFalse(), v.Name)
		}
	})
})
