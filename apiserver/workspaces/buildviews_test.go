// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/joblog"
)

// buildPath is the path of a workspace's build.
func buildPath(o *v1alpha1.Workspace, number int64) string {
	return "workspacebuilds/" + ids.Build(ids.Of(o), number).String()
}

// job does what the manager does to a build's job.
func job(ctx context.Context, o *v1alpha1.Workspace, number string, change func(*v1alpha1.WorkspaceBuildStatus)) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	b := &v1alpha1.WorkspaceBuild{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: o.Name + "-" + number}, b)).To(Succeed())
	if b.Status.Job == nil {
		b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobRunning}
	}
	change(&b.Status)
	Expect(env.Client.Status().Update(ctx, b)).To(Succeed())
	seen(ctx, b)
	return b
}

// says adds a line to a build's log.
func says(text string) func(*v1alpha1.WorkspaceBuildStatus) {
	return func(s *v1alpha1.WorkspaceBuildStatus) {
		s.Log = joblog.Append(s.Log, joblog.Entryf(time.Now(), "Starting", "", "%s", text))
	}
}

var _ = Describe("A build's views", func() {
	It("show its parameters, its resources, and an inventory that holds no secret", func(ctx SpecContext) {
		w, object, path := running(ctx)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start", RichParameterValues: append(values("cpu", "4"), values("reset", "true")...)})
		w.end(ctx, object, 2, v1alpha1.JobSucceeded)
		Expect(as[[]codersdk.WorkspaceBuildParameter](ctx, 200, w.ada, "GET", buildPath(object, 2)+"/parameters", nil)).To(Equal(
			[]codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: "4"}, {Name: "region", Value: "zurich"}, {Name: "reset", Value: "true"}}))
		shown := as[[]codersdk.WorkspaceResource](ctx, 200, w.ada, "GET", buildPath(object, 2)+"/resources", nil)
		Expect(shown).To(HaveLen(2))
		Expect(shown[1].Agents).To(HaveLen(1))

		object.Status.Pod = &v1alpha1.PodStatus{Name: "pod-1", UID: "u1"}
		Expect(env.Client.Status().Update(ctx, object)).To(Succeed())
		seen(ctx, object)
		state := as[map[string]any](ctx, 200, w.ada, "GET", buildPath(object, 2)+"/state", nil)
		Expect(state).To(And(HaveKeyWithValue("format", "berth.dev/inventory/v1"), HaveKeyWithValue("namespace", w.organization)))
		text, err := json.Marshal(state["objects"])
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(MatchJSON(`[{"kind":"PersistentVolumeClaim","resource":"home","dailyCost":1},{"kind":"Pod","resource":"pod","name":"pod-1","uid":"u1","dailyCost":5}]`))
		refused(ctx, 404, w.eve, "GET", buildPath(object, 2)+"/state", nil)
	})

	It("show a log in parts, and follow it from the first line to the end", func(ctx SpecContext) {
		w, object, path := running(ctx)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		logs := buildPath(object, 2) + "/logs"
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", logs, nil)).To(BeEmpty())

		conn, _, err := websocket.Dial(ctx, strings.Replace(server.URL, "http", "ws", 1)+"/api/v2/"+logs+"?follow", &websocket.DialOptions{HTTPHeader: http.Header{"Test-User": {w.ada}}})
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = conn.CloseNow() }() // it is closed by then
		next := func() codersdk.ProvisionerJobLog {
			GinkgoHelper()
			_, text, err := conn.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			var line codersdk.ProvisionerJobLog
			Expect(json.Unmarshal(text, &line)).To(Succeed())
			return line
		}
		job(ctx, object, "2", says("first"))
		Expect(next()).To(And(HaveField("ID", BeEquivalentTo(1)), HaveField("Output", "first"), HaveField("Level", codersdk.LogLevelInfo),
			HaveField("Source", codersdk.LogSourceProvisionerDaemon)))
		job(ctx, object, "2", says("second"))
		Expect(next().Output).To(Equal("second"))
		job(ctx, object, "2", func(s *v1alpha1.WorkspaceBuildStatus) { says("third")(s); s.Job.Phase = v1alpha1.JobSucceeded })
		Expect(next().Output).To(Equal("third"))
		_, _, err = conn.Read(ctx)
		Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusNormalClosure))
		after := as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", logs+"?after=1&before=3", nil)
		Expect(after).To(HaveExactElements(HaveField("Output", "second")))
		refused(ctx, 400, w.ada, "GET", logs+"?after=x", nil, "after")
		refused(ctx, 404, w.eve, "GET", logs, nil)
	})
})

