// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// waited is how far the manager's clock is ahead: it has waited long enough for whatever build it waits for.
const waited = 15 * time.Second

// manager is the manager's own controllers for one workspace; it plays kubelet and collector too.
type manager struct {
	*cluster.Journal
	key     client.ObjectKey
	clock   *clocktesting.FakePassiveClock
	decides *workspace.Reconciler
	acts    *workspacebuild.Reconciler
}

func newManager() *manager {
	m := &manager{Journal: cluster.NewJournal(env.Client), clock: clocktesting.NewFakePassiveClock(time.Now())}
	image := "registry.example/berth:1"
	m.decides = &workspace.Reconciler{Client: m.Journal, Live: m.Journal, Own: "berth-system", Clock: m.clock, Events: &cluster.Events{}, AgentImage: image}
	m.acts = &workspacebuild.Reconciler{Client: m.Journal, Live: m.Journal, Clock: m.clock, Worker: "manager-0", Platform: render.Platform{AgentImage: image}}
	return m
}

// settles works until nothing is left to do; runs tells whether the kubelet has the pods run.
func (m *manager) settles(ctx context.Context, runs bool) {
	GinkgoHelper()
	for range 60 {
		m.clock.SetTime(time.Now().Add(waited))
		before := len(m.Writes())
		_, err := m.decides.Reconcile(ctx, reconcile.Request{NamespacedName: m.key})
		Expect(err).NotTo(HaveOccurred())
		var ws v1alpha1.Workspace
		err = env.Client.Get(ctx, m.key, &ws)
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		if err == nil && ws.Status.Build != nil {
			_, err = m.acts.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: m.key.Namespace, Name: string(ws.Status.Build.Name)}})
			Expect(err).NotTo(HaveOccurred())
		}
		played := runs && m.plays(ctx)
		if len(m.Writes()) == before && !played {
			m.collects(ctx)
			return
		}
	}
	Fail(fmt.Sprintf("%s does not come to rest: %v", m.key, m.Writes()))
}

// plays has the workspace's pods run, and tells whether one did not before. Without a node a pod is gone as soon as it is
// deleted.
func (m *manager) plays(ctx context.Context) bool {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(env.Client.List(ctx, &pods, client.InNamespace(m.key.Namespace))).To(Succeed())
	played := false
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodRunning {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		for _, c := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
			})
		}
		Expect(env.Client.Status().Update(ctx, pod)).To(Succeed())
		played = true
	}
	return played
}

// collects removes the builds whose workspace is gone, as the cluster does by their owner.
func (m *manager) collects(ctx context.Context) {
	GinkgoHelper()
	there := uids(ctx, m.key.Namespace)
	for _, b := range m.builds(ctx) {
		if !there[b.Spec.WorkspaceRef.UID] {
			b.Finalizers = nil
			Expect(env.Client.Update(ctx, &b)).To(Succeed())
			Expect(client.IgnoreNotFound(env.Client.Delete(ctx, &b))).To(Succeed())
		}
	}
}

// builds are those of the workspace's name, by number.
func (m *manager) builds(ctx context.Context) []v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	var all v1alpha1.WorkspaceBuildList
	Expect(env.Client.List(ctx, &all, client.InNamespace(m.key.Namespace))).To(Succeed())
	own := slices.DeleteFunc(all.Items, func(b v1alpha1.WorkspaceBuild) bool { return string(b.Spec.WorkspaceRef.Name) != m.key.Name })
	slices.SortFunc(own, func(a, b v1alpha1.WorkspaceBuild) int { return int(a.Spec.Number - b.Spec.Number) })
	return own
}

// tells is the workspace in words, with its builds and all that it has.
func (m *manager) tells(ctx context.Context) string {
	GinkgoHelper()
	var ws v1alpha1.Workspace
	if err := env.Client.Get(ctx, m.key, &ws); err != nil {
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		Expect(m.builds(ctx)).To(BeEmpty())
		return "gone"
	}
	line := string(ws.Status.Phase)
	for _, b := range m.builds(ctx) {
		transition, cpu := string(b.Spec.Transition), "none"
		if b.Spec.Restart {
			transition = "Restart"
		}
		if p := b.Spec.Parameters; p != nil {
			cpu = p.Values["cpu"].String()
		}
		line += fmt.Sprintf(" [%d %s %s cpu=%s]", b.Spec.Number, transition, b.Phase(), cpu)
	}
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	own := client.MatchingLabels{v1alpha1.LabelID: ids.Of(&ws).String()}
	Expect(env.Client.List(ctx, &pods, client.InNamespace(m.key.Namespace), own)).To(Succeed())
	Expect(env.Client.List(ctx, &claims, client.InNamespace(m.key.Namespace), own)).To(Succeed())
	return line + fmt.Sprintf(", pods %d, claims %d, cpu=%s", len(pods.Items), len(claims.Items), ws.Spec.Parameters["cpu"].String())
}

// shows waits until a server shows the workspace as it is.
func (m *manager) shows(ctx context.Context, s *httptest.Server, user string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var ws v1alpha1.Workspace
		err := env.Client.Get(ctx, m.key, &ws)
		g.Expect(client.IgnoreNotFound(err)).To(Succeed())
		want := 0
		if err == nil {
			want = 1
		}
		request, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v2/workspaces?q="+"owner:me", nil)
		g.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Test-User", user)
		answer, err := s.Client().Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		defer answer.Body.Close()
		var all codersdk.WorkspacesResponse
		g.Expect(json.NewDecoder(answer.Body).Decode(&all)).To(Succeed())
		shown := slices.DeleteFunc(all.Workspaces, func(w codersdk.Workspace) bool { return user+"--"+w.Name != m.key.Name })
		g.Expect(shown).To(HaveLen(want))
		if builds := m.builds(ctx); want == 1 && len(builds) > 0 {
			last := builds[len(builds)-1]
			g.Expect(shown[0].LatestBuild.BuildNumber).To(BeEquivalentTo(last.Spec.Number))
			g.Expect(shown[0].LatestBuild.Job.CompletedAt != nil).To(Equal(last.Phase().Ended()))
		}
	}).WithTimeout(30 * time.Second).WithPolling(20 * time.Millisecond).Should(Succeed())
}
