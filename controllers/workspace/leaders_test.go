// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
)

// former is a manager that led and does not know that it no longer does: its caches stand still, and it works on for some
// passes.
type former struct {
	decides *workspace.Reconciler
	acts    *workspacebuild.Reconciler
	cache   *past
	passes  int
}

// loses has another manager lead beside the one that did.
func (p *play) loses() {
	p.former = &former{decides: p.decides, acts: p.acts, cache: p.cache, passes: 4 + p.rand.IntN(12)}
	p.former.cache.still = p.rand.IntN(p.former.passes)
	p.cache = p.cache.cache(p.rand)
	p.cache.catches()
	p.starts()
}

// pass is one pass of each controller of one manager.
func (p *play) pass(ctx context.Context, decides *workspace.Reconciler, acts *workspacebuild.Reconciler, cache *past) {
	GinkgoHelper()
	cache.note(ctx)
	cache.drifts()
	_, err := decides.Reconcile(ctx, request(p.ws))
	p.injected(err)
	p.safe(ctx)
	p.introduces(ctx)
	cache.note(ctx)
	cache.drifts()
	_, err = acts.Reconcile(ctx, p.shown(ctx, cache))
	p.injected(err)
	p.safe(ctx)
}

// shown asks for a pass of the build that the workspace is held to by what a cache shows, as the cache's events do.
func (p *play) shown(ctx context.Context, cache *past) ctrl.Request {
	GinkgoHelper()
	r := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: p.org, Name: "none"}}
	var ws v1alpha1.Workspace
	err := cache.Get(ctx, client.ObjectKeyFromObject(p.ws), &ws)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	if err == nil && ws.Status.Build != nil {
		r.Name = string(ws.Status.Build.Name)
	}
	return r
}

// made is what must hold when a manager makes something: a pod is only made for the start that the workspace is held to, and
// it is the only one.
func (p *play) made(ctx context.Context, o client.Object) {
	GinkgoHelper()
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	Expect(read(ctx, p.ws)).To(BeTrue(), "%v: a pod without a workspace", p.told)
	Expect(p.ws.DeletionTimestamp).To(BeNil(), "%v: a pod for a workspace that goes", p.told)
	b := ledger.Accepted(p.ws, p.builds(ctx, p.ws))
	Expect(b).NotTo(BeNil(), "%v: a pod without a build", p.told)
	Expect(b.Spec.Transition).To(Equal(v1alpha1.TransitionStart), "%v: a pod for %s", p.told, b.Name)
	Expect(pod.Labels).To(HaveKeyWithValue(v1alpha1.LabelBuild, ledger.Label(b)), "%v: a pod for another build than %s", p.told, b.Name)
}

// ended is what must hold when a manager deletes something: a pod that runs for the start that the workspace is held to is
// left alone.
func (p *play) ended(ctx context.Context, o client.Object) {
	GinkgoHelper()
	pod, ok := o.(*corev1.Pod)
	if !ok || !read(ctx, p.ws) || p.ws.DeletionTimestamp != nil {
		return
	}
	b := ledger.Accepted(p.ws, p.builds(ctx, p.ws))
	there := pod.DeepCopy()
	if b == nil || !read(ctx, there) || there.UID != pod.UID || podstate.Finished(there) {
		return
	}
	if b.Spec.Transition == v1alpha1.TransitionStart && b.Spec.Cancel == nil && ledger.Outcome(b) != v1alpha1.JobFailed {
		Expect(there.Labels).NotTo(HaveKeyWithValue(v1alpha1.LabelBuild, ledger.Label(b)), "%v: the pod of %s is ended", p.told, b.Name)
	}
}
