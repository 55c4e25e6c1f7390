// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// behind starts an API server of its own whose writes go by l.
func behind(ctx context.Context, l *cluster.Luckless) *httptest.Server {
	GinkgoHelper()
	config := rest.CopyConfig(env.Config)
	config.Wrap(l.Wrap)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	DeferCleanup(cancel)
	unlucky, err := store.New(running, store.Options{Config: config, Namespace: "berth-system"})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(unlucky.Start(running)).To(Succeed())
	}()
	Expect(unlucky.Synced(ctx)).To(BeTrue())
	s := httptest.NewServer(serve(unlucky))
	DeferCleanup(s.Close)
	return s
}

// person is somebody who sends a request again that failed.
type person struct {
	*world
	*cluster.Luckless
	server  *httptest.Server
	manager *manager
	told    []string
}

// wants sends a request until it is answered well, or with a refusal of what is so already.
func (p *person) wants(ctx context.Context, method, path string, body any) {
	GinkgoHelper()
	for try := 1; ; try++ {
		before := p.Struck()
		data, err := json.Marshal(body)
		Expect(err).NotTo(HaveOccurred())
		request, err := http.NewRequestWithContext(ctx, method, p.server.URL+"/api/v2/"+path, bytes.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Test-User", p.ada)
		answer, err := p.server.Client().Do(request)
		Expect(err).NotTo(HaveOccurred())
		text, err := io.ReadAll(answer.Body)
		Expect(errors.Join(err, answer.Body.Close())).To(Succeed())
		hit := p.Struck() > before
		switch {
		case answer.StatusCode < 300:
			return
		case !hit && try > 1 && (answer.StatusCode == http.StatusConflict || answer.StatusCode == http.StatusBadRequest):
			return // it is so already
		}
		Expect(hit).To(BeTrue(), "%s %s: %d %s", method, path, answer.StatusCode, text)
		Expect(try).To(BeNumerically("<", 10), "%s %s: %d %s, met %v", method, path, answer.StatusCode, text, p.Met())
		p.manager.collects(ctx)
		p.caughtUp(ctx)
	}
}

// caughtUp waits until the server's cache shows what the cluster holds of the world's workspaces and builds.
func (p *person) caughtUp(ctx context.Context) {
	GinkgoHelper()
	p.manager.shows(ctx, p.server, p.ada)
}

// life is the whole life of a workspace by the API, in the words that its end is told in.
func (p *person) life(ctx context.Context, name string) string {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: p.organization, Name: p.ada + "--" + name}
	p.manager.key = key
	tell := func(when string) {
		p.manager.settles(ctx, true)
		p.told = append(p.told, when+": "+p.manager.tells(ctx))
		p.caughtUp(ctx)
	}
	ws := func() *v1alpha1.Workspace {
		o := &v1alpha1.Workspace{}
		Expect(env.Client.Get(ctx, key, o)).To(Succeed())
		return o
	}
	cpu := func(n string) []codersdk.WorkspaceBuildParameter {
		return []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: n}}
	}
	eight := (8 * time.Hour).Milliseconds()
	p.wants(ctx, "POST", p.places(p.ada), codersdk.CreateWorkspaceRequest{
		Name: name, TemplateID: ids.Of(p.goDev), TTLMillis: &eight, RichParameterValues: cpu("3")})
	tell("created")
	id := ids.Of(ws()).String()
	p.wants(ctx, "PUT", "workspaces/"+id+"/extend", codersdk.PutExtendWorkspaceRequest{Deadline: time.Now().Add(10 * time.Hour).Truncate(time.Second)})
	Expect(ws().Annotations[v1alpha1.AnnotationExtendedTo]).To(HavePrefix("1/"))
	builds := "workspaces/" + id + "/builds"
	p.wants(ctx, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: codersdk.WorkspaceTransitionStart, RichParameterValues: cpu("5")})
	tell("restarted")
	p.wants(ctx, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: codersdk.WorkspaceTransitionStop})
	tell("stopped")
	p.wants(ctx, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: codersdk.WorkspaceTransitionStart})
	p.manager.settles(ctx, false)
	p.caughtUp(ctx)
	p.wants(ctx, "PATCH", "workspacebuilds/"+ids.Build(ids.Of(ws()), ws().Status.Build.Number).String()+"/cancel", nil)
	tell("canceled")
	p.wants(ctx, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: codersdk.WorkspaceTransitionStart})
	tell("started")
	p.wants(ctx, "POST", builds, codersdk.CreateWorkspaceBuildRequest{Transition: codersdk.WorkspaceTransitionDelete})
	tell("deleted")
	return strings.Join(p.told, "\n")
}

// A spec for each mishap: its server ends with it, so no life is slowed by the caches of those before it.
var _ = Describe("A write of the API server that fails once changes nothing of how a life ends", Ordered, func() {
	var w *world
	var want string
	live := func(ctx context.Context, name string, l *cluster.Luckless) string {
		GinkgoHelper()
		return (&person{world: w, Luckless: l, server: behind(ctx, l), manager: newManager()}).life(ctx, name)
	}
	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.organization, Name: v1alpha1.DefaultServiceAccount}}
		Expect(env.Client.Create(ctx, account)).To(Succeed())
		want = live(ctx, "calm", &cluster.Luckless{Parity: -1})
		Expect(want).To(HaveSuffix("deleted: gone"))
		Expect(want).To(ContainSubstring("started: Running [1 Start Succeeded cpu=3] [2 Restart Succeeded cpu=5] [3 Stop Succeeded cpu=5] " +
			"[4 Start Canceled cpu=5] [5 Start Succeeded cpu=5], pods 1, claims 1"))
	}, NodeTimeout(4*time.Minute))
	var all []*cluster.Luckless
	for _, m := range cluster.Mishaps() {
		all = append(all, &cluster.Luckless{Mishap: m, Parity: 1})
		if m.Committed {
			// what was not carried out is sent again, so the odd ones are all that there are; what was is not, and where the
			// workspace was stored, its first build is the manager's
			all = append(all, &cluster.Luckless{Mishap: m, Parity: 0}, &cluster.Luckless{Mishap: m, Parity: 1, Only: "/workspacebuilds"})
		}
	}
	for i, l := range all {
		name := fmt.Sprintf("%s, parity %d", l.Mishap.Name, l.Parity)
		if l.Only != "" {
			name += ", of " + l.Only
		}
		It(name, func(ctx SpecContext) {
			got := live(ctx, fmt.Sprintf("life-%d", i), l)
			Expect(len(l.Met())).To(BeNumerically(">=", 3), "%v", l.Met())
			Expect(got).To(Equal(want), "met %v", l.Met())
		}, SpecTimeout(4*time.Minute))
	}
})

// uids are those of a namespace's workspaces.
func uids(ctx context.Context, namespace string) map[types.UID]bool {
	GinkgoHelper()
	var all v1alpha1.WorkspaceList
	Expect(env.Client.List(ctx, &all, client.InNamespace(namespace))).To(Succeed())
	found := map[types.UID]bool{}
	for _, w := range all.Items {
		found[w.UID] = true
	}
	return found
}
