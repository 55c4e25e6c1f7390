// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podstate"
	"github.com/berth-dev/berth/internal/render"
)

// Pod is the holder's pod as it is made.
func Pod(h *Holder, name string, w *render.Workload, now time.Time) (*corev1.Pod, error) {
	template := w.Pod.DeepCopy()
	intent, err := render.Intent(&w.Pod)
	if err != nil {
		return nil, err
	}
	var agents []podstate.Agent
	for _, a := range w.Agents {
		agents = append(agents, podstate.Agent{Name: a.Name, Container: a.Container})
	}
	text, err := podstate.WriteAgents(agents)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: h.Namespace, Name: name,
			Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{h.Owner},
		},
		Spec: template.Spec,
	}
	maps.Copy(pod.Labels, template.Labels)
	maps.Copy(pod.Labels, h.Labels)
	maps.Copy(pod.Labels, h.PodLabels)
	maps.Copy(pod.Annotations, template.Annotations)
	maps.Copy(pod.Annotations, h.Annotations)
	pod.Annotations[v1alpha1.AnnotationIntent] = intent
	pod.Annotations[v1alpha1.AnnotationAgents] = text
	pod.Annotations[v1alpha1.AnnotationCreatedAt] = now.UTC().Format(time.RFC3339Nano)
	return pod, nil
}

// Make creates a pod after its caller has asked the live cluster that the holder may have one. Of two that do so one is
// refused by etcd, as the name is stable: it meets the pod that is there, which is put right where it is the holder's own,
// and not touched where it is anybody else's. made tells which of the two it was.
func (m *Maker) Make(ctx context.Context, h *Holder, want *corev1.Pod) (pod *corev1.Pod, made bool, err error) {
	pod = want.DeepCopy()
	err = m.Create(ctx, pod, phase.Owner)
	switch {
	case apierrors.IsAlreadyExists(err):
		pod, err = m.meet(ctx, h, want)
		return pod, false, err
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		// what it was rendered from does not change, so no waiting makes it right
		return nil, false, fault.New(fault.Invalid, "the cluster can't make the pod: %s", ReasonOf(err)).Because(v1alpha1.ReasonPodRefused)
	case Refused(err):
		return nil, false, phase.Wait(h.Retry, v1alpha1.ReasonPodRefused, "the cluster refuses the pod: %s", ReasonOf(err))
	}
	return pod, err == nil, err
}

// meet deals with a pod that has the name already.
func (m *Maker) meet(ctx context.Context, h *Holder, want *corev1.Pod) (*corev1.Pod, error) {
	var there corev1.Pod
	if err := m.Live.Get(ctx, client.ObjectKeyFromObject(want), &there); err != nil {
		return nil, err
	}
	if !h.OwnsPod(&there) {
		return nil, phase.Wait(h.Retry, v1alpha1.ReasonPodRefused, "pod %s stands in the way: it is not this %s's; "+
			"delete it if nobody needs it", there.Name, h.Kind)
	}
	if there.DeletionTimestamp != nil || podstate.Finished(&there) {
		return nil, errors.Join(m.End(ctx, &there),
			phase.Wait(time.Second, v1alpha1.ReasonPodGone, "pod %s is ending and will be made again", there.Name))
	}
	return &there, m.Mend(ctx, h, &there)
}

// Mend puts the labels, the annotations of ours and the owner back that somebody took off a living pod. Nothing else of
// it is ever changed.
func (m *Maker) Mend(ctx context.Context, h *Holder, pod *corev1.Pod) error {
	labels := maps.Clone(h.Labels)
	maps.Copy(labels, h.PodLabels)
	metadata := map[string]any{}
	if lacks := Missing(pod.Labels, labels); len(lacks) > 0 {
		metadata["labels"] = lacks
	}
	if lacks := Missing(pod.Annotations, h.Annotations); len(lacks) > 0 {
		metadata["annotations"] = lacks
	}
	if !Owned(pod, h.Owner.UID) {
		metadata["ownerReferences"] = append(pod.OwnerReferences, h.Owner)
	}
	if len(metadata) == 0 {
		return nil
	}
	metadata["uid"], metadata["resourceVersion"] = pod.UID, pod.ResourceVersion
	return client.IgnoreNotFound(phase.MergePatch(ctx, m.Client, pod, map[string]any{"metadata": metadata}))
}

// End deletes that very pod, with the time to end that it asks for.
func (m *Maker) End(ctx context.Context, pod *corev1.Pod) error {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	return client.IgnoreNotFound(m.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}))
}
