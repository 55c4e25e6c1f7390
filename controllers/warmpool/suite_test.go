// SPDX-License-Identifier: Apache-2.0

package warmpool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/warmpool"
	"github.com/berth-dev/berth/controllers/warmworkspace"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var env *Cluster

func TestWarmPool(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "WarmPool")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})

// bench is one template with a pool, and the two controllers that keep it.
type bench struct {
	*Journal
	pool     *warmpool.Reconciler
	slot     *warmworkspace.Reconciler
	told     *events.FakeRecorder
	org      string
	clock    *clocktesting.FakePassiveClock
	template *v1alpha1.Template
	version  *v1alpha1.TemplateVersion
}

// set makes a bench whose template has a pool of the size, and a version of the content.
func set(ctx context.Context, size int32, change ...func(*v1alpha1.TemplateContent)) *bench {
	GinkgoHelper()
	org, err := env.Organization(ctx, "pool-")
	Expect(err).NotTo(HaveOccurred())
	b := &bench{Journal: NewJournal(env.Client), org: org, clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)), told: events.NewFakeRecorder(64)}
	platform := render.Platform{AgentImage: "registry.example/berth:1"}
	b.pool = &warmpool.Reconciler{Client: b.Journal, Live: b.Journal, Events: b.told, Clock: b.clock, Platform: platform}
	b.slot = &warmworkspace.Reconciler{Client: b.Journal, Live: b.Journal, Clock: b.clock, Platform: platform}
	b.template = given.Template(org, "go", func(t *v1alpha1.Template) { t.Spec.WarmPool = &v1alpha1.WarmPool{Size: size} })
	create(ctx, b.template, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "berth-workspace"}})
	b.promotes(ctx, "go-1", change...)
	return b
}

// promotes makes a version of the content the active one.
func (b *bench) promotes(ctx context.Context, name string, change ...func(*v1alpha1.TemplateContent)) {
	GinkgoHelper()
	b.version = given.TemplateVersion(b.org, name, "go", func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *given.Content(change...) })
	create(ctx, b.version)
	read(ctx, b.template)
	b.template.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.version.Name), UID: b.version.UID}
	Expect(env.Client.Status().Update(ctx, b.template)).To(Succeed())
}

// settles has both controllers work until neither writes.
func (b *bench) settles(ctx context.Context) {
	GinkgoHelper()
	for range 10 {
		before := len(b.Writes())
		_, err := b.pool.Reconcile(ctx, requestOf(b.template))
		Expect(err).NotTo(HaveOccurred())
		for _, s := range b.slots(ctx) {
			Expect(b.Settle(ctx, b.slot, &s)).To(Succeed())
		}
		if len(b.Writes()) == before {
			read(ctx, b.template)
			return
		}
	}
	Fail("the pool does not come to rest: " + b.Writes()[len(b.Writes())-1])
}

// slots are the prepared workspaces that are not on their way out.
func (b *bench) slots(ctx context.Context) []v1alpha1.WarmWorkspace {
	GinkgoHelper()
	var list v1alpha1.WarmWorkspaceList
	Expect(env.Client.List(ctx, &list, client.InNamespace(b.org))).To(Succeed())
	return list.Items
}

func (b *bench) pods(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(env.Client.List(ctx, &list, client.InNamespace(b.org))).To(Succeed())
	return list.Items
}

// warms plays the kubelet and the API servers for every pod: its containers run, and its agents are connected.
func (b *bench) warms(ctx context.Context) {
	GinkgoHelper()
	for _, s := range b.slots(ctx) {
		if s.Status.Pod != nil {
			b.runs(ctx, &s)
			b.connects(ctx, &s, true)
		}
	}
}

// runs has a slot's pod run. An agent that holds is not ready.
func (b *bench) runs(ctx context.Context, s *v1alpha1.WarmWorkspace) {
	GinkgoHelper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Status.Pod.Name}}
	read(ctx, pod)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: false, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	Expect(env.Client.Status().Update(ctx, pod)).To(Succeed())
}

// connects has a slot's agent come or go, as an API server writes it.
func (b *bench) connects(ctx context.Context, s *v1alpha1.WarmWorkspace, connected bool) {
	GinkgoHelper()
	read(ctx, s)
	s.Status.Agents = []v1alpha1.WarmAgent{{Name: "main", Connected: connected, Replica: "berth-apiserver-0"}}
	Expect(env.Client.Status().Update(ctx, s)).To(Succeed())
}

func (b *bench) later(d time.Duration) { b.clock.SetTime(b.clock.Now().Add(d)) }

func (b *bench) edits(ctx context.Context, change func(*v1alpha1.Template)) {
	GinkgoHelper()
	read(ctx, b.template)
	change(b.template)
	Expect(env.Client.Update(ctx, b.template)).To(Succeed())
}

// ended removes what envtest has no collector for: what a slot owned that is gone.
func (b *bench) collects(ctx context.Context) {
	GinkgoHelper()
	live := map[string]bool{}
	for _, s := range b.slots(ctx) {
		live[string(s.UID)] = true
	}
	for _, p := range b.pods(ctx) {
		if uid := p.Labels[v1alpha1.LabelSlot]; uid != "" && !live[uid] {
			Expect(client.IgnoreNotFound(env.Client.Delete(ctx, &p, client.GracePeriodSeconds(0)))).To(Succeed())
		}
	}
}

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

func read(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
}

func requestOf(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
}

// refuse is a status write that the cluster does not take.
func refuse(context.Context, client.Client, string, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return apierrors.NewInternalError(errors.New("etcd is away"))
}
