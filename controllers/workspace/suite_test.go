// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var env *Cluster

func TestWorkspace(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Workspace")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})

// world is an organization with one template, a user, and both controllers; the spec plays kubelet and collector.
type world struct {
	*Journal
	org      string
	user     string
	clock    *clocktesting.FakePassiveClock
	said     *Events
	decides  *workspace.Reconciler
	acts     *workspacebuild.Reconciler
	sweeps   *workspace.Sweep
	template *v1alpha1.Template
}

// found makes a world. The client is what its controllers read and write through.
func found(ctx context.Context, c client.WithWatch) *world {
	GinkgoHelper()
	org, err := env.Organization(ctx, "team-")
	Expect(err).NotTo(HaveOccurred())
	w := &world{
		Journal: NewJournal(c), org: org, user: "u" + org,
		clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)), said: &Events{},
	}
	w.decides = &workspace.Reconciler{Client: w.Journal, Live: w.Journal, Own: "default", Clock: w.clock, Events: w.said, AgentImage: "registry.example/berth:1"}
	w.acts = &workspacebuild.Reconciler{
		Client: w.Journal, Live: w.Journal, Clock: w.clock, Worker: "manager-0",
		Platform: render.Platform{AgentImage: "registry.example/berth:1"},
	}
	w.sweeps = &workspace.Sweep{Client: w.Journal, Live: w.Journal, Clock: w.clock, Events: w.said}
	DeferCleanup(w.leave)
	create(ctx, given.User(w.user))
	create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "berth-workspace"}})
	w.template = w.newTemplate(ctx, "go")
	return w
}

// leave takes the world's workspaces away, since every pass of others would read them: names are unique in the cluster.
func (w *world) leave(ctx SpecContext) {
	var list v1alpha1.WorkspaceList
	Expect(env.Client.List(ctx, &list, client.InNamespace(w.org))).To(Succeed())
	for i := range list.Items {
		edit(ctx, &list.Items[i], `{"metadata":{"finalizers":null}}`)
	}
	Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.Workspace{}, client.InNamespace(w.org))).To(Succeed())
}

// newTemplate makes a template and its first version, checked and active, as their controller leaves them.
func (w *world) newTemplate(ctx context.Context, name string, change ...func(*v1alpha1.Template)) *v1alpha1.Template {
	GinkgoHelper()
	t := given.Template(w.org, name, change...)
	create(ctx, t)
	w.promote(ctx, t, name+"-1", t.Spec.Content)
	return t
}

// promote makes a version of the template, checked, and the active one.
func (w *world) promote(ctx context.Context, t *v1alpha1.Template, name string, content *v1alpha1.TemplateContent) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := given.TemplateVersion(w.org, name, t.Name, func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *content.DeepCopy() })
	create(ctx, v)
	v.Status.ObservedGeneration = v.Generation
	v.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded}
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
	read(ctx, t)
	t.Status.ObservedGeneration = t.Generation
	t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
	Expect(env.Client.Status().Update(ctx, t)).To(Succeed())
	return v
}

// workspace makes a workspace of the world's template.
func (w *world) workspace(ctx context.Context, name string, change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	GinkgoHelper()
	ws := given.Workspace(w.org, name, w.user, w.template.Name, change...)
	create(ctx, ws)
	return ws
}

// settle runs both controllers until neither writes, as a manager does by its watches. It plays no kubelet.
func (w *world) settle(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	w.pass(ctx, ws)
	w.invariants(ctx, ws)
}

func (w *world) pass(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	for range 40 {
		before := len(w.Writes())
		w.step(ctx, ws)
		if len(w.Writes()) == before {
			return
		}
	}
	Fail(fmt.Sprintf("%s does not come to rest: %v", ws.Name, w.Writes()))
}

// step is one pass of each controller.
func (w *world) step(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	_, err := w.decides.Reconcile(ctx, request(ws))
	Expect(err).NotTo(HaveOccurred())
	_, err = w.acts.Reconcile(ctx, accepted(ctx, ws))
	Expect(err).NotTo(HaveOccurred())
}

// accepted asks for a pass of the build that the workspace is held to; any other build is nothing to act on.
func accepted(ctx context.Context, ws *v1alpha1.Workspace) ctrl.Request {
	GinkgoHelper()
	r := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: ws.Namespace, Name: "none"}}
	if read(ctx, ws) && ws.Status.Build != nil {
		r.Name = string(ws.Status.Build.Name)
	}
	return r
}

// invariants hold of a workspace at rest and of its builds.
func (w *world) invariants(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	if !read(ctx, ws) {
		return
	}
	Expect(Invariants(ws, env.Scheme)).To(Succeed())
	for _, b := range w.builds(ctx, ws) {
		if len(b.Status.Conditions) > 0 {
			Expect(Invariants(b, env.Scheme)).To(Succeed())
		}
	}
}

// run settles the workspace, has its pod become ready as a kubelet would, and settles it again.
func (w *world) run(ctx context.Context, ws *v1alpha1.Workspace) *corev1.Pod {
	GinkgoHelper()
	w.settle(ctx, ws)
	pod := w.pod(ctx, ws)
	w.becomes(ctx, pod, running)
	w.settle(ctx, ws)
	return pod
}

// builds are the workspace's builds by number.
func (w *world) builds(ctx context.Context, ws *v1alpha1.Workspace) []*v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	var list v1alpha1.WorkspaceBuildList
	Expect(env.Client.List(ctx, &list, client.InNamespace(ws.Namespace))).To(Succeed())
	var own []*v1alpha1.WorkspaceBuild
	for i := range list.Items {
		if list.Items[i].Spec.WorkspaceRef.UID == ws.UID {
			own = append(own, &list.Items[i])
		}
	}
	slices.SortFunc(own, func(a, b *v1alpha1.WorkspaceBuild) int { return int(a.Spec.Number - b.Spec.Number) })
	return own
}

