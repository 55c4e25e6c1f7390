// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/joblog"
)

// Untold tells whether the events about a pod are worth reading for the log: a container runs, and nothing was said of it
// yet.
func Untold(log []v1alpha1.LogLine, pod *corev1.Pod) bool {
	return slices.ContainsFunc(containers(pod), func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil && !joblog.Has(log, started(pod, c.Name))
	})
}

// containers are the statuses of all containers, in the order in which they start.
func containers(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func started(pod *corev1.Pod, container string) string {
	return "started/" + string(pod.UID) + "/" + container
}

// pod tells of the build's own pod.
func (s Scene) pod(pod *corev1.Pod) []joblog.Entry {
	uid := string(pod.UID)
	from := func(at time.Time, stage, cause, format string, args ...any) joblog.Entry {
		e := joblog.Entryf(at, stage, cause, format, args...)
		e.Source = v1alpha1.LogSourceCluster
		return e
	}
	var entries []joblog.Entry
	made := from(pod.CreationTimestamp.Time, Scheduling, "pod/"+uid, "Pod %s is made and waits for a node.", pod.Name)
	made.Level = v1alpha1.LogDebug
	entries = append(entries, made)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue && pod.Spec.NodeName != "" {
			entries = append(entries, from(c.LastTransitionTime.Time, Scheduling, "node/"+uid, "Pod %s is placed on node %s.", pod.Name, pod.Spec.NodeName))
		}
	}
	if pod.DeletionTimestamp != nil {
		entries = append(entries, from(s.Now, Starting, "ends/"+uid, "Pod %s is ending and will be made again.", pod.Name))
	}
	entries = append(entries, s.events(uid)...)
	for _, c := range pod.Status.InitContainerStatuses {
		switch t := c.State.Terminated; {
		case t != nil && t.ExitCode == 0:
			e := from(t.FinishedAt.Time, Starting, "prepared/"+uid+"/"+c.Name, "Container %s has prepared the pod in %s.", c.Name, t.FinishedAt.Sub(t.StartedAt.Time).Round(time.Second))
			e.Level = v1alpha1.LogDebug
			entries = append(entries, e)
		case c.State.Running != nil:
			e := from(c.State.Running.StartedAt.Time, Starting, started(pod, c.Name), "Container %s prepares the pod.", c.Name)
			e.Level = v1alpha1.LogDebug
			entries = append(entries, e)
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running != nil {
			entries = append(entries, from(c.State.Running.StartedAt.Time, Starting, started(pod, c.Name), "Container %s is started.", c.Name))
		}
	}
	if s.State != nil && pod.DeletionTimestamp == nil {
		for _, a := range s.State.Agents {
			if a.Ready {
				entries = append(entries, joblog.Entryf(s.Now, Starting, "agent/"+uid+"/"+a.Name, "Agent %s is ready.", a.Name))
			}
		}
	}
	return entries
}

var (
	pulled   = regexp.MustCompile(`^Successfully pulled image "([^"]+)" in ([0-9hmnsuµ.]+)(?: \([^)]*\))?\.?(?: Image size: ([0-9]+) bytes)?`)
	present  = regexp.MustCompile(`^Container image "([^"]+)" already present on machine`)
	pulling  = regexp.MustCompile(`^Pulling image "([^"]+)"`)
	attached = regexp.MustCompile(`^AttachVolume\.Attach succeeded for volume "([^"]+)"`)
)

// events tells of what the cluster says about the pod: images, and what the states of its containers do not show.
func (s Scene) events(pod string) []joblog.Entry {
	var entries []joblog.Entry
	for i := range s.Events {
		e := &s.Events[i]
		if string(e.InvolvedObject.UID) != pod {
			continue
		}
		if entry, told := ofEvent(e); told {
			entry.At, entry.Source = happened(e, s.Now), v1alpha1.LogSourceCluster
			entry.Cause += "/" + pod
			entries = append(entries, entry)
		}
	}
	return entries
}

func ofEvent(e *corev1.Event) (joblog.Entry, bool) {
	switch e.Reason {
	case "Pulling":
		if m := pulling.FindStringSubmatch(e.Message); m != nil {
			return joblog.Entryf(time.Time{}, Pulling, "pulling/"+m[1], "Pulling %s.", m[1]), true
		}
	case "Pulled":
		if m := pulled.FindStringSubmatch(e.Message); m != nil {
			return joblog.Entryf(time.Time{}, Pulling, "pulled/"+m[1], "Pulled %s in %s%s.", m[1], took(m[2]), size(m[3])), true
		}
		if m := present.FindStringSubmatch(e.Message); m != nil {
			return joblog.Entryf(time.Time{}, Pulling, "pulled/"+m[1], "Image %s is on the node already.", m[1]), true
		}
	case "SuccessfulAttachVolume":
		if m := attached.FindStringSubmatch(e.Message); m != nil {
			return joblog.Entryf(time.Time{}, Claiming, "attached/"+m[1], "Volume %s is attached to the node.", m[1]), true
		}
	}
	return joblog.Entry{}, false
}

// happened is when an event was seen first.
func happened(e *corev1.Event, now time.Time) time.Time {
	for _, t := range []time.Time{e.EventTime.Time, e.FirstTimestamp.Time, e.LastTimestamp.Time, e.CreationTimestamp.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return now
}

// took is a length of time as people read it.
func took(text string) string {
	d, err := time.ParseDuration(strings.TrimRight(text, "."))
	switch {
	case err != nil:
		return text
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// size is how much was pulled; nothing where the event does not say.
func size(bytes string) string {
	n, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || n <= 0 {
		return ""
	}
	const mega = 1_000_000
	if n < mega {
		return fmt.Sprintf(" (%d kB)", (n+999)/1000)
	}
	return fmt.Sprintf(" (%d MB)", (n+mega/2)/mega)
}
