// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/testing/given"
)

// working is a workspace of the member's whose first build is at work and has said one line.
func (w *world) working(ctx context.Context) (ws *v1alpha1.Workspace, logs string) {
	GinkgoHelper()
	ws = given.Workspace(w.organization.Name, unique("dev"), w.member.Name, w.template.Name)
	Expect(env.Client.Create(ctx, ws)).To(Succeed())
	b := given.Build(ws, 1, v1alpha1.TransitionStart)
	Expect(env.Client.Create(ctx, b)).To(Succeed())
	before := b.DeepCopy()
	b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobRunning}
	b.Status.Log = joblog.Append(nil, joblog.Entryf(time.Now(), "Preparing", "begin", "begun"))
	Expect(env.Client.Status().Patch(ctx, b, client.MergeFrom(before))).To(Succeed())
	logs = "/api/v2/workspacebuilds/" + ids.Build(ids.Of(ws), 1).String() + "/logs"
	Eventually(func() string { return string(ask(ctx, w.member.session, "GET", logs, nil).Body) }).WithTimeout(10 * time.Second).Should(ContainSubstring("begun"))
	return ws, logs
}

// follow opens a followed log with a door's credentials.
func follow(ctx context.Context, d door, logs string) (*websocket.Conn, int) {
	GinkgoHelper()
	conn, response, err := websocket.Dial(ctx, strings.Replace(d.base, "http", "ws", 1)+logs+"?follow", &websocket.DialOptions{HTTPHeader: d.header})
	if response == nil {
		Expect(err).NotTo(HaveOccurred())
	}
	if conn != nil {
		DeferCleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	}
	return conn, response.StatusCode
}

var _ = Describe("A stream", func() {
	It("V 17: ends within seconds when its caller is suspended, signs out, or leaves the organization", func(ctx SpecContext) {
		for name, end := range map[string]func(w *world){
			"suspended": func(w *world) {
				Expect(env.Client.Patch(ctx, w.member.User, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`)))).To(Succeed())
			},
			"signed out": func(w *world) {
				Expect(ask(ctx, w.member.session, "POST", "/api/v2/users/logout", nil).Status).To(Equal(http.StatusOK))
			},
			"gone from the organization": func(w *world) {
				Expect(env.Client.Patch(ctx, w.member.User, client.RawPatch("application/merge-patch+json",
					[]byte(`{"spec":{"memberships":[{"organization":"`+w.stranger.Spec.Memberships[0].Organization+`"}]}}`)))).To(Succeed())
			},
		} {
			w := newWorld(ctx)
			_, logs := w.working(ctx)
			conn, status := follow(ctx, w.member.session, logs)
			Expect(status).To(Equal(http.StatusSwitchingProtocols), name)
			_, text, err := conn.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).To(ContainSubstring("begun"))
			end(w)
			limit, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, _, err = conn.Read(limit)
			cancel()
			Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusPolicyViolation), "%s: %v", name, err)
		}
	})

	It("V 17: ends by what another server did", func(ctx SpecContext) {
		other := start()
		for name, end := range map[string]func(w *world){
			"suspended": func(w *world) {
				Expect(ask(ctx, w.owner.session, "PUT", "/api/v2/users/"+w.member.Name+"/status/suspend", nil).Status).To(Equal(http.StatusOK))
			},
			"signed out": func(w *world) {
				Expect(ask(ctx, w.member.session, "POST", "/api/v2/users/logout", nil).Status).To(Equal(http.StatusOK))
			},
			"the key deleted": func(w *world) {
				id, _, _ := strings.Cut(w.member.session.header.Get("Coder-Session-Token"), "-")
				Expect(ask(ctx, w.owner.session, "DELETE", "/api/v2/users/"+w.member.Name+"/keys/"+id, nil).Status).To(Equal(http.StatusNoContent))
			},
			"a new password": func(w *world) {
				Expect(ask(ctx, w.owner.session, "PUT", "/api/v2/users/"+w.member.Name+"/password",
					codersdk.UpdateUserPasswordRequest{Password: "another long one"}).Status).To(Equal(http.StatusNoContent))
			},
			"the account deleted": func(w *world) {
				Expect(env.Client.Delete(ctx, w.member.User)).To(Succeed())
			},
		} {
			w := newWorld(ctx)
			_, logs := w.working(ctx)
			there := w.member.session
			there.base = sessionAt(other, "").base
			Eventually(func() int { return ask(ctx, there, "GET", logs, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(http.StatusOK))
			conn, status := follow(ctx, there, logs)
			Expect(status).To(Equal(http.StatusSwitchingProtocols), name)
			_, _, err := conn.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			end(w)
			limit, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, _, err = conn.Read(limit)
			cancel()
			Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusPolicyViolation), "%s: %v", name, err)
			Expect(me(ctx, there)).To(Equal(http.StatusUnauthorized), name)
		}
	})

	It("ends when the server stops", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, logs := w.working(ctx)
		other := start()
		d := w.member.session
		d.base = sessionAt(other, "").base
		conn, status := follow(ctx, d, logs)
		Expect(status).To(Equal(http.StatusSwitchingProtocols))
		_, _, err := conn.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		other.stop()
		_, _, err = conn.Read(ctx)
		Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusGoingAway))
	})
})
