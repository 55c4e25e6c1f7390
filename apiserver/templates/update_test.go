// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/activity"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A template", func() {
	It("is changed by what is said, and loses what clients leave out because it is false or 0", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, _ := w.made(ctx, "dev", func(in *codersdk.CreateTemplateRequest) {
			in.DisplayName, in.Description, in.Icon = "Dev", "For all", "/icon/dev.svg"
			in.DefaultTTLMillis, in.RequireActiveVersion = 3600_000, true
			in.AutostopRequirement = &codersdk.TemplateAutostopRequirement{DaysOfWeek: []string{"sunday"}, Weeks: 3}
		})
		path := "templates/" + made.ID.String()
		changed := as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"name": "Dev2", "description": "", "allow_user_autostop": true,
			"time_til_dormant_ms": 1209600000, "autostart_requirement": {"days_of_week": ["monday"]}, "deprecation_message": "Use another"}`)
		Expect(changed.Name).To(Equal("Dev2"))
		Expect([]string{changed.DisplayName, changed.Description, changed.Icon}).To(Equal([]string{"Dev", "", "/icon/dev.svg"}))
		Expect([]bool{changed.AllowUserAutostart, changed.AllowUserAutostop, changed.AllowUserCancelWorkspaceJobs, changed.RequireActiveVersion}).
			To(Equal([]bool{false, true, false, false}))
		Expect([]int64{changed.DefaultTTLMillis, changed.TimeTilDormantMillis}).To(Equal([]int64{0, 1209600000}))
		Expect(changed.AutostopRequirement).To(Equal(codersdk.TemplateAutostopRequirement{DaysOfWeek: []string{"sunday"}, Weeks: 3}))
		Expect(changed.Deprecated).To(BeTrue())
		Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", w.path()+"/dev2", nil)).To(Equal(changed))
		refused(ctx, 404, w.ada, "GET", w.path()+"/dev", nil)

		By("saying the same again")
		same := `{"name": "Dev2", "display_name": "Dev", "allow_user_autostop": true, "time_til_dormant_ms": 1209600000,
			"autostop_requirement": {"days_of_week": ["sunday"], "weeks": 3}, "autostart_requirement": {"days_of_week": ["monday"]}}`
		version := w.live(ctx, "dev").ResourceVersion
		a := ask(ctx, w.admin, "PATCH", path, same)
		Expect(a.status).To(Equal(304))
		Expect(a.body).To(BeEmpty())
		Expect(w.live(ctx, "dev").ResourceVersion).To(Equal(version))

		By("taking the deprecation back, and everybody's access")
		shut := as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"deprecation_message": "", "disable_everyone_group_access": true}`)
		Expect(shut.Deprecated).To(BeFalse())
		refused(ctx, 404, w.ada, "GET", path, nil)
		Expect(w.live(ctx, "dev").Spec.Access).To(BeEmpty())
	})

	It("is not changed by what is wrong", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		w.made(ctx, "other")
		path := "templates/" + made.ID.String()
		for name, c := range map[string]struct {
			body   string
			fields []string
		}{
			"a name":        {`{"name": "a--b"}`, []string{"name"}},
			"times":         {`{"default_ttl_ms": -1, "failure_ttl_ms": 9223372036854775807}`, []string{"default_ttl_ms", "failure_ttl_ms"}},
			"more than max": {`{"default_ttl_ms": 2000, "max_ttl_ms": 1000}`, []string{"default_ttl_ms"}},
			"texts": {`{"display_name": "` + strings.Repeat("x", 65) + `", "description": "` + strings.Repeat("x", 1025) + `", "deprecation_message": "` + strings.Repeat("x", 1025) + `"}`,
				[]string{"display_name", "description", "deprecation_message"}},
			"days": {`{"autostop_requirement": {"days_of_week": ["Monday"]}, "autostart_requirement": {"days_of_week": []}}`,
				[]string{"autostop_requirement.days_of_week", "autostart_requirement.days_of_week"}},
			"weeks":  {`{"autostop_requirement": {"days_of_week": [], "weeks": -1}}`, []string{"autostop_requirement.weeks"}},
			"a type": {`{"default_ttl_ms": "1h"}`, []string{"default_ttl_ms"}},
		} {
			By(name)
			refused(ctx, 400, w.admin, "PATCH", path, c.body, c.fields...)
		}
		refused(ctx, 409, w.admin, "PATCH", path, `{"name": "OTHER"}`, "name")
		refused(ctx, 403, w.ada, "PATCH", path, `{"description": "x"}`)
		refused(ctx, 404, newWorld(ctx).admin, "PATCH", path, `{"description": "x"}`)
		Expect(w.live(ctx, "dev").ResourceVersion).To(Equal(t.ResourceVersion))
	})

	It("begins anew, once, what is measured from its workspaces' use", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		awake := w.workspace(ctx, t, "awake")
		asleep := w.workspace(ctx, t, "asleep", func(ws *v1alpha1.Workspace) {
			ws.Annotations = map[string]string{"berth.dev/dormant-since": "2025-01-01T00:00:00Z"}
		})
		_, another := w.made(ctx, "another")
		foreign := w.workspace(ctx, another, "foreign")
		start := time.Now().Add(-time.Second)
		path := "templates/" + made.ID.String()
		kept := `"allow_user_autostart": true, "allow_user_autostop": true, "allow_user_cancel_workspace_jobs": true`
		as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"update_workspace_last_used_at": true, `+kept+`}`)
		now := func(ws *v1alpha1.Workspace) *v1alpha1.Workspace {
			GinkgoHelper()
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(ws), ws)).To(Succeed())
			return ws
		}
		for _, ws := range []*v1alpha1.Workspace{awake, asleep} {
			Expect(now(ws).Status.LastUsedAt).NotTo(BeNil())
			Expect(ws.Status.LastUsedAt.Time).To(BeTemporally(">=", start.Truncate(time.Second)))
		}
		Expect(asleep.Annotations["berth.dev/dormant-since"]).To(Equal("2025-01-01T00:00:00Z"))
		Expect(now(foreign).Status.LastUsedAt).To(BeNil())

		as[codersdk.Template](ctx, 200, w.admin, "PATCH", path, `{"update_workspace_dormant_at": true, `+kept+`}`)
		since, err := time.Parse(time.RFC3339, now(asleep).Annotations["berth.dev/dormant-since"])
		Expect(err).NotTo(HaveOccurred())
		Expect(since).To(BeTemporally(">=", start.Truncate(time.Second)))
		Expect(now(awake).Annotations).NotTo(HaveKey("berth.dev/dormant-since"))
	})

	It("is deleted when nothing uses it, and its name is free again", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		w.settle(ctx, t)
		path := "templates/" + made.ID.String()
		ws := w.workspace(ctx, t, "user")
		r := refused(ctx, 400, w.admin, "DELETE", path, nil)
		Expect(r.Message).To(Equal("All workspaces must be deleted before a template can be removed."))
		refused(ctx, 403, w.ada, "DELETE", path, nil)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		Eventually(func() error { return objects.Client().Get(ctx, client.ObjectKeyFromObject(ws), ws) }).WithContext(ctx).ShouldNot(Succeed())

		as[codersdk.Response](ctx, 200, w.admin, "DELETE", path, nil)
		refused(ctx, 404, w.admin, "GET", path, nil)
		Expect(as[[]codersdk.Template](ctx, 200, w.admin, "GET", w.path(), nil)).To(BeEmpty())
		Expect(w.live(ctx, "dev").DeletionTimestamp).NotTo(BeNil(), "the manager's finalizer is still there")

		By("a new one of the name, which waits until the manager has let the old one go")
		v := w.uploaded(ctx, "anew", v1alpha1.JobSucceeded)
		go func() {
			defer GinkgoRecover()
			_, err := w.manager().Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(t)})
			Expect(err).NotTo(HaveOccurred())
		}()
		again := as[codersdk.Template](ctx, 201, w.admin, "POST", w.path(), codersdk.CreateTemplateRequest{Name: "dev", VersionID: ids.Of(v)})
		Expect(again.ID).NotTo(Equal(made.ID))
	})

	It("tells how long its builds took, as the kept ones say", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		path := "templates/" + made.ID.String()
		none := as[codersdk.Template](ctx, 200, w.ada, "GET", path, nil).BuildTimeStats
		Expect(none).To(HaveLen(3))
		Expect(none["start"]).To(Equal(codersdk.TransitionStats{}))
		ws := w.workspace(ctx, t, "user")
		v := &v1alpha1.TemplateVersion{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: "dev-one"}, v)).To(Succeed())
		first := &v1alpha1.WorkspaceBuild{}
		for i := range 20 {
			b := given.Build(ws, int64(i+1), v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
				b.Spec.VersionRef = &v1alpha1.UIDReference{Name: "dev-one", UID: v.UID}
			})
			w.create(ctx, b)
			started := metav1.NewTime(time.Now().Truncate(time.Second))
			ended := metav1.NewTime(started.Add(time.Duration(i+1) * time.Second))
			b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: &started, CompletedAt: &ended}
			if i == 5 {
				b.Status.Job.Phase = v1alpha1.JobFailed
			}
			Expect(env.Client.Status().Update(ctx, b)).To(Succeed())
			seen(ctx, b)
			if i == 0 {
				first = b
			}
		}
		stats := func() map[string]int64 {
			s := as[codersdk.Template](ctx, 200, w.ada, "GET", path, nil).BuildTimeStats
			if s["start"].P50 == nil {
				return nil
			}
			return map[string]int64{"P50": *s["start"].P50, "P95": *s["start"].P95}
		}
		// An object reaches the cache a moment before those who follow it.
		Eventually(stats).WithContext(ctx).Should(Equal(map[string]int64{"P50": 11_000, "P95": 20_000}))
		Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", path, nil).BuildTimeStats["stop"]).To(Equal(codersdk.TransitionStats{}))

		By("builds that are kept no longer")
		Expect(env.Client.Delete(ctx, first)).To(Succeed())
		Eventually(stats).WithContext(ctx).Should(Equal(map[string]int64{"P50": 11_000, "P95": 20_000}))
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(w.organization))).To(Succeed())
		Eventually(stats).WithContext(ctx).Should(BeNil())
	})
})

var _ = Describe("The cluster's own policy over templates in use", Serial, func() {
	It("says on the wire what the API says itself", func(ctx SpecContext) {
		text, err := os.ReadFile(filepath.Join(cluster.Root(), "config", "policies", "template-in-use.yaml"))
		Expect(err).NotTo(HaveOccurred())
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			u := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal(document, &u.Object)).To(Succeed())
			Expect(env.Client.Create(ctx, u)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
		}
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		By("a count that the manager has not brought up to date")
		t.Status.Workspaces = 1
		Expect(env.Client.Status().Update(ctx, t)).To(Succeed())
		seen(ctx, t)
		Eventually(func() error { return env.Client.Delete(ctx, t, client.DryRunAll) }).WithContext(ctx).WithTimeout(20 * time.Second).
			Should(MatchError(ContainSubstring("cannot be deleted")))
		r := refused(ctx, 400, w.admin, "DELETE", "templates/"+made.ID.String(), nil)
		Expect(r.Message).To(Equal("All workspaces must be deleted before a template can be removed."))
		Expect(r.Detail).To(ContainSubstring("1 workspace uses it"))
	})
})

var _ = Describe("The people who use a template", func() {
	It("are counted alike by every replica, from what the manager records", func(ctx SpecContext) {
		w := newWorld(ctx)
		made, t := w.made(ctx, "dev")
		path := "templates/" + made.ID.String()
		Expect(made.ActiveUserCount).To(Equal(-1), "nobody knows yet")
		Expect(as[codersdk.DAUsResponse](ctx, 200, w.ada, "GET", path+"/daus", nil).Entries).To(BeEmpty())

		ws := w.workspace(ctx, t, "used")
		ws.Status.LastUsedAt = &metav1.Time{Time: time.Now()}
		Expect(env.Client.Status().Update(ctx, ws)).To(Succeed())
		r := &activity.Reconciler{Client: w.Journal, Namespace: berthNamespace, Clock: clock.RealClock{}}
		_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(t)})
		Expect(err).NotTo(HaveOccurred())
		for i := range replicas {
			Eventually(func(g Gomega) {
				var shown codersdk.Template
				g.Expect(json.Unmarshal(askAt(ctx, replicas[i], w.ada, "GET", path, nil).body, &shown)).To(Succeed())
				g.Expect(shown.ActiveUserCount).To(Equal(1))
			}).WithContext(ctx).Should(Succeed())
			var days codersdk.DAUsResponse
			Expect(json.Unmarshal(askAt(ctx, replicas[i], w.ada, "GET", path+"/daus?tz_offset=-5", nil).body, &days)).To(Succeed())
			Expect(days.Entries).To(HaveLen(60))
			Expect(days.TZHourOffset).To(BeZero())
			sum := 0
			for n, e := range days.Entries {
				Expect(e.Date).To(Equal(days.Entries[0].Date.AddDate(0, 0, n)))
				sum += e.Amount
			}
			Expect(sum).To(Equal(1))
		}
		refused(ctx, 400, w.ada, "GET", path+"/daus?tz_offset=15", nil, "tz_offset")
		refused(ctx, 404, newWorld(ctx).ada, "GET", path+"/daus", nil)
	})
})
