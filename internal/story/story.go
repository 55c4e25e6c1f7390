// SPDX-License-Identifier: Apache-2.0

// Package story tells what happens to a build as the lines of its log, so that a person follows it from the first step to
// the end: which version was rendered, which claim was bound, where the pod stands, what was pulled and how long that
// took, which agent is ready, and what went wrong with what to do about it. It reads objects that it is given and
// remembers nothing: the same scene gives the same lines, and a line's cause names what it tells of.
//
// It does not decide when lines are written (package workspacebuild does, with the change that they tell of), nor how many
// a log holds (package joblog).
package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/podstate"
)

// The headings that lines stand under.
const (
	Preparing  = "Preparing"
	Rendering  = "Rendering"
	Claiming   = "Claiming volumes"
	Scheduling = "Scheduling"
	Pulling    = "Pulling image"
	Starting   = "Starting"
	Stopping   = "Stopping"
	Cleaning   = "Cleaning up"
	Ended      = "Done"
)

// Scene is a build and all that is known of it in one pass.
type Scene struct {
	// Build is the build as it is after the pass; its log is the one so far.
	Build *v1alpha1.WorkspaceBuild
	// Rendered is what was rendered in this pass or an earlier one; nil when it is not known.
	Rendered *Rendered
	// Claims are the workspace's, Pods its pods.
	Claims []corev1.PersistentVolumeClaim
	Pods   []corev1.Pod
	// Mine tells whether a pod is this build's own; nil when none can be.
	Mine func(*corev1.Pod) bool
	// Events are those about the build's pod, as far as they were read.
	Events []corev1.Event
	// State is how the build's pod fares; nil when it has none.
	State *podstate.State
	// Trouble is what keeps the build from going on and what can be done; empty when nothing does.
	Trouble Trouble
	// Also is what else happened, which the caller tells in its own words.
	Also []joblog.Entry
	// Now is the time of what has no time of its own.
	Now time.Time
}

// Rendered is what a version came to.
type Rendered struct {
	// Version is the TemplateVersion's metadata.name.
	Version string
	// Agents and Claims are how many it has.
	Agents, Claims int
	// Images are those of its containers, by the containers' names, in their order.
	Images []Image
}

// Image is what a container runs.
type Image struct{ Container, Name string }

// Trouble is something in the way that may pass.
type Trouble struct {
	// Reason is one of v1alpha1's.
	Reason string
	// Message is what a person reads, the remedy with it.
	Message string
}

// Tell gives the lines that the log of the scene's build lacks, in the order in which things happened. Details are told
// only where the build asks for them.
func Tell(s Scene) []joblog.Entry {
	var all []joblog.Entry
	all = append(all, s.begin()...)
	all = append(all, s.gone()...)
	all = append(all, s.rendered()...)
	all = append(all, s.claims()...)
	for i := range s.Pods {
		pod := &s.Pods[i]
		if s.Mine != nil && s.Mine(pod) && s.starts() {
			all = append(all, s.pod(pod)...)
		} else {
			all = append(all, s.stops(pod)...)
		}
	}
	all = append(all, s.Also...)
	all = append(all, s.trouble()...)
	slices.SortStableFunc(all, func(a, b joblog.Entry) int { return a.At.Compare(b.At) })
	all = append(all, s.canceling()...)
	all = append(all, s.end()...)
	return slices.DeleteFunc(all, func(e joblog.Entry) bool {
		quiet := e.Level == v1alpha1.LogDebug && s.Build.Spec.LogLevel != v1alpha1.LogDebug
		return quiet || joblog.Has(s.Build.Status.Log, e.Cause)
	})
}

// starts tells whether the build wants its pod, and was not asked to end early.
func (s Scene) starts() bool {
	return s.Build.Spec.Transition == v1alpha1.TransitionStart && s.Build.Spec.Cancel == nil
}

