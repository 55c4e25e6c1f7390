// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// ID is the text of a workspace's id, as the labels of its pod and claims hold it.
func ID(w *v1alpha1.Workspace) string { return ids.Of(w).String() }

// OwnsPod tells whether a pod is the workspace's own: by its owner's uid, or because it is the one that the status
// recorded. Where an orphaning deletion has taken the owners off, the id and the workspace's name must agree.
func OwnsPod(w *v1alpha1.Workspace, pod *corev1.Pod) bool {
	if Owns(w, pod) || w.Status.Pod != nil && w.Status.Pod.UID == pod.UID {
		return true
	}
	return len(pod.OwnerReferences) == 0 && ofWorkspace(w, pod)
}

// OfBuild tells whether a pod of the workspace's own is the accepted build's: its label says so, or, where somebody has
// changed that, it is the pod that the status recorded while this build's start had gone well.
func OfBuild(w *v1alpha1.Workspace, accepted *v1alpha1.WorkspaceBuild, pod *corev1.Pod) bool {
	if pod.Labels[v1alpha1.LabelBuild] == Label(accepted) {
		return true
	}
	recorded := w.Status.Pod != nil && w.Status.Pod.UID == pod.UID
	return recorded && accepted.Spec.Transition == v1alpha1.TransitionStart && Outcome(accepted) == v1alpha1.JobSucceeded
}

// Label is a build's number as the label of its pod holds it.
func Label(b *v1alpha1.WorkspaceBuild) string { return strconv.FormatInt(b.Spec.Number, 10) }

// OwnsClaim tells whether a claim is the workspace's own: the id must agree, and the name or the recorded uid. A claim
// has no owner, and a copied manifest may hold another's id.
func OwnsClaim(w *v1alpha1.Workspace, claim *corev1.PersistentVolumeClaim) bool {
	recorded := slices.ContainsFunc(w.Status.Volumes, func(v v1alpha1.VolumeStatus) bool { return v.UID == claim.UID })
	return ofWorkspace(w, claim) || recorded && claim.Labels[v1alpha1.LabelID] == ID(w)
}

// MayAdopt tells whether a claim that stands already may become the workspace's: its id and its owner agree. Anything
// else is somebody else's data.
func MayAdopt(w *v1alpha1.Workspace, claim *corev1.PersistentVolumeClaim, volume string) bool {
	return claim.Labels[v1alpha1.LabelID] == ID(w) && claim.Labels[v1alpha1.LabelVolume] == volume &&
		claim.Annotations[v1alpha1.AnnotationOwner] == string(w.Spec.Owner.User)
}

// Owns tells whether an object's owner references name this very workspace.
func Owns(w *v1alpha1.Workspace, o metav1.Object) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == w.UID })
}

func ofWorkspace(w *v1alpha1.Workspace, o metav1.Object) bool {
	return o.GetLabels()[v1alpha1.LabelID] == ID(w) && o.GetAnnotations()[v1alpha1.AnnotationWorkspace] == w.Name
}

// OwnerReference makes an object the workspace's. It never blocks the workspace's deletion: the finalizer decides that.
func OwnerReference(w *v1alpha1.Workspace) metav1.OwnerReference {
	controller, block := true, false
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Workspace", Name: w.Name, UID: w.UID,
		Controller: &controller, BlockOwnerDeletion: &block,
	}
}
