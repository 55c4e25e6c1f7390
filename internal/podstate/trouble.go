// SPDX-License-Identifier: Apache-2.0

package podstate

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// trouble is the first thing that keeps a pod from running as asked, in the order in which a pod meets them; empty when
// nothing does.
func trouble(pod *corev1.Pod, claims []corev1.PersistentVolumeClaim, events []corev1.Event, source Source, now time.Time) (reason, message string) {
	if pod.Spec.NodeName == "" {
		return unscheduled(pod, claims)
	}
	for _, c := range statuses(pod) {
		if reason, message := containerTrouble(pod, c, source, now); reason != "" {
			return reason, message
		}
	}
	if NeedsEvents(pod) {
		return setupTrouble(events)
	}
	return "", ""
}

// unscheduled is why a pod has no node.
func unscheduled(pod *corev1.Pod, claims []corev1.PersistentVolumeClaim) (reason, message string) {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
			continue
		}
		if c.Reason == corev1.PodReasonSchedulingGated {
			return v1alpha1.ReasonUnschedulable, "the pod is held in a queue: " + gates(pod)
		}
		if name := unboundClaim(claims); name != "" && strings.Contains(c.Message, "unbound immediate PersistentVolumeClaims") {
			return v1alpha1.ReasonClaimPending, fmt.Sprintf("volume claim %s has no volume yet; if it stays so, "+
				"look at its events and at the storage class: kubectl describe pvc %s -n %s", name, name, pod.Namespace)
		}
		if c.Reason == corev1.PodReasonUnschedulable {
			return v1alpha1.ReasonUnschedulable, unschedulable(Shorten(c.Message))
		}
	}
	return "", ""
}

func gates(pod *corev1.Pod) string {
	names := make([]string, 0, len(pod.Spec.SchedulingGates))
	for _, g := range pod.Spec.SchedulingGates {
		names = append(names, g.Name)
	}
	return strings.Join(names, ", ")
}

func unboundClaim(claims []corev1.PersistentVolumeClaim) string {
	for _, c := range claims {
		if c.Status.Phase != corev1.ClaimBound {
			return c.Name
		}
	}
	return ""
}

// unschedulable puts what helps behind the scheduler's words.
func unschedulable(message string) string {
	if allCordoned.MatchString(message) {
		return message + ". Wait until the work on them is done, or have a node added"
	}
	return message + ". Ask for less, or have a node added"
}

var (
	nodes        = regexp.MustCompile(`^0/([0-9]+) nodes are available: `)
	insufficient = regexp.MustCompile(`([0-9]+) Insufficient ([^,.\s]+)`)
	tainted      = regexp.MustCompile(`([0-9]+) node\(s\) had untolerated taint(?:\(s\))? ?\{([^:}]+)(?:: ?[^}]*)?\}`)
	cordoned     = regexp.MustCompile(`([0-9]+) node\(s\) were unschedulable`)
	allCordoned  = regexp.MustCompile(`^0 of [0-9]+ nodes fit: [0-9]+ cordoned$`)
	selector     = regexp.MustCompile(`([0-9]+) node\(s\) didn't match Pod's node affinity/selector`)
)

// Shorten makes the scheduler's words fit to be read: what it tried besides is left out.
func Shorten(message string) string {
	message, _, _ = strings.Cut(message, " preemption: ")
	message = nodes.ReplaceAllString(strings.TrimSpace(message), "0 of $1 nodes fit: ")
	message = insufficient.ReplaceAllString(message, "$1 lack $2")
	message = tainted.ReplaceAllString(message, `$1 have taint "$2"`)
	message = cordoned.ReplaceAllString(message, "$1 cordoned")
	message = selector.ReplaceAllString(message, "$1 do not match the node selector")
	return strings.TrimRight(clean(message, maxText), ". ")
}

