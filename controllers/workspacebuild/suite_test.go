// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/schedule"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var env *Cluster

func TestWorkspaceBuild(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "WorkspaceBuild")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})

// bench is one workspace with the builds that the spec accepts for it, and the controller under test.
type bench struct {
	*Journal
	*workspacebuild.Reconciler
	org, user string
	clock     *clocktesting.FakePassiveClock
	workspace *v1alpha1.Workspace
	content   *v1alpha1.TemplateContent
	version   *v1alpha1.TemplateVersion
}

// set makes a bench whose version has the content.
func set(ctx context.Context, change ...func(*v1alpha1.TemplateContent)) *bench {
	GinkgoHelper()
	org, err := env.Organization(ctx, "team-")
	Expect(err).NotTo(HaveOccurred())
	j := NewJournal(env.Client)
	b := &bench{Journal: j, org: org, user: "u" + org, clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))}
	b.Reconciler = &workspacebuild.Reconciler{
		Client: j, Live: j, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
		Clock: b.clock, Worker: "manager-0", Platform: render.Platform{AgentImage: "registry.example/berth:1"},
	}
	b.content = given.Content(change...)
	b.version = given.TemplateVersion(org, "go-1", "go", func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *b.content })
	b.workspace = given.Workspace(org, "api", b.user, "go")
	create(ctx, given.User(b.user), given.Template(org, "go"), b.version, b.workspace,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "berth-workspace"}})
	return b
}

// build makes a build of the bench's version.
func (b *bench) build(ctx context.Context, number int64, t v1alpha1.Transition, change ...func(*v1alpha1.WorkspaceBuild)) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	build := given.Build(b.workspace, number, t, append([]func(*v1alpha1.WorkspaceBuild){func(o *v1alpha1.WorkspaceBuild) {
		o.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.version.Name), UID: b.version.UID}
	}}, change...)...)
	create(ctx, build)
	return build
}

// accepts has the workspace accept the build, as its own controller does.
func (b *bench) accepts(ctx context.Context, build *v1alpha1.WorkspaceBuild) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	read(ctx, b.workspace)
	b.workspace.Status.Build = &v1alpha1.AcceptedBuild{
		UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(build.Name), UID: build.UID}, Number: build.Spec.Number,
	}
	b.workspace.Status.Schedule = ledger.Instants(b.workspace, build, b.content, schedule.Rules{}, b.clock.Now())
	Expect(env.Client.Status().Update(ctx, b.workspace)).To(Succeed())
	return build
}

// starts has the first build made, accepted and settled.
func (b *bench) starts(ctx context.Context) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
	b.settle(ctx, build)
	return build
}

// runs has the first build succeed.
func (b *bench) runs(ctx context.Context) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	build := b.starts(ctx)
	ready(ctx, b.pod(ctx))
	b.settle(ctx, build)
	Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
	return build
}

func (b *bench) settle(ctx context.Context, build *v1alpha1.WorkspaceBuild) {
	GinkgoHelper()
	Expect(b.Journal.Settle(ctx, b.Reconciler, build)).To(Succeed())
}

// tries is a few passes for a build whose every pass asks the cluster for something that it refuses.
func (b *bench) tries(ctx context.Context, build *v1alpha1.WorkspaceBuild) {
	GinkgoHelper()
	for range 4 {
		result, err := b.Reconcile(ctx, requestOf(build))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically(">", 0), "it is tried again")
	}
	read(ctx, build)
	Expect(Invariants(build, env.Scheme)).To(Succeed())
}

func (b *bench) pods(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(env.Client.List(ctx, &list, client.InNamespace(b.org))).To(Succeed())
	return list.Items
}

// pod is the only pod.
func (b *bench) pod(ctx context.Context) *corev1.Pod {
	GinkgoHelper()
	pods := b.pods(ctx)
	Expect(pods).To(HaveLen(1))
	return &pods[0]
}

func (b *bench) claims(ctx context.Context) []corev1.PersistentVolumeClaim {
	GinkgoHelper()
	var list corev1.PersistentVolumeClaimList
	Expect(env.Client.List(ctx, &list, client.InNamespace(b.org))).To(Succeed())
	return list.Items
}

// ready has a pod run and be ready, as a kubelet would.
func ready(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	if pod.Spec.NodeName == "" {
		bind(ctx, pod)
	}
	read(ctx, pod)
	pod.Status.Phase = corev1.PodRunning
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	Expect(env.Client.Status().Update(ctx, pod)).To(Succeed())
}

// bind gives a pod a node, as a scheduler would. A pod without one is gone as soon as it is deleted.
func bind(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	Expect(env.Client.SubResource("binding").Create(ctx, pod, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: "n4"},
	})).To(Succeed())
}

// kill removes a pod at once.
func kill(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(env.Client.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
}

func edit(ctx context.Context, o client.Object, patch string) {
	GinkgoHelper()
	Expect(env.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

// read fetches o anew and tells whether it is there.
func read(ctx context.Context, o client.Object) bool {
	GinkgoHelper()
	err := env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err == nil
}

// foreignClaim is a claim of the very name that the workspace's home would get.
func (b *bench) foreignClaim(id, owner string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.org, Name: render.ClaimName(b.workspace, "home"),
			Labels:      map[string]string{v1alpha1.LabelID: id, v1alpha1.LabelVolume: "home", v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			Annotations: map[string]string{v1alpha1.AnnotationOwner: owner},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// withoutLogs reads builds that have ended as the manager's cache holds them.
func withoutLogs(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			if b, ok := o.(*v1alpha1.WorkspaceBuild); ok && b.Phase().Ended() {
				b.Status.Log = nil
			}
			return err
		},
	})
}

func strategic(patch string) client.Patch {
	return client.RawPatch(types.StrategicMergePatchType, []byte(patch))
}

func requestOf(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
}
