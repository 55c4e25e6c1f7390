// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
)

// prompt is how soon a change must be told.
const prompt = 250 * time.Millisecond

// watcher follows a workspace as a client does.
type watcher struct {
	header http.Header
	lines  *bufio.Reader
	raw    bytes.Buffer
	states chan codersdk.Workspace
	last   chan codersdk.Response
	// leave ends the stream from the client's side, and waits until it has.
	leave func()
}

// watch opens the stream, and reads it until it ends.
func watch(ctx context.Context, user, path string) *watcher {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(ctx)
	DeferCleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v2/"+path, nil)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Test-User", user)
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(response.Body.Close)
	Expect(response.StatusCode).To(Equal(http.StatusOK))
	w := &watcher{header: response.Header, lines: bufio.NewReader(response.Body), states: make(chan codersdk.Workspace, 100), last: make(chan codersdk.Response, 1)}
	first, err := w.event()
	Expect(err).NotTo(HaveOccurred())
	Expect(first).To(Equal("ping"), "a client knows at once that it is heard")
	done := make(chan struct{})
	w.leave = func() {
		cancel()
		<-done
	}
	go func() {
		defer close(done)
		w.follow()
	}()
	return w
}

// follow passes on the states until the stream ends.
func (w *watcher) follow() {
	defer GinkgoRecover()
	for {
		event, err := w.event()
		if err != nil {
			return
		}
		kind, data, _ := strings.Cut(event, "\n")
		switch kind {
		case "data":
			var state codersdk.Workspace
			Expect(json.Unmarshal([]byte(data), &state)).To(Succeed())
			w.states <- state
		case "error":
			var why codersdk.Response
			Expect(json.Unmarshal([]byte(data), &why)).To(Succeed())
			w.last <- why
		}
	}
}

// event is the next event: its type, and behind a line break its data. It takes nothing but the form that clients read.
func (w *watcher) event() (string, error) {
	kind, err := w.line()
	if err != nil {
		return "", err
	}
	data, err := w.line()
	if err != nil || data == "" {
		return strings.TrimPrefix(kind, "event: "), err
	}
	if end, err := w.line(); err != nil || end != "" {
		return "", fmt.Errorf("an event of three lines: %q, %w", end, err)
	}
	return strings.TrimPrefix(kind, "event: ") + "\n" + strings.TrimPrefix(data, "data: "), nil
}

func (w *watcher) line() (string, error) {
	text, err := w.lines.ReadString('\n')
	w.raw.WriteString(text)
	return strings.TrimSuffix(text, "\n"), err
}

// next is the state that comes within the time that a change may take.
func (w *watcher) next(ctx context.Context, about string, after func(codersdk.Workspace) bool) {
	GinkgoHelper()
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		select {
		case state := <-w.states:
			if after(state) {
				return
			}
		case <-limit.Done():
			Fail("nothing was told of " + about)
		}
	}
}

var _ = Describe("Watching a workspace", func() {
	It("shows it as it is, and each change of it, its build, its template and its owner", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.ada, "dev")
		path := "workspaces/" + made.ID.String()
		seen := watch(ctx, w.ada, path+"/watch")
		Expect(seen.header.Get("Content-Type")).To(Equal("text/event-stream"))
		Expect(seen.header.Get("X-Accel-Buffering")).To(Equal("no"))
		seen.next(ctx, "its present state", func(s codersdk.Workspace) bool { return s.ID == made.ID })

		put(ctx, 204, w.ada, path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: new(int64(3600000))})
		seen.next(ctx, "its running time", func(s codersdk.Workspace) bool { return s.TTLMillis != nil && *s.TTLMillis == 3600000 })
		w.end(ctx, w.object(ctx, w.ada, "dev"), 1, v1alpha1.JobSucceeded)
		seen.next(ctx, "its build", func(s codersdk.Workspace) bool { return s.LatestBuild.Status == codersdk.WorkspaceStatusRunning })
		stop := as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path+"/builds", codersdk.CreateWorkspaceBuildRequest{Transition: "stop"})
		seen.next(ctx, "its next build", func(s codersdk.Workspace) bool { return s.LatestBuild.ID == stop.ID })

		w.goDev.Spec.DisplayName = "Go"
		Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
		seen.next(ctx, "its template", func(s codersdk.Workspace) bool { return s.TemplateDisplayName == "Go" })
		newer := w.addVersion(ctx, w.goDev, "go-dev-2", parametrised, v1alpha1.JobSucceeded)
		w.goDev.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(newer.Name), UID: newer.UID}
		Expect(env.Client.Status().Update(ctx, w.goDev)).To(Succeed())
		seen.next(ctx, "its template's new version", func(s codersdk.Workspace) bool { return s.Outdated })
		owner, err := objects.User(ctx, w.ada)
		Expect(err).NotTo(HaveOccurred())
		owner = owner.DeepCopy()
		owner.Spec.AvatarURL = "https://example.org/ada.png"
		Expect(env.Client.Update(ctx, owner)).To(Succeed())
		seen.next(ctx, "its owner", func(s codersdk.Workspace) bool { return s.OwnerAvatarURL == "https://example.org/ada.png" })

		seen.leave()
		for _, err := range recorder.Observe("GET", "/api/v2/"+path+"/watch", 200, seen.header, seen.raw.Bytes()) {
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("tells of a change within a quarter of a second", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "workspaces/" + w.workspace(ctx, w.ada, "dev").ID.String()
		seen := watch(ctx, w.ada, path+"/watch")
		seen.next(ctx, "its present state", func(codersdk.Workspace) bool { return true })
		var took []time.Duration
		for i := range 7 {
			millis := int64(3600000 * (i + 1))
			put(ctx, 204, w.ada, path+"/ttl", codersdk.UpdateWorkspaceTTLRequest{TTLMillis: &millis})
			answered := time.Now()
			seen.next(ctx, "its running time", func(s codersdk.Workspace) bool { return s.TTLMillis != nil && *s.TTLMillis == millis })
			took = append(took, time.Since(answered))
		}
		within := 0
		for _, d := range took {
			if d <= prompt {
				within++
			}
		}
		Expect(within).To(BeNumerically(">", len(took)/2), "they took %v", took) // a machine may be busy for a moment
	})

	It("ends with a word when the workspace goes, or may not be seen any more", func(ctx SpecContext) {
		w := newWorld(ctx)
		made := w.workspace(ctx, w.grace, "dev")
		path := "workspaces/" + made.ID.String()
		refused(ctx, 404, w.ada, "GET", path+"/watch", nil)
		theirs, admins := watch(ctx, w.grace, path+"/watch"), watch(ctx, w.admin, path+"/watch")

		By("V17: the administrator, who is one no longer")
		admin, err := objects.User(ctx, w.admin)
		Expect(err).NotTo(HaveOccurred())
		admin = admin.DeepCopy()
		admin.Spec.Memberships[0].Roles = nil
		Expect(env.Client.Update(ctx, admin)).To(Succeed())
		Eventually(admins.last).WithTimeout(10 * time.Second).Should(Receive(HaveField("Message", Not(BeEmpty()))))

		By("the workspace, deleted")
		Expect(env.Client.Delete(ctx, w.object(ctx, w.grace, "dev"))).To(Succeed())
		Eventually(theirs.last).WithTimeout(10 * time.Second).Should(Receive(HaveField("Message", Not(BeEmpty()))))
	})
})