// ledger is the workspace's builds in short: "1 Start Succeeded".
func (w *world) ledger(ctx context.Context, ws *v1alpha1.Workspace) []string {
	GinkgoHelper()
	var lines []string
	for _, b := range w.builds(ctx, ws) {
		transition := string(b.Spec.Transition)
		if b.Spec.Restart {
			transition = "Restart"
		}
		lines = append(lines, fmt.Sprintf("%d %s %s", b.Spec.Number, transition, b.Phase()))
	}
	return lines
}

// pods are the names of the pods in the workspace's namespace that carry its id.
func (w *world) pods(ctx context.Context, ws *v1alpha1.Workspace) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(env.Client.List(ctx, &list, client.InNamespace(ws.Namespace), client.MatchingLabels{v1alpha1.LabelID: id(ws)})).To(Succeed())
	return list.Items
}

// pod is the workspace's only pod.
func (w *world) pod(ctx context.Context, ws *v1alpha1.Workspace) *corev1.Pod {
	GinkgoHelper()
	pods := w.pods(ctx, ws)
	Expect(pods).To(HaveLen(1))
	return &pods[0]
}

func (w *world) claims(ctx context.Context, ws *v1alpha1.Workspace) []corev1.PersistentVolumeClaim {
	GinkgoHelper()
	var list corev1.PersistentVolumeClaimList
	Expect(env.Client.List(ctx, &list, client.InNamespace(ws.Namespace), client.MatchingLabels{v1alpha1.LabelID: id(ws)})).To(Succeed())
	return list.Items
}

// asks edits the workspace's request, as a person does.
func (w *world) asks(ctx context.Context, ws *v1alpha1.Workspace, transition v1alpha1.RequestTransition) {
	GinkgoHelper()
	w.clock.SetTime(w.clock.Now().Add(time.Second))
	edit(ctx, ws, fmt.Sprintf(`{"spec":{"request":{"transition":%q,"at":%q}}}`, transition, w.clock.Now().UTC().Format(time.RFC3339)))
}

// passes lets time go by.
func (w *world) passes(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

func edit(ctx context.Context, o client.Object, patch string) {
	GinkgoHelper()
	Expect(env.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

func create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, o)).To(Succeed())
}

// read fetches o anew and tells whether it is there.
func read(ctx context.Context, o client.Object) bool {
	GinkgoHelper()
	err := env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err == nil
}

func request(o client.Object) ctrl.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
}

func id(ws *v1alpha1.Workspace) string {
	if ws.Spec.ID != "" {
		return string(ws.Spec.ID)
	}
	return string(ws.UID)
}

// stopped settles a workspace that is to stop, with a kubelet that ends its pod.
func (w *world) stopped(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	w.settle(ctx, ws)
	w.ends(ctx, ws)
	w.settle(ctx, ws)
	Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStopped))
}

// active is the uid of the template's active version.
func (w *world) active(ctx context.Context) types.UID {
	GinkgoHelper()
	read(ctx, w.template)
	return w.template.Status.ActiveVersion.UID
}

// versionOf is the version of the build that the workspace is held to.
func versionOf(ws *v1alpha1.Workspace) *v1alpha1.UIDReference {
	if ws.Status.Build == nil {
		return nil
	}
	b := &v1alpha1.WorkspaceBuild{ObjectMeta: metav1.ObjectMeta{Namespace: ws.Namespace, Name: string(ws.Status.Build.Name)}}
	if env.Client.Get(context.Background(), client.ObjectKeyFromObject(b), b) != nil {
		return nil
	}
	return b.Spec.VersionRef
}

// meddler does something once, just before a status is updated, and notes that the update was refused for it.
type meddler struct {
	client.WithWatch
	met bool
}

func between(do func()) *meddler {
	m := &meddler{}
	done := false
	m.WithWatch = interceptor.NewClient(env.Client, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if !done {
				done = true
				do()
			}
			err := c.SubResource(sub).Update(ctx, o, opts...)
			m.met = m.met || apierrors.IsConflict(err)
			return err
		},
	})
	return m
}

// workspaceObject is a workspace of the world's template that is not created yet.
func (w *world) workspaceObject(name string, change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	return given.Workspace(w.org, name, w.user, w.template.Name, change...)
}

// younger sees to it that b counts as the younger of two objects: of the same second, the uid decides.
func (w *world) younger(ctx context.Context, a, b *v1alpha1.Workspace) {
	GinkgoHelper()
	for tries := 0; !phase.Older(a, b); tries++ {
		Expect(tries).To(BeNumerically("<", 50))
		b.Finalizers = nil
		Expect(env.Client.Update(ctx, b)).To(Succeed())
		Expect(env.Client.Delete(ctx, b)).To(Succeed())
		fresh := given.Workspace(b.Namespace, b.Name, string(b.Spec.Owner.User), string(b.Spec.TemplateRef.Name))
		fresh.Spec = b.Spec
		create(ctx, fresh)
		*b = *fresh
	}
}

// foreignClaim is a claim that no workspace made.
func (w *world) foreignClaim(ctx context.Context, name string, labels map[string]string) *corev1.PersistentVolumeClaim {
	GinkgoHelper()
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: name, Labels: labels},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	create(ctx, claim)
	return claim
}
