// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// largestTexts bounds the texts that a pod carries together, in bytes: they travel in its annotations, of which Kubernetes
// takes 256 KiB.
const largestTexts = 128 << 10

// carry has the pod bring a text as a file of a volume, in an annotation, so that it needs no object of its own. It returns
// false, with the problem noted at the text's path, where all texts together are too large.
func (a *assembly) carry(annotation, text, at, volume, file string, mode int32) bool {
	if a.carried += len(text); a.carried > largestTexts {
		a.wrong(at, v1alpha1.ReasonPodInvalid, "makes files and scripts larger than %d KiB together; keep large ones in the image", largestTexts>>10)
		return false
	}
	pod := &a.workload.Pod
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[annotation] = text
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume })
	if i < 0 {
		i = len(pod.Spec.Volumes)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}})
	}
	source := pod.Spec.Volumes[i].DownwardAPI
	source.Items = append(source.Items, corev1.DownwardAPIVolumeFile{Path: file, Mode: new(mode),
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + annotation + "']"}})
	return true
}
