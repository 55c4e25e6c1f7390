// SPDX-License-Identifier: Apache-2.0

package warmworkspace

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
)

// retry is how soon something that the cluster refused, and that may pass, is tried again.
const retry = 15 * time.Second

// observe reads what the prepared workspace is made of, and its pod.
func (r *Reconciler) observe(ctx context.Context, s *scope) (err error) {
	if s.org, err = phase.Home(ctx, r, &s.slot, "WarmWorkspace"); err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: s.slot.Namespace, Name: string(s.slot.Spec.TemplateRef.Name)}
	if err := r.Get(ctx, key, &s.template); err != nil {
		return gone(err, "its Template")
	}
	key.Name = string(s.slot.Spec.VersionRef.Name)
	err = r.Get(ctx, key, &s.version)
	if err == nil && s.version.UID != s.slot.Spec.VersionRef.UID {
		err = apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("templateversions").GroupResource(), key.Name)
	}
	if err != nil {
		return gone(err, "its TemplateVersion")
	}
	s.deadline = v1alpha1.CreatedAt(&s.slot).Add(ledger.StartTimeout(&s.version.Spec.Content, s.template.Spec.Lifecycle))
	if s.slot.Status.Pod == nil {
		return nil
	}
	var pod corev1.Pod
	err = r.Get(ctx, client.ObjectKey{Namespace: s.slot.Namespace, Name: s.slot.Status.Pod.Name}, &pod)
	if apierrors.IsNotFound(err) { // the cache may not know it yet
		err = r.Live.Get(ctx, client.ObjectKey{Namespace: s.slot.Namespace, Name: s.slot.Status.Pod.Name}, &pod)
	}
	if err == nil && pod.UID == s.slot.Status.Pod.UID {
		s.pod = &pod
	}
	return client.IgnoreNotFound(err)
}

func gone(err error, what string) error {
	if apierrors.IsNotFound(err) {
		return fault.New(fault.NotFound, "%s is gone", what).Because(v1alpha1.ReasonTemplateNotReady)
	}
	return err
}

// make makes the claims and the pod, once. The pod is created, never applied, and only after the live cluster has said that
// the prepared workspace is still nobody's and has none.
func (r *Reconciler) make(ctx context.Context, s *scope) error {
	if s.slot.Status.Pod != nil {
		return nil
	}
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return render.Fault(problems)
	}
	platform, err := r.platform(ctx)
	if err != nil {
		return err
	}
	rendered, refusal := compiled.Render(render.InputOfWarm(&s.slot, &s.template, s.org, platform))
	if refusal != nil {
		return refusal
	}
	s.workload = rendered
	from := v1alpha1.TemplateReference{Name: s.slot.Spec.TemplateRef.Name}
	if err := r.maker().Mountable(ctx, s.slot.Namespace, rendered.References, from, true); err != nil {
		return err
	}
	if err := r.stillFree(ctx, s); err != nil {
		return err
	}
	h := s.holder()
	for i := range rendered.Claims {
		c := &rendered.Claims[i]
		claim, err := r.maker().Provide(ctx, h, c.Volume, s.claim(h, c))
		if err != nil {
			return err
		}
		s.volumes = append(s.volumes, v1alpha1.VolumeStatus{Name: c.Volume, ClaimName: claim.Name, UID: claim.UID, WhenDeleted: c.WhenDeleted})
	}
	want, err := workload.Pod(h, s.slot.Name, rendered, s.now)
	if err != nil {
		return err
	}
	if s.pod, _, err = r.maker().Make(ctx, h, want); err != nil {
		return err
	}
	return nil
}

// platform is what the pod is told of the installation. The CA is read for each pod, since it may change; without one no
// agent could wait for anything.
func (r *Reconciler) platform(ctx context.Context) (render.Platform, error) {
	p := r.Platform
	if p.URL == "" {
		return p, nil
	}
	var err error
	if p.CA, err = r.CA(ctx); err != nil {
		return p, phase.Wait(retry, v1alpha1.ReasonProgressing, "its agents would not know the API server: %v", err)
	}
	return p, nil
}

// stillFree ends the pass where the live prepared workspace is a person's, or on its way out, or has its pod.
func (r *Reconciler) stillFree(ctx context.Context, s *scope) error {
	var live v1alpha1.WarmWorkspace
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(&s.slot), &live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || live.UID != s.slot.UID || live.DeletionTimestamp != nil || live.Spec.Claim != nil || live.Status.Pod != nil {
		return phase.Wait(time.Second, v1alpha1.ReasonProgressing, "the prepared workspace has changed")
	}
	return nil
}

// holder is the prepared workspace as what a workload is made for: all of it goes with it while it is nobody's.
func (s *scope) holder() *workload.Holder {
	owned := func(o metav1.Object) bool { return workload.Owned(o, s.slot.UID) }
	return &workload.Holder{
		Namespace: s.slot.Namespace, Kind: "prepared workspace",
		Labels:      map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelSlot: string(s.slot.UID)},
		Annotations: map[string]string{v1alpha1.AnnotationTemplate: string(s.slot.Spec.TemplateRef.Name)},
		Owner: metav1.OwnerReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "WarmWorkspace", Name: s.slot.Name, UID: s.slot.UID,
			Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(false),
		},
		OwnsPod:   func(pod *corev1.Pod) bool { return owned(pod) },
		OwnsClaim: func(c *corev1.PersistentVolumeClaim, _ string) bool { return owned(c) },
		Marks:     fmt.Sprintf("its owner is not WarmWorkspace %s", s.slot.Name),
		Retry:     retry,
	}
}

// claim is a volume claim as it is made. It gets its workspace's labels, and loses its owner, when it is handed over.
func (s *scope) claim(h *workload.Holder, c *render.Claim) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.slot.Namespace, Name: c.Name, Labels: h.Labels, Annotations: h.Annotations,
			OwnerReferences: []metav1.OwnerReference{h.Owner},
		},
		Spec: c.Spec,
	}
}
