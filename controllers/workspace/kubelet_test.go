// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// becomes writes a pod's status as a kubelet would.
func (w *world) becomes(ctx context.Context, pod *corev1.Pod, change func(*corev1.Pod)) {
	GinkgoHelper()
	if pod.Spec.NodeName == "" {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: "n4"}}
		Expect(env.Client.SubResource("binding").Create(ctx, pod, binding)).To(Succeed())
	}
	read(ctx, pod)
	change(pod)
	Expect(env.Client.Status().Update(ctx, pod)).To(Succeed())
}

// running has every container of a pod run and be ready.
func running(pod *corev1.Pod) {
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.0.0.7"
	pod.Status.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		})
	}
}

// ends has the kubelet finish with every pod of the workspace that is being deleted.
func (w *world) ends(ctx context.Context, ws *v1alpha1.Workspace) {
	GinkgoHelper()
	for _, p := range w.pods(ctx, ws) {
		if p.DeletionTimestamp != nil {
			w.kill(ctx, &p)
		}
	}
}

// kill removes a pod at once.
func (w *world) kill(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(env.Client.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
}
