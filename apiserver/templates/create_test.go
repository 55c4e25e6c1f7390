// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A new template", func() {
	It("is there at once, whole, and the manager comes to the same", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := w.uploaded(ctx, "first", v1alpha1.JobSucceeded)
		in := codersdk.CreateTemplateRequest{
			Name: "Go-Dev", DisplayName: "Go", Description: "For Go", Icon: "/icon/go.svg", VersionID: ids.Of(v),
			DefaultTTLMillis: 8 * 3600_000, MaxTTLMillis: 24 * 3600_000, FailureTTLMillis: 60_000, DormantTTLMillis: 1209600_000, DeleteTTLMillis: 90_500,
			AutostartRequirement: &codersdk.TemplateAutostartRequirement{DaysOfWeek: []string{"friday", "monday"}},
			AllowUserAutostart:   new(false), AllowUserAutostop: new(true), RequireActiveVersion: true,
		}
		made := as[codersdk.Template](ctx, 201, w.admin, "POST", w.path(), in)
		for _, path := range []string{"templates/" + made.ID.String(), w.path() + "/go-dev"} {
			Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", path, nil)).To(Equal(made))
		}
		Expect(made.Name).To(Equal("Go-Dev"))
		Expect(made.ActiveVersionID).To(Equal(ids.Of(v)))
		Expect(made.CreatedByName).To(Equal(w.admin))
		Expect([]int64{made.DefaultTTLMillis, made.MaxTTLMillis, made.FailureTTLMillis, made.TimeTilDormantMillis, made.TimeTilDormantAutoDeleteMillis}).
			To(Equal([]int64{8 * 3600_000, 24 * 3600_000, 60_000, 1209600_000, 90_500}))
		Expect(made.UseMaxTTL).To(BeTrue())
		Expect(made.AutostartRequirement.DaysOfWeek).To(Equal([]string{"monday", "friday"}))
		Expect([]bool{made.AllowUserAutostart, made.AllowUserAutostop, made.AllowUserCancelWorkspaceJobs, made.RequireActiveVersion}).To(Equal([]bool{false, true, true, true}))

		t := w.live(ctx, "go-dev")
		Expect(t.Spec.Content).To(BeNil())
		Expect(t.Spec.Rollout).To(Equal(&v1alpha1.Rollout{Strategy: v1alpha1.RolloutManual, Pin: "first"}))
		bound := as[codersdk.TemplateVersion](ctx, 200, w.ada, "GET", "templateversions/"+ids.Of(v).String(), nil)
		Expect(*bound.TemplateID).To(Equal(made.ID))

		w.settle(ctx, t)
		Expect(t.Status.ActiveVersion.UID).To(Equal(v.UID))
		after := as[codersdk.Template](ctx, 200, w.ada, "GET", "templates/"+made.ID.String(), nil)
		after.UpdatedAt = made.UpdatedAt
		Expect(after).To(Equal(made))
	})

	It("is seen as the one that kubectl applied with the same words", func(ctx SpecContext) {
		w := newWorld(ctx)
		byAPI, _ := w.made(ctx, "api", func(in *codersdk.CreateTemplateRequest) {
			in.DisplayName, in.DefaultTTLMillis = "Same", 3600_000
			in.AutostopRequirement = &codersdk.TemplateAutostopRequirement{DaysOfWeek: []string{"saturday"}, Weeks: 2}
		})
		manifest := `{"apiVersion": "berth.dev/v1alpha1", "kind": "Template", "metadata": {"name": "kubectl", "namespace": "` + w.organization + `"},
			"spec": {"displayName": "Same", "access": [{"kind": "Everyone", "role": "Use"}], "content": {"image": "registry.example/base:24.04"},
			"lifecycle": {"autostopAfter": "60m", "autostopRequirement": {"daysOfWeek": ["Saturday"], "weeks": 2}}}}`
		applyAs(ctx, "kubectl", manifest)
		t := w.live(ctx, "kubectl")
		w.settle(ctx, t)
		var all v1alpha1.TemplateVersionList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
		for i := range all.Items {
			if v := &all.Items[i]; v.Status.Job == nil {
				w.check(ctx, v, v1alpha1.JobSucceeded)
			}
		}
		w.settle(ctx, t)

		By("changing both, one by the API and the other by kubectl")
		as[codersdk.Template](ctx, 200, w.admin, "PATCH", "templates/"+byAPI.ID.String(), `{"display_name": "Changed", "default_ttl_ms": 7200000,
			"allow_user_autostart": true, "allow_user_autostop": true, "allow_user_cancel_workspace_jobs": true}`)
		applyAs(ctx, "kubectl", strings.NewReplacer(`"Same"`, `"Changed"`, `"60m"`, `"2h"`).Replace(manifest))
		seen(ctx, w.live(ctx, "kubectl"))
		one := as[codersdk.Template](ctx, 200, w.ada, "GET", w.path()+"/api", nil)
		other := as[codersdk.Template](ctx, 200, w.ada, "GET", w.path()+"/kubectl", nil)
		other.ID, other.Name, other.ActiveVersionID, other.CreatedAt, other.UpdatedAt = one.ID, one.Name, one.ActiveVersionID, one.CreatedAt, one.UpdatedAt
		other.CreatedByID, other.CreatedByName = one.CreatedByID, one.CreatedByName
		Expect(other).To(Equal(one))
		Expect(one.DisplayName).To(Equal("Changed"))
	})

	It("is refused by every field that is wrong, and nothing is made", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := w.uploaded(ctx, "v", v1alpha1.JobSucceeded)
		good := codersdk.CreateTemplateRequest{Name: "x", VersionID: ids.Of(v)}
		day := []string{"someday"}
		for name, c := range map[string]struct {
			change func(*codersdk.CreateTemplateRequest)
			fields []string
		}{
			"no name":         {func(in *codersdk.CreateTemplateRequest) { in.Name = "" }, []string{"name"}},
			"a long name":     {func(in *codersdk.CreateTemplateRequest) { in.Name = strings.Repeat("x", 33) }, []string{"name"}},
			"a name as path":  {func(in *codersdk.CreateTemplateRequest) { in.Name = "../x" }, []string{"name"}},
			"a word":          {func(in *codersdk.CreateTemplateRequest) { in.Name = "New" }, []string{"name"}},
			"no version":      {func(in *codersdk.CreateTemplateRequest) { in.VersionID = uuid.Nil }, []string{"template_version_id"}},
			"a display name":  {func(in *codersdk.CreateTemplateRequest) { in.DisplayName = strings.Repeat("ü", 65) }, []string{"display_name"}},
			"blanks":          {func(in *codersdk.CreateTemplateRequest) { in.DisplayName = " x" }, []string{"display_name"}},
			"a description":   {func(in *codersdk.CreateTemplateRequest) { in.Description = strings.Repeat("x", 128) }, []string{"description"}},
			"an icon":         {func(in *codersdk.CreateTemplateRequest) { in.Icon = strings.Repeat("x", 8193) }, []string{"icon"}},
			"times below 0":   {func(in *codersdk.CreateTemplateRequest) { in.DefaultTTLMillis, in.DeleteTTLMillis = -1, -1 }, []string{"default_ttl_ms", "delete_ttl_ms"}},
			"a time too long": {func(in *codersdk.CreateTemplateRequest) { in.DormantTTLMillis = 1 << 60 }, []string{"dormant_ttl_ms"}},
			"beyond the max":  {func(in *codersdk.CreateTemplateRequest) { in.DefaultTTLMillis, in.MaxTTLMillis = 2000, 1000 }, []string{"default_ttl_ms"}},
			"weeks": {func(in *codersdk.CreateTemplateRequest) {
				in.AutostopRequirement = &codersdk.TemplateAutostopRequirement{Weeks: 17}
			},
				[]string{"autostop_requirement.weeks"}},
			"days": {func(in *codersdk.CreateTemplateRequest) {
				in.AutostopRequirement = &codersdk.TemplateAutostopRequirement{DaysOfWeek: day}
				in.AutostartRequirement = &codersdk.TemplateAutostartRequirement{DaysOfWeek: day}
			}, []string{"autostop_requirement.days_of_week", "autostart_requirement.days_of_week"}},
			"no day to start": {func(in *codersdk.CreateTemplateRequest) {
				in.AutostartRequirement = &codersdk.TemplateAutostartRequirement{}
			},
				[]string{"autostart_requirement.days_of_week"}},
			"everything": {func(in *codersdk.CreateTemplateRequest) { in.Name, in.MaxTTLMillis, in.VersionID = "a b", -5, uuid.Nil },
				[]string{"name", "max_ttl_ms", "template_version_id"}},
		} {
			in := good
			c.change(&in)
			By(name)
			refused(ctx, 400, w.admin, "POST", w.path(), in, c.fields...)
		}
		refused(ctx, 400, w.admin, "POST", w.path(), `{"name": "x", "template_version_id": "1"}`, "template_version_id")
		refused(ctx, 404, w.ada, "POST", w.path(), good)
		var all v1alpha1.TemplateList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
		Expect(all.Items).To(BeEmpty())
	})

	It("is not made of a version that is unknown, foreign, taken, archived, failed or unfinished", func(ctx SpecContext) {
		w, other := newWorld(ctx), newWorld(ctx)
		_, t := w.made(ctx, "there")
		try := func(status int, id uuid.UUID) codersdk.Response {
			GinkgoHelper()
			return refused(ctx, status, w.admin, "POST", w.path(), codersdk.CreateTemplateRequest{Name: "x", VersionID: id}, "template_version_id")
		}
		unknown := try(404, absent())
		Expect(try(404, ids.Of(other.uploaded(ctx, "theirs", v1alpha1.JobSucceeded)))).To(Equal(unknown))
		try(400, ids.Of(w.version(ctx, t, "taken", v1alpha1.JobSucceeded)))
		try(400, ids.Of(w.uploaded(ctx, "archived", v1alpha1.JobSucceeded, func(v *v1alpha1.TemplateVersion) { v.Spec.Archived = true })))
		try(400, ids.Of(w.uploaded(ctx, "failed", v1alpha1.JobFailed)))
		try(412, ids.Of(w.uploaded(ctx, "checking", v1alpha1.JobRunning)))
	})

	It("has its name to itself, whoever else asks at the same time on whichever replica", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, given.Template(w.organization, "by-hand", func(t *v1alpha1.Template) { t.Spec.Name = "Taken" }))
		v := w.uploaded(ctx, "late", v1alpha1.JobSucceeded)
		refused(ctx, 409, w.admin, "POST", w.path(), codersdk.CreateTemplateRequest{Name: "tAKEN", VersionID: ids.Of(v)}, "name")
		refused(ctx, 409, w.admin, "POST", w.path(), codersdk.CreateTemplateRequest{Name: "by-hand", VersionID: ids.Of(v)}, "name")

		By("eight at once, by two spellings")
		requests := make([]codersdk.CreateTemplateRequest, 8)
		for i := range requests {
			requests[i] = codersdk.CreateTemplateRequest{Name: []string{"race", "RACE"}[i%2], VersionID: ids.Of(w.uploaded(ctx, "v"+itoa(i), v1alpha1.JobSucceeded))}
			knownAt(ctx, 1, w.admin, "templateversions/"+requests[i].VersionID.String())
		}
		statuses := atOnce(len(requests), func(i int) int {
			return askAt(ctx, replicas[i%2], w.admin, "POST", w.path(), requests[i]).status
		})
		Expect(statuses[201]).To(Equal(1), "%v", statuses)
		Expect(statuses[409]).To(Equal(7), "%v", statuses)

		By("two renamed to one name at once, again and again")
		one, _ := w.made(ctx, "one")
		two, _ := w.made(ctx, "two")
		knownAt(ctx, 1, w.admin, "templates/"+two.ID.String())
		knownAt(ctx, 1, w.admin, "templates/"+one.ID.String())
		for round := range 5 {
			paths := []string{"templates/" + one.ID.String(), "templates/" + two.ID.String()}
			statuses := atOnce(2, func(i int) int {
				return askAt(ctx, replicas[i], w.admin, "PATCH", paths[i], map[string]any{"name": "both-" + itoa(round)}).status
			})
			Expect(statuses[200]).To(Equal(1), "%v", statuses)
			Expect(statuses[409]).To(Equal(1), "%v", statuses)
		}
	})

	It("can't be made by a person who may not, and leaves nothing when its version is lost to another", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := w.uploaded(ctx, "v", v1alpha1.JobSucceeded)
		statuses := atOnce(4, func(i int) int {
			return ask(ctx, w.admin, "POST", w.path(), codersdk.CreateTemplateRequest{Name: "t" + itoa(i), VersionID: ids.Of(v)}).status
		})
		Expect(statuses[201]).To(Equal(1), "%v", statuses)
		var all v1alpha1.TemplateList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
		Expect(all.Items).To(HaveLen(1))
	})
})