var _ = Describe("Cancelling a build", func() {
	It("is a wish that is written once, and refused when there is nothing to cancel", func(ctx SpecContext) {
		w, object, path := running(ctx)
		message := func(user string, status int, number int64) string {
			return refused(ctx, status, user, "PATCH", buildPath(object, number)+"/cancel", nil).Message
		}
		Expect(message(w.ada, 400, 1)).To(Equal("Job has already completed!"))
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start"})
		refused(ctx, 404, w.eve, "PATCH", buildPath(object, 2)+"/cancel", nil)
		as[codersdk.Response](ctx, 200, w.ada, "PATCH", buildPath(object, 2)+"/cancel", nil)
		b := job(ctx, object, "2", func(*v1alpha1.WorkspaceBuildStatus) {})
		Expect(b.Spec.Cancel.By).To(Equal(w.ada))
		at, err := time.Parse(time.RFC3339Nano, b.Spec.Cancel.RequestedAt)
		Expect(err).NotTo(HaveOccurred())
		Expect(at).To(BeTemporally("~", time.Now(), time.Minute))
		shown := as[codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", buildPath(object, 2), nil)
		Expect(shown.Status).To(Equal(codersdk.WorkspaceStatusCanceling))
		Expect(message(w.ada, 400, 2)).To(Equal("Job has already been marked as canceled!"))

		w.end(ctx, object, 2, v1alpha1.JobCanceled)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		as[codersdk.Response](ctx, 200, w.ada, "PATCH", buildPath(object, 3)+"/cancel", nil)

		By("a stop and a deletion, until they have begun: what they take away is not brought back")
		for i, transition := range []codersdk.WorkspaceTransition{"stop", "delete"} {
			number := int64(4 + i)
			w.end(ctx, object, number-1, v1alpha1.JobCanceled)
			as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: transition})
			b := job(ctx, object, fmt.Sprint(number), func(*v1alpha1.WorkspaceBuildStatus) {})
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			object.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.Name), UID: b.UID}, Number: number}
			Expect(env.Client.Status().Update(ctx, object)).To(Succeed())
			seen(ctx, object)
			Expect(message(w.ada, 400, number)).To(ContainSubstring("has begun can't be taken back"))
		}
	})

	It("is forbidden where the template says so, but to its administrators", func(ctx SpecContext) {
		w, object, path := running(ctx)
		w.goDev.Spec.Lifecycle = &v1alpha1.Lifecycle{UserCancel: v1alpha1.PermissionForbid}
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		seen(ctx, w.goDev)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start"})
		refused(ctx, 403, w.ada, "PATCH", buildPath(object, 2)+"/cancel", nil)
		as[codersdk.Response](ctx, 200, w.admin, "PATCH", buildPath(object, 2)+"/cancel", nil)
	})

	It("asked for by many at once is written once", func(ctx SpecContext) {
		w, object, path := running(ctx)
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "start"})
		var wait sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wait.Go(func() {
				defer GinkgoRecover()
				answers[i] = ask(ctx, w.ada, "PATCH", buildPath(object, 2)+"/cancel", nil)
			})
		}
		wait.Wait()
		done := 0
		for _, a := range answers {
			Expect(a.status).To(BeElementOf(200, 400, 409), string(a.body))
			if a.status == 200 {
				done++
			}
		}
		Expect(done).To(Equal(1))
	})
})
