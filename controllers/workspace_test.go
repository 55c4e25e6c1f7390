// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// theLifeOfAWorkspace goes through a workspace's whole life by watches and caches alone, with the spec as kubelet.
func theLifeOfAWorkspace(ctx SpecContext) {
	template := given.Template("port", "plain", func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
	})
	ws := given.Workspace("port", "api", "mate", "plain")
	create(ctx, given.Organization("port"))
	Eventually(func() error { return env.Client.Create(ctx, template) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
	create(ctx, ws)
	phase := func(want v1alpha1.WorkspacePhase, ready string) {
		GinkgoHelper()
		Eventually(func() string {
			kubelet(ctx, ws)
			is := state(ctx, ws)()
			return fmt.Sprint(is.Status.Phase, " ", reason(is))
		}).WithContext(ctx).WithTimeout(soon).Should(Equal(fmt.Sprint(want, " ", ready)))
	}
	Eventually(state(ctx, ws)).WithContext(ctx).WithTimeout(soon).Should(BeStalled(v1alpha1.ReasonOwnerMissing))

	By("its owner, who comes later")
	create(ctx, given.User("mate", func(u *v1alpha1.User) {
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: "port"}}
	}))
	phase(v1alpha1.PhaseRunning, v1alpha1.ReasonAgentReady)

	By("its pod, deleted by hand")
	uid := ws.Status.Pod.UID
	Expect(env.Client.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "port", Name: ws.Status.Pod.Name}}, client.GracePeriodSeconds(0))).To(Succeed())
	Eventually(func() bool {
		kubelet(ctx, ws)
		is := state(ctx, ws)()
		return is.Status.Pod != nil && is.Status.Pod.UID != uid && reason(is) == v1alpha1.ReasonAgentReady
	}).WithContext(ctx).WithTimeout(soon).Should(BeTrue())
	Expect(ws.Status.Build.Number).To(BeEquivalentTo(1))

	By("a stop, a start and a restart")
	for i, word := range []v1alpha1.RequestTransition{v1alpha1.RequestStop, v1alpha1.RequestStart, v1alpha1.RequestRestart} {
		patch(ctx, ws, fmt.Sprintf(`{"spec":{"request":{"transition":%q,"at":%q}}}`, word, time.Now().UTC().Format(time.RFC3339Nano)))
		Eventually(state(ctx, ws)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Build.Number", BeEquivalentTo(i+2)))
		if word == v1alpha1.RequestStop {
			phase(v1alpha1.PhaseStopped, v1alpha1.ReasonStopped)
		} else {
			phase(v1alpha1.PhaseRunning, v1alpha1.ReasonAgentReady)
		}
	}

	By("its end")
	Expect(env.Client.Delete(ctx, ws)).To(Succeed())
	Eventually(func() string {
		kubelet(ctx, ws)
		return state(ctx, ws)().ResourceVersion
	}).WithContext(ctx).WithTimeout(soon).Should(BeEmpty())
	var claims corev1.PersistentVolumeClaimList
	Expect(env.Client.List(ctx, &claims, client.InNamespace("port"))).To(Succeed())
	Expect(claims.Items).To(HaveLen(1))
	Expect(claims.Items[0].Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter))

	By("the claim that it leaves, when its time is over")
	patch(ctx, &claims.Items[0], fmt.Sprintf(`{"metadata":{"annotations":{%q:"2026-01-01T00:00:00Z"}}}`, v1alpha1.AnnotationDeleteAfter))
	Eventually(state(ctx, &claims.Items[0])).WithContext(ctx).WithTimeout(soon).Should(HaveField("DeletionTimestamp", Not(BeNil())))
}

// reason is the reason of an object's Ready condition, behind a ! while it is not ready.
func reason(o v1alpha1.Object) string {
	for _, c := range o.GetConditions() {
		switch {
		case c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue:
			return c.Reason
		case c.Type == v1alpha1.ConditionReady:
			return "!" + c.Reason
		}
	}
	return ""
}

// kubelet runs the pods of a workspace that are there, and ends those that are to end.
func kubelet(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(env.Client.List(ctx, &pods, client.InNamespace(ws.Namespace))).To(Succeed())
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil {
			Expect(client.IgnoreNotFound(env.Client.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
			continue
		}
		if pod.Spec.NodeName == "" {
			_ = env.Client.SubResource("binding").Create(ctx, pod, &corev1.Binding{ // it is tried again where it meets a change
				ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: "n1"},
			})
			continue
		}
		if pod.Status.Phase == corev1.PodRunning {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		for _, c := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
			})
		}
		_ = env.Client.Status().Update(ctx, pod) // so is this
	}
}