// containerTrouble is what one container's state complains of.
func containerTrouble(pod *corev1.Pod, c corev1.ContainerStatus, source Source, now time.Time) (reason, message string) {
	if c.Ready && !unsettled(c, now) {
		return "", ""
	}
	if w := c.State.Waiting; w != nil {
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError",
			"SignatureValidationFailed":
			return v1alpha1.ReasonImagePull, pullTrouble(pod, c, w, source)
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return cantBeMade(c.Name, w.Message)
		}
	}
	ended := c.State.Terminated
	if ended == nil {
		ended = c.LastTerminationState.Terminated
	}
	switch {
	case ended == nil || c.State.Terminated != nil && ended.ExitCode == 0:
		return "", "" // it never ended, or it is an init container that is done
	case ended.Reason == "StartError" || ended.Reason == "ContainerCannotRun":
		// It never ran: while the kubelet waits to try again, the reason stays what it was when it tried.
		return cantBeMade(c.Name, ended.Message)
	case ended.Reason == "OOMKilled":
		return v1alpha1.ReasonOutOfMemory, fmt.Sprintf("container %s used more memory than its limit%s and was ended; raise the limit",
			c.Name, memoryLimit(pod, c.Name))
	}
	message = fmt.Sprintf("container %s ends again and again with exit code %d", c.Name, ended.ExitCode)
	if line := lastLine(ended.Message); line != "" {
		message += fmt.Sprintf(", last line: %q", line)
	}
	return v1alpha1.ReasonCrashLoop, message + fmt.Sprintf(". See kubectl logs %s -c %s --previous -n %s", pod.Name, c.Name, pod.Namespace)
}

func cantBeMade(container, why string) (reason, message string) {
	return v1alpha1.ReasonContainerConfig, fmt.Sprintf("container %s can't be made: %s", container, clean(why, maxText))
}

func memoryLimit(pod *corev1.Pod, container string) string {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == container {
				return " of " + limit.String()
			}
		}
	}
	return ""
}

// pullTrouble names the image and the field it stands in, and says what the registry said in a word.
func pullTrouble(pod *corev1.Pod, c corev1.ContainerStatus, w *corev1.ContainerStateWaiting, source Source) string {
	image := imageOf(pod, c.Name)
	message := fmt.Sprintf("pulling %s: %s. ", image, pullError(w.Reason, w.Message))
	field := source.field(c.Name, image)
	switch {
	case field == "":
		return message + "It is the agent's image, which the installation sets"
	case source.Version == "":
		return message + "It stands in " + field
	}
	return message + fmt.Sprintf("Version %s asks for it in %s", source.Version, field)
}

// pullErrors are words of registries and runtimes, and what they mean. The first that is found counts.
var pullErrors = []struct{ words, means string }{
	{"not found", "not found; check the name and the tag"},
	{"manifest unknown", "not found; check the name and the tag"},
	{"unauthorized", "the registry wants a sign-in; name an image pull secret"},
	{"denied", "the registry denies it; check the name, or name an image pull secret"},
	{"forbidden", "the registry denies it; check the name, or name an image pull secret"},
	{"no basic auth", "the registry wants a sign-in; name an image pull secret"},
	{"no such host", "the registry's host name is not known"},
	{"connection refused", "the registry does not answer"},
	{"timeout", "the registry does not answer"},
	{"dial tcp", "the registry can't be reached"},
	{"no match for platform", "there is none for the node's processor"},
	{"toomanyrequests", "the registry limits how often it is asked"},
	{"429", "the registry limits how often it is asked"},
	{"x509", "the registry's certificate is not trusted by the node"},
}

func pullError(reason, message string) string {
	switch reason {
	case "InvalidImageName":
		return "the name of the image is not valid"
	case "ErrImageNeverPull":
		return "the image is not on the node and may not be pulled"
	}
	lower := strings.ToLower(message)
	for _, e := range pullErrors {
		if strings.Contains(lower, e.words) {
			return e.means
		}
	}
	if i := strings.LastIndex(message, "desc = "); i >= 0 {
		return clean(message[i+len("desc = "):], maxText)
	}
	return "it failed"
}

func imageOf(pod *corev1.Pod, container string) string {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if c.Name == container {
				return c.Image
			}
		}
	}
	return "the image of container " + container
}

// setupTrouble is what the newest warning about a pod whose containers are not made says.
func setupTrouble(events []corev1.Event) (reason, message string) {
	var newest *corev1.Event
	for i := range events {
		e := &events[i]
		switch e.Reason {
		case "FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox":
			if newest == nil || newest.LastTimestamp.Before(&e.LastTimestamp) {
				newest = e
			}
		}
	}
	if newest == nil {
		return "", ""
	}
	return v1alpha1.ReasonContainerConfig, "the pod can't be set up: " + clean(newest.Message, maxText)
}