// begin says what was asked for, by whom.
func (s Scene) begin() []joblog.Entry {
	b := s.Build
	if b.Status.Job == nil || b.Status.Job.StartedAt == nil {
		return nil
	}
	what := strings.ToLower(string(b.Spec.Transition))
	if b.Spec.Restart {
		what = "restart"
	}
	entries := []joblog.Entry{joblog.Entryf(b.Status.Job.StartedAt.Time, Preparing, "begin", "Build %d of workspace %s: %s, %s.",
		b.Spec.Number, b.Spec.WorkspaceRef.Name, what, because(b))}
	detail := joblog.Entryf(b.Status.Job.StartedAt.Time, Preparing, "begin/worker", "Taken up by %s.", b.Status.Job.Worker)
	detail.Level = v1alpha1.LogDebug
	return append(entries, detail)
}

// because is why a build was made.
func because(b *v1alpha1.WorkspaceBuild) string {
	switch b.Spec.Reason {
	case v1alpha1.BuildReasonAutostart:
		return "by the autostart schedule"
	case v1alpha1.BuildReasonAutostop:
		return "as its time was over"
	case v1alpha1.BuildReasonDormancy:
		return "as it was not used"
	case v1alpha1.BuildReasonFailure:
		return "as the start before it had failed"
	case v1alpha1.BuildReasonUpdate:
		return "to take up a change of its version or parameters"
	}
	switch by := b.Spec.Initiator; {
	case by.User == "" && by.Name == v1alpha1.InitiatorSystem:
		return "as its manifest asks"
	case by.User == "":
		return "as its manifest asks, which " + by.Name + " wrote"
	}
	return "asked for by " + b.Spec.Initiator.Name
}

