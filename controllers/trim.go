// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// lastApplied is the annotation in which kubectl keeps a second copy of an object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// trim takes off what no controller reads and every object carries. Objects of the cache are never written back whole,
// so nothing gets lost.
func (s *shared) trim(o any) (any, error) {
	a, err := meta.Accessor(o)
	if err != nil {
		return o, nil // a tombstone of the cache's own
	}
	a.SetManagedFields(nil)
	if notes := a.GetAnnotations(); notes[lastApplied] != "" {
		delete(notes, lastApplied)
		a.SetAnnotations(notes)
	}
	s.metadata(a)
	switch o := o.(type) {
	case *v1alpha1.DeletedWorkspace:
		trimRecord(o)
	case *v1alpha1.Workspace:
		s.workspace(o)
	case *v1alpha1.WorkspaceBuild:
		s.build(o)
	}
	return o, nil
}

// trimRecord leaves out of a deleted workspace's record what it was: only the API server shows that.
func trimRecord(d *v1alpha1.DeletedWorkspace) {
	d.Spec.Workspace = runtime.RawExtension{}
	for i := range d.Spec.Builds {
		d.Spec.Builds[i].Build = runtime.RawExtension{}
	}
}

// trimPod keeps of a pod what tells how it fares and whose it is. The kubelet writes the rest often, and it is large.
func (s *shared) trimPod(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	left := &corev1.Pod{
		TypeMeta: pod.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Generation: pod.Generation,
			Labels: pod.Labels, Annotations: trimNotes(pod.Annotations), OwnerReferences: pod.OwnerReferences, Finalizers: pod.Finalizers,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
			DeletionGracePeriodSeconds: pod.DeletionGracePeriodSeconds,
		},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, SchedulingGates: pod.Spec.SchedulingGates,
			TerminationGracePeriodSeconds: pod.Spec.TerminationGracePeriodSeconds,
			InitContainers:                s.alike(trimContainers(pod.Spec.InitContainers)), Containers: s.alike(trimContainers(pod.Spec.Containers)),
		},
		Status: corev1.PodStatus{
			Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message, Conditions: pod.Status.Conditions,
			PodIP: pod.Status.PodIP, StartTime: pod.Status.StartTime,
			InitContainerStatuses: pod.Status.InitContainerStatuses, ContainerStatuses: pod.Status.ContainerStatuses,
		},
	}
	s.metadata(left)
	s.status(&left.Status)
	return left, nil
}

// trimClaim keeps of a claim whose it is, what it asks for and which volume it has.
func (s *shared) trimClaim(o any) (any, error) {
	claim, ok := o.(*corev1.PersistentVolumeClaim)
	if !ok {
		return o, nil
	}
	left := &corev1.PersistentVolumeClaim{
		TypeMeta: claim.TypeMeta, ObjectMeta: claim.ObjectMeta,
		Spec: corev1.PersistentVolumeClaimSpec{
			Resources:  corev1.VolumeResourceRequirements{Requests: s.size(claim.Spec.Resources.Requests)},
			VolumeName: claim.Spec.VolumeName,
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: claim.Status.Phase},
	}
	left.ManagedFields = nil
	share(s, &left.Status.Phase)
	s.metadata(left)
	return left, nil
}

// trimNotes leaves out the texts that a pod's own files and scripts are made of, and the digest of what it was asked to be, which nobody reads here.
func trimNotes(all map[string]string) map[string]string {
	some := maps.Clone(all)
	maps.DeleteFunc(some, func(key, _ string) bool {
		return key == v1alpha1.AnnotationIntent || strings.HasPrefix(key, v1alpha1.AnnotationFile) || strings.HasPrefix(key, v1alpha1.AnnotationScript)
	})
	return some
}

// trimContainers keeps what a container is called, what it runs of, and what it asks for.
func trimContainers(all []corev1.Container) []corev1.Container {
	some := make([]corev1.Container, 0, len(all))
	for _, c := range all {
		some = append(some, corev1.Container{Name: c.Name, Image: c.Image, Resources: c.Resources, RestartPolicy: c.RestartPolicy})
	}
	return some
}
