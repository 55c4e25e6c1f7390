// SPDX-License-Identifier: Apache-2.0

// Package workload makes what a version renders to: volume claims, and the pod. The kinds that hold the cluster to one
// share it: it knows neither, only a Holder, and decides nothing about when a pod is to be there. A claim is never deleted
// here, and a pod is created and never applied.
package workload

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Maker makes claims and pods.
type Maker struct {
	// Client reads from a cache that holds the pods and claims that are ours.
	client.Client
	// Live reads past the cache what must be known before a pod is made, and what is not ours.
	Live client.Reader
}

// Holder is what a workload is made for.
type Holder struct {
	// Namespace is where all of it stands, and Kind what the holder is called in a sentence: workspace.
	Namespace, Kind string
	// Labels and Annotations are those of every object of the holder.
	Labels, Annotations map[string]string
	// PodLabels are those of its pod beside them.
	PodLabels map[string]string
	// Owner makes a pod the holder's.
	Owner metav1.OwnerReference
	// OwnsPod tells whether a pod is the holder's own, and OwnsClaim whether a claim for a volume is or may become so.
	OwnsPod   func(*corev1.Pod) bool
	OwnsClaim func(claim *corev1.PersistentVolumeClaim, volume string) bool
	// Marks say in a sentence by what a claim is known to be the holder's.
	Marks string
	// Retry is how soon something that the cluster refused, and that may pass, is tried again.
	Retry time.Duration
}

// Refused tells whether the cluster has understood and will not: Pod Security, a quota, an admission policy, a schema.
func Refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// ReasonOf is the cluster's own sentence.
func ReasonOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// Missing are the wanted entries that are absent or different, as a merge patch holds them.
func Missing(have, want map[string]string) map[string]any {
	lacks := map[string]any{}
	for k, v := range want {
		if have[k] != v {
			lacks[k] = v
		}
	}
	return lacks
}

// Owned tells whether an object's owner references name the owner of the uid.
func Owned(o metav1.Object, uid types.UID) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == uid })
}
