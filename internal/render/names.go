// SPDX-License-Identifier: Apache-2.0

package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// longestPodName leaves room for what a Service or a StatefulSet-like suffix adds within a label of 63 characters.
const longestPodName = 57

var (
	podNamePattern = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	hashedName     = regexp.MustCompile(`-[0-9a-f]{12}$`)
)

// PodName is the metadata.name of a workspace's pod, and its host name: the workspace's own metadata.name where that is
// a DNS label of at most 57 characters that starts with a letter; else its first 40 characters and a hash. No two
// workspaces of a namespace share one, whatever their names are: what looks hashed without being so is hashed too.
//
// A pod that exists keeps the name that the workspace's status recorded; this is for a new one.
func PodName(workspace *v1alpha1.Workspace) string {
	return podName(workspace.Name, identity(workspace))
}

// ClaimName is the metadata.name of a workspace's claim for the volume of the content. It differs between workspaces
// that had the same name one after the other, so that a new one never meets a claim that was kept.
//
// A claim that exists keeps the name that the workspace's status recorded; this is for a new one.
func ClaimName(workspace *v1alpha1.Workspace, volume string) string {
	return claimName(workspace.Name, identity(workspace), volume)
}

func podName(objectName, id string) string {
	if len(objectName) <= longestPodName && podNamePattern.MatchString(objectName) && !hashedName.MatchString(objectName) {
		return objectName
	}
	readable := strings.ReplaceAll(objectName, ".", "-")
	if readable == "" || readable[0] < 'a' || readable[0] > 'z' {
		readable = "w-" + readable
	}
	return readable[:min(len(readable), 40)] + "-" + digest(12, id, objectName)
}

// The parts are hashed apart, since pod a-b with volume c and pod a with volume b-c read the same.
func claimName(objectName, id, volume string) string {
	return podName(objectName, id) + "-" + volume + "-" + digest(8, id, objectName, volume)
}

// identity is the workspace's id on the wire; before the manager has set it, its uid.
func identity(workspace *v1alpha1.Workspace) string {
	if workspace.Spec.ID != "" {
		return string(workspace.Spec.ID)
	}
	return string(workspace.UID)
}

// digest is the first n hexadecimal digits of a hash over the parts. A NUL keeps "a","b" and "ab" apart; no part holds
// one.
func digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:n]
}

// Digest is a short hash of a text, in hexadecimal.
func Digest(text []byte) string { return digest(16, string(text)) }

// Intent is a hash of what a pod was asked to be: its labels, annotations and spec. It is written on the pod as
// v1alpha1.AnnotationIntent, which itself does not count.
func Intent(pod *corev1.PodTemplateSpec) (string, error) {
	asked := pod.DeepCopy()
	delete(asked.Annotations, v1alpha1.AnnotationIntent)
	text, err := json.Marshal(asked)
	if err != nil {
		return "", fmt.Errorf("hash the pod: %w", err)
	}
	return digest(16, string(text)), nil
}
