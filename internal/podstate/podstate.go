// SPDX-License-Identifier: Apache-2.0

// Package podstate reads what a workspace's pod says of itself, and turns it into one reason and a sentence that tells a
// person what to do. It owns the words; which condition they stand in, and what is done about the pod, is its callers'
// choice. It reads objects that it is given and asks nobody.
package podstate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Agent is an agent, and whether its container is ready.
type Agent struct {
	// Name is the agent's name in the version.
	Name string `json:"name"`
	// Container is the pod's container that it runs in.
	Container string `json:"container"`
	// Ready is what the pod's status says of the container.
	Ready bool `json:"-"`
}

// State is how a pod fares.
type State struct {
	// Ready is true while every agent's container is ready.
	Ready bool
	// Reason is one of v1alpha1's: AgentReady, Starting, Stopping, PodGone or a trouble.
	Reason string
	// Message is a sentence for a person.
	Message string
	// Agents are the pod's agents, in the order of the version.
	Agents []Agent
	// Recheck is after how long the state may be another although nothing happened; zero is never.
	Recheck time.Duration
}

// settled is how long a container must have run after it ended badly until it is believed to go on. A container without
// a probe is called ready as soon as it runs, and one that crashes again and again would come and go.
const settled = 10 * time.Second

// eventsAfter is how soon the events of a pod that is being set up are looked at again.
const eventsAfter = 10 * time.Second

// Source says where the pod's images come from, for the messages.
type Source struct {
	// Version is the TemplateVersion's name; empty when it is not known.
	Version string
	// Content is the version's; nil when it is not known.
	Content *v1alpha1.TemplateContent
	// AgentImage is the image that the installation adds to every pod.
	AgentImage string
}

// Finished tells whether a pod has ended and will never run again: it must be made anew.
func Finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// WriteAgents is the text of the annotation v1alpha1.AnnotationAgents for a new pod.
func WriteAgents(agents []Agent) (string, error) {
	text, err := json.Marshal(agents)
	return string(text), err
}

// Agents reads the agents that a pod was made with. A pod whose annotation can't be read has one for each container,
// so that it is not taken for ready before it is.
func Agents(pod *corev1.Pod) []Agent {
	var agents []Agent
	err := json.Unmarshal([]byte(pod.Annotations[v1alpha1.AnnotationAgents]), &agents)
	if err != nil || len(agents) == 0 || len(agents) > maxAgents {
		agents = nil
		for _, c := range pod.Spec.Containers[:min(len(pod.Spec.Containers), maxAgents)] {
			agents = append(agents, Agent{Name: c.Name, Container: c.Name})
		}
	}
	for i := range agents {
		status, ok := status(pod, agents[i].Container)
		agents[i].Name = clean(agents[i].Name, 63)
		agents[i].Ready = ok && status.Ready
	}
	return agents
}

// maxAgents is how many agents a version may have.
const maxAgents = 8

// Of says how the pod fares. The claims are those it mounts, and the events those about it; both may be empty.
func Of(pod *corev1.Pod, claims []corev1.PersistentVolumeClaim, events []corev1.Event, source Source, now time.Time) State {
	s := State{Agents: Agents(pod), Recheck: recheck(pod, now)}
	s.Ready = pod.DeletionTimestamp == nil && !Finished(pod)
	for _, a := range s.Agents {
		s.Ready = s.Ready && a.Ready
	}
	switch reason, message := trouble(pod, claims, events, source, now); {
	case pod.DeletionTimestamp != nil:
		s.Reason, s.Message = v1alpha1.ReasonPodGone, fmt.Sprintf("pod %s is ending and will be made again", pod.Name)
	case Finished(pod):
		s.Reason, s.Message = v1alpha1.ReasonPodGone, gone(pod)
	case reason != "":
		s.Reason, s.Message = reason, message
	case s.Ready:
		s.Reason, s.Message = v1alpha1.ReasonAgentReady, ready(s.Agents)
	default:
		s.Reason, s.Message = v1alpha1.ReasonStarting, progress(pod)
	}
	return s
}

// NeedsEvents tells whether only the events about a pod can say why it does not go on: it has a node, and its containers
// are not made.
func NeedsEvents(pod *corev1.Pod) bool {
	if pod.Spec.NodeName == "" || Finished(pod) || pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodPending {
		return false
	}
	for _, c := range statuses(pod) {
		if c.State.Running != nil || c.State.Terminated != nil {
			return false
		}
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
	}
	return true
}

// recheck is when the last container that ended badly has settled, or when events are to be read again.
func recheck(pod *corev1.Pod, now time.Time) time.Duration {
	var d time.Duration
	if NeedsEvents(pod) {
		d = eventsAfter
	}
	for _, c := range statuses(pod) {
		if unsettled(c, now) {
			d = max(d, c.State.Running.StartedAt.Add(settled).Sub(now))
		}
	}
	return d
}

// unsettled tells whether a container runs again, and not yet for long.
func unsettled(c corev1.ContainerStatus, now time.Time) bool {
	return c.State.Running != nil && c.LastTerminationState.Terminated != nil && now.Sub(c.State.Running.StartedAt.Time) < settled
}

func ready(agents []Agent) string {
	if len(agents) == 1 {
		return "the agent is ready"
	}
	return fmt.Sprintf("all %d agents are ready", len(agents))
}

// gone is why a finished pod is no more.
func gone(pod *corev1.Pod) string {
	why := "ended"
	if pod.Status.Reason == "Evicted" {
		why = "was evicted"
	}
	if text := clean(pod.Status.Message, maxText); text != "" {
		return fmt.Sprintf("pod %s %s and is being made again: %s", pod.Name, why, text)
	}
	return fmt.Sprintf("pod %s %s and is being made again", pod.Name, why)
}

// progress is what a pod without trouble waits for.
func progress(pod *corev1.Pod) string {
	if pod.Spec.NodeName == "" {
		return fmt.Sprintf("pod %s waits for a node", pod.Name)
	}
	for _, c := range pod.Status.InitContainerStatuses {
		if c.State.Running != nil {
			return fmt.Sprintf("pod %s is prepared on node %s: %s", pod.Name, pod.Spec.NodeName, c.Name)
		}
	}
	var waits []string
	for _, a := range Agents(pod) {
		if c, ok := status(pod, a.Container); ok && c.State.Running != nil && !c.Ready {
			waits = append(waits, a.Container)
		}
	}
	if len(waits) > 0 {
		return fmt.Sprintf("pod %s runs on node %s; not ready yet: %s", pod.Name, pod.Spec.NodeName, strings.Join(waits, ", "))
	}
	return fmt.Sprintf("pod %s is set up on node %s", pod.Name, pod.Spec.NodeName)
}

// statuses are those of all containers, in the order in which they start.
func statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	all := make([]corev1.ContainerStatus, 0, len(pod.Status.InitContainerStatuses)+len(pod.Status.ContainerStatuses))
	return append(append(all, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
}

func status(pod *corev1.Pod, container string) (corev1.ContainerStatus, bool) {
	for _, c := range statuses(pod) {
		if c.Name == container {
			return c, true
		}
	}
	return corev1.ContainerStatus{}, false
}