func (s Scene) rendered() []joblog.Entry {
	r := s.Rendered
	if r == nil || !s.starts() {
		return nil
	}
	at := s.Now
	for i := range s.Pods {
		// what was left to be told along with later steps came before all that was made of it
		if pod := &s.Pods[i]; s.Mine != nil && s.Mine(pod) && v1alpha1.CreatedAt(pod).Before(s.Now.Truncate(time.Second)) {
			at = s.begunAt()
		}
	}
	entries := []joblog.Entry{joblog.Entryf(at, Rendering, "render", "Version %s is rendered: a pod with %s and %s.",
		r.Version, count(r.Agents, "agent"), count(r.Claims, "volume claim"))}
	for _, i := range r.Images {
		detail := joblog.Entryf(at, Rendering, "render/"+i.Container, "Container %s runs %s.", i.Container, i.Name)
		detail.Level = v1alpha1.LogDebug
		entries = append(entries, detail)
	}
	return entries
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// claims says which claims are there and which have their volume.
func (s Scene) claims() []joblog.Entry {
	if !s.starts() {
		return nil
	}
	var entries []joblog.Entry
	sorted := slices.SortedFunc(slices.Values(s.Claims), func(a, b corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
	for i := range sorted {
		c := &sorted[i]
		volume, size := c.Labels[v1alpha1.LabelVolume], c.Spec.Resources.Requests.Storage().String()
		if c.CreationTimestamp.Add(time.Second).Before(s.begunAt()) {
			entries = append(entries, joblog.Entryf(s.begunAt(), Claiming, "claim/"+string(c.UID), "Volume %s (%s) is kept from before, as claim %s.", volume, size, c.Name))
			continue
		}
		entries = append(entries, joblog.Entryf(c.CreationTimestamp.Time, Claiming, "claim/"+string(c.UID), "Volume %s: claim %s asks for %s.", volume, c.Name, size))
		if c.Status.Phase == corev1.ClaimBound {
			bound := joblog.Entryf(s.Now, Claiming, "bound/"+string(c.UID), "Volume %s: claim %s is bound to %s.", volume, c.Name, c.Spec.VolumeName)
			bound.Source = v1alpha1.LogSourceCluster
			entries = append(entries, bound)
		}
	}
	return entries
}

// begunAt is when the build's work began.
func (s Scene) begunAt() time.Time {
	if j := s.Build.Status.Job; j != nil && j.StartedAt != nil {
		return j.StartedAt.Time
	}
	return s.Now
}

// stops says that a pod ends, for a stop or ahead of the start.
func (s Scene) stops(pod *corev1.Pod) []joblog.Entry {
	at := s.Now
	if pod.DeletionTimestamp != nil && pod.DeletionGracePeriodSeconds != nil {
		at = pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
	}
	var grace int64 = corev1.DefaultTerminationGracePeriodSeconds
	if g := pod.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = *g
	}
	where := ""
	if pod.Spec.NodeName != "" {
		where = " on node " + pod.Spec.NodeName
	}
	return []joblog.Entry{joblog.Entryf(at, Stopping, stopping+string(pod.UID), "Pod %s%s is ending; it has up to %d seconds to shut down.", pod.Name, where, grace)}
}

// stopping begins the cause of a line about a pod that ends.
const stopping = "stop/"

// gone says that a pod which was ending is no more.
func (s Scene) gone() []joblog.Entry {
	var entries []joblog.Entry
	for _, l := range s.Build.Status.Log {
		uid, ends := strings.CutPrefix(l.Cause, stopping)
		there := slices.ContainsFunc(s.Pods, func(p corev1.Pod) bool { return string(p.UID) == uid })
		if ends && !there {
			name := "The pod"
			if words := strings.Fields(l.Output); len(words) > 1 {
				name = "Pod " + words[1]
			}
			entries = append(entries, joblog.Entryf(s.Now, Stopping, "gone/"+uid, "%s is gone.", name))
		}
	}
	return entries
}

// trouble says what is in the way.
func (s Scene) trouble() []joblog.Entry {
	if s.Trouble.Message == "" {
		return nil
	}
	stage := Starting
	switch s.Trouble.Reason {
	case v1alpha1.ReasonUnschedulable:
		stage = Scheduling
	case v1alpha1.ReasonImagePull:
		stage = Pulling
	case v1alpha1.ReasonClaimPending, v1alpha1.ReasonClaimTaken:
		stage = Claiming
	case v1alpha1.ReasonStopping:
		stage = Stopping
	}
	return []joblog.Entry{{
		Cause: "trouble/" + s.Trouble.Reason + "/" + s.Trouble.Message, At: s.Now, Stage: stage, Level: v1alpha1.LogWarn,
		Source: v1alpha1.LogSourceCluster, Output: sentence(s.Trouble.Message),
	}}
}

// canceling says that the build was asked to end early.
func (s Scene) canceling() []joblog.Entry {
	c := s.Build.Spec.Cancel
	if c == nil {
		return nil
	}
	by := c.By
	if by == "" {
		by = "somebody"
	}
	at, err := time.Parse(time.RFC3339Nano, c.RequestedAt)
	if err != nil {
		at = s.Now
	}
	e := joblog.Entryf(at, Cleaning, "cancel", "Asked by %s to end early: what was made is taken away again.", by)
	e.Level, e.Last = v1alpha1.LogWarn, true
	return []joblog.Entry{e}
}

// end says how it ended.
func (s Scene) end() []joblog.Entry {
	j := s.Build.Status.Job
	if j == nil || !j.Phase.Ended() {
		return nil
	}
	e := joblog.Entry{Cause: "end", At: s.Now, Stage: Ended, Last: true}
	switch j.Phase {
	case v1alpha1.JobFailed:
		e.Level, e.Output = v1alpha1.LogError, sentence(j.Error)
	case v1alpha1.JobCanceled:
		e.Level, e.Output = v1alpha1.LogWarn, "The build was canceled."
	default:
		done := map[v1alpha1.Transition]string{
			v1alpha1.TransitionStart: "started", v1alpha1.TransitionStop: "stopped", v1alpha1.TransitionDelete: "deleted",
		}[s.Build.Spec.Transition]
		e.Output = fmt.Sprintf("The workspace was %s in %s.", done, s.Build.Status.Took)
	}
	return []joblog.Entry{e}
}

// sentence is a message as a line begins.
func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
