// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// manages runs the manager's two controllers for one workspace, with a kubelet, until the spec ends.
func manages(ctx context.Context, namespace, name string) {
	j := cluster.NewJournal(env.Client)
	image := "registry.example/berth:1"
	decides := &workspace.Reconciler{Client: j, Live: j, Clock: clock.RealClock{}, Events: &cluster.Events{}, AgentImage: image}
	acts := &workspacebuild.Reconciler{Client: j, Live: j, Clock: clock.RealClock{}, Worker: "manager-0", Platform: render.Platform{AgentImage: image}}
	pass := func(r reconcile.Reconciler, name string) {
		_, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}})
		if err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) {
			Expect(err).NotTo(HaveOccurred())
		}
	}
	for ctx.Err() == nil {
		pass(decides, name)
		var ws v1alpha1.Workspace
		if env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &ws) == nil && ws.Status.Build != nil {
			pass(acts, string(ws.Status.Build.Name))
		}
		plays(ctx, namespace)
	}
}

// plays has every pod of a namespace run, or end where it is to.
func plays(ctx context.Context, namespace string) {
	var pods corev1.PodList
	if env.Client.List(ctx, &pods, client.InNamespace(namespace)) != nil {
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodRunning {
			continue // without a node a pod is gone as soon as it is deleted
		}
		pod.Status.Phase = corev1.PodRunning
		for _, c := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
			})
		}
		_ = env.Client.Status().Update(ctx, pod) // it is tried again where it meets a change
	}
}

// witness watches the builds of a namespace.
type witness struct {
	mu      sync.Mutex
	numbers map[int64]bool
	working map[string]bool
	most    int // at work at once
}

func (w *witness) watch(ctx context.Context, namespace string) {
	events, err := env.Client.Watch(ctx, &v1alpha1.WorkspaceBuildList{}, client.InNamespace(namespace))
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer events.Stop()
		for event := range events.ResultChan() {
			b, ok := event.Object.(*v1alpha1.WorkspaceBuild)
			if !ok {
				continue
			}
			w.mu.Lock()
			w.numbers[b.Spec.Number] = true
			w.working[b.Name] = b.Phase() == v1alpha1.JobRunning && ledger.InProgress(b)
			n := 0
			for _, works := range w.working {
				if works {
					n++
				}
			}
			w.most = max(w.most, n)
			w.mu.Unlock()
		}
	}()
}

var _ = Describe("Many clients at once", func() {
	It("make builds one at a time, numbered without gaps, over both doors", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(env.Client.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.organization.Name, Name: "berth-workspace"}})).To(Succeed())
		seen := &witness{numbers: map[int64]bool{}, working: map[string]bool{}}
		managed, stop := context.WithCancel(ctx)
		defer stop()
		seen.watch(managed, w.organization.Name)
		place := "/api/v2/organizations/" + w.organization.Name + "/members/me/workspaces"
		var made codersdk.Workspace
		a := ask(ctx, w.member.session, "POST", place, codersdk.CreateWorkspaceRequest{Name: "busy", TemplateID: ids.Of(w.template)})
		Expect(a.Status).To(Equal(http.StatusCreated), string(a.Body))
		a.JSON(&made)
		var done sync.WaitGroup
		done.Go(func() {
			defer GinkgoRecover()
			manages(managed, w.organization.Name, w.member.Name+"--busy")
		})

		latest := func() (last codersdk.WorkspaceBuild) {
			GinkgoHelper()
			var is codersdk.Workspace
			ask(ctx, w.member.session, "GET", "/api/v2/workspaces/"+made.ID.String(), nil).JSON(&is)
			return is.LatestBuild
		}
		rests := BeElementOf(codersdk.WorkspaceStatusRunning, codersdk.WorkspaceStatusStopped, codersdk.WorkspaceStatusFailed)
		at := func() codersdk.WorkspaceStatus { return latest().Status }
		Eventually(at).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(codersdk.WorkspaceStatusRunning))

		path := "/api/v2/workspaces/" + made.ID.String() + "/builds"
		patient, enough := context.WithTimeout(ctx, 2*time.Minute)
		defer enough()
		var clients sync.WaitGroup
		var mu sync.Mutex
		numbers := map[int64]bool{made.LatestBuild.BuildNumber: true}
		for i := range 20 {
			door := w.member.session
			if i%2 == 1 {
				door = w.member.aggregated
			}
			clients.Go(func() {
				defer GinkgoRecover()
				for round := 0; patient.Err() == nil; round++ {
					mu.Lock()
					if len(numbers) >= 12 {
						enough()
					}
					mu.Unlock()
					transition := codersdk.WorkspaceTransitionStart
					if (i/2+round)%2 == 1 {
						transition = codersdk.WorkspaceTransitionStop
					}
					a := ask(ctx, door, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: transition})
					Expect(a.Status).To(BeElementOf(http.StatusCreated, http.StatusConflict), string(a.Body))
					if a.Status == http.StatusCreated {
						var b codersdk.WorkspaceBuild
						a.JSON(&b)
						mu.Lock()
						numbers[b.BuildNumber] = true
						mu.Unlock()
						continue
					}
					select { // who is refused tries again a moment later; twenty that never pause leave the manager no processor
					case <-patient.Done():
					case <-time.After(200 * time.Millisecond):
					}
				}
			})
		}
		clients.Wait()
		Eventually(at).WithContext(ctx).WithTimeout(30 * time.Second).Should(rests)
		last := latest().BuildNumber
		stop()
		done.Wait()

		seen.mu.Lock()
		defer seen.mu.Unlock()
		Expect(seen.most).To(Equal(1), "builds at work at once")
		Expect(len(numbers)).To(BeNumerically(">=", 12), "builds that got through")
		for n := range int64(len(seen.numbers)) {
			Expect(seen.numbers).To(HaveKey(n+1), "a number is missing")
		}
		for n := range numbers {
			Expect(seen.numbers).To(HaveKey(n), "a build that was answered was never there")
		}
		Expect(last).To(BeEquivalentTo(len(seen.numbers)))
	})
})