var _ = Describe("The examples", func() {
	It("are shown to members of the organization, with all that a client shows", func(ctx SpecContext) {
		w := newWorld(ctx)
		all := as[[]codersdk.TemplateExample](ctx, 200, w.ada, "GET", w.path()+"/examples", nil)
		Expect(all).To(HaveLen(5))
		for _, e := range all {
			Expect(e.Name).NotTo(BeEmpty())
			Expect(e.Markdown).To(HavePrefix("# "))
			Expect(e.Tags).NotTo(BeEmpty())
		}
		refused(ctx, 404, newWorld(ctx).ada, "GET", w.path()+"/examples", nil)
	})
})

// atOnce does something so many times at once, and counts the statuses.
func atOnce(times int, do func(i int) int) map[int]int {
	var mu sync.Mutex
	var wait sync.WaitGroup
	statuses := map[int]int{}
	for i := range times {
		wait.Go(func() {
			defer GinkgoRecover()
			status := do(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wait.Wait()
	return statuses
}

// knownAt waits until a replica answers a path.
func knownAt(ctx SpecContext, replica int, user, path string) {
	GinkgoHelper()
	Eventually(func() int { return askAt(ctx, replicas[replica], user, "GET", path, nil).status }).WithContext(ctx).Should(Equal(http.StatusOK))
}

func itoa(n int) string {
	text, err := json.Marshal(n)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}
