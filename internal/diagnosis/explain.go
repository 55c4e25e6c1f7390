// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
)

// Workspace tells why a workspace is as it is.
func Workspace(c Case) Account {
	w := c.Workspace
	a := Account{Subject: fmt.Sprintf("workspace %s/%s (%s of %s)", w.Namespace, w.Name, w.WireName(), w.Spec.Owner.User), Steps: c.steps()}
	ready := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil || w.Status.ObservedGeneration != w.Generation:
		a.Verdict, a.Since = VerdictWait, w.CreationTimestamp.Time
		a.Reason, a.Message = "Unseen", "the manager has not looked at it as it is now"
		a.Remedies = []string{"see whether the manager runs: kubectl berth doctor"}
		return a
	case ready.Status == metav1.ConditionTrue:
		a.Verdict, a.Since, a.Reason, a.Message = VerdictOK, ready.LastTransitionTime.Time, ready.Reason, ready.Message
	default:
		stalled := meta.IsStatusConditionTrue(w.Status.Conditions, v1alpha1.ConditionStalled)
		a.Verdict, a.Since = verdict(ready.Reason, stalled), ready.LastTransitionTime.Time
		a.Reason, a.Message = ready.Reason, c.spoken(ready)
		a.Remedies = c.remedies(cause(ready))
		if a.Verdict == VerdictWait && w.Status.Schedule != nil && w.Status.Schedule.StartDeadline != nil {
			a.Notes = append(a.Notes, fmt.Sprintf("it gives up at %s", clock(w.Status.Schedule.StartDeadline.Time, c.Now)))
		}
	}
	a.Notes = append(a.Notes, c.notes()...)
	return a
}

// Template tells why a template is as it is.
func Template(t *v1alpha1.Template) Account {
	a := Account{Subject: fmt.Sprintf("template %s/%s", t.Namespace, t.Name)}
	ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil || t.Status.ObservedGeneration != t.Generation:
		a.Verdict, a.Since, a.Reason, a.Message = VerdictWait, t.CreationTimestamp.Time, "Unseen", "the manager has not looked at it as it is now"
		a.Remedies = []string{"see whether the manager runs: kubectl berth doctor"}
		return a
	case ready.Status == metav1.ConditionTrue:
		a.Verdict = VerdictOK
	case ready.Reason == v1alpha1.ReasonVersionInvalid:
		a.Verdict = VerdictKeptBack
		a.Remedies = []string{
			fmt.Sprintf("correct the field, and a new version follows: kubectl edit btpl %s -n %s", t.Name, t.Namespace),
			"find it in the file that it was applied from: kubectl berth template check -f FILE",
		}
	case meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionStalled):
		a.Verdict = VerdictRefused
		a.Remedies = []string{fmt.Sprintf("change what the message names: kubectl edit btpl %s -n %s", t.Name, t.Namespace)}
	default:
		a.Verdict = VerdictWait
		a.Remedies = []string{fmt.Sprintf("see how far it is: kubectl berth rollout status %s -n %s", t.Name, t.Namespace)}
	}
	a.Since, a.Reason, a.Message = ready.LastTransitionTime.Time, ready.Reason, ready.Message
	if v := t.Status.ActiveVersion; v != nil {
		a.Notes = append(a.Notes, fmt.Sprintf("%s is active: new starts take it", v.Name))
	} else {
		a.Notes = append(a.Notes, "no version is active: nothing can start")
	}
	if t.Status.Rollout != "" {
		a.Notes = append(a.Notes, "rollout: "+t.Status.Rollout)
	}
	return a
}

// verdict is one word for a reason.
func verdict(reason string, stalled bool) string {
	switch reason {
	case v1alpha1.ReasonCrashLoop, v1alpha1.ReasonOutOfMemory:
		return VerdictFailing
	case v1alpha1.ReasonImagePull, v1alpha1.ReasonContainerConfig, v1alpha1.ReasonClaimTaken, v1alpha1.ReasonPodRefused:
		if !stalled {
			return VerdictStuck
		}
		return VerdictFailed
	case v1alpha1.ReasonBuildFailed, v1alpha1.ReasonStartTimeout, v1alpha1.ReasonCanceled, v1alpha1.ReasonFailed:
		return VerdictFailed
	}
	if stalled {
		return VerdictRefused
	}
	return VerdictWait
}

// cause is the reason behind a condition's: a start that came too late says in its message what it waited for.
func cause(ready *metav1.Condition) string {
	if ready.Reason != v1alpha1.ReasonStartTimeout {
		return ready.Reason
	}
	_, rest, _ := strings.Cut(ready.Message, "in time: ")
	reason, _, ok := strings.Cut(rest, ": ")
	if !ok || strings.ContainsAny(reason, " .") {
		return ready.Reason
	}
	return reason
}

// spoken is the condition's message, with what a container said last where the manager could not know it.
func (c Case) spoken(ready *metav1.Condition) string {
	message := ready.Message
	if ready.Reason != v1alpha1.ReasonCrashLoop || c.Pod == nil {
		return message
	}
	for _, s := range c.Pod.Status.ContainerStatuses {
		if words := oneLine(c.LastWords[s.Name]); words != "" && s.RestartCount > 0 && !strings.Contains(message, "last line: ") {
			message += fmt.Sprintf("\ncontainer %s has ended %d times; its last line: %q", s.Name, s.RestartCount, words)
		}
	}
	return message
}

// notes are what does not stand in the way and is worth knowing.
func (c Case) notes() []string {
	var notes []string
	if t := c.Template; t != nil {
		ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
		if ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1alpha1.ReasonVersionInvalid {
			kept := "no version is active"
			if t.Status.ActiveVersion != nil {
				kept = string(t.Status.ActiveVersion.Name) + " stays active"
			}
			notes = append(notes, fmt.Sprintf("KEPT BACK  template/%s: %s (%s)", t.Name, ready.Message, kept))
		}
	}
	for _, kind := range []string{v1alpha1.ConditionUpdatePending, v1alpha1.ConditionDormant} {
		if cond := meta.FindStatusCondition(c.Workspace.Status.Conditions, kind); cond != nil && cond.Status == metav1.ConditionTrue && cond.Message != "" {
			notes = append(notes, kind+": "+cond.Message)
		}
	}
	return notes
}

// accepted is the build that the workspace is held to; nil where there is none.
func (c Case) accepted() *v1alpha1.WorkspaceBuild {
	for i := range c.Builds {
		if ledger.IsAccepted(c.Workspace, &c.Builds[i]) {
			return &c.Builds[i]
		}
	}
	return nil
}

// steps are what led to the present: the last build's own log where it has one, else what its objects remember.
func (c Case) steps() []Step {
	b := c.accepted()
	if b == nil {
		return []Step{{c.Workspace.CreationTimestamp.Time, "the workspace was created"}}
	}
	steps := logged(b)
	if len(steps) == 0 {
		steps = append([]Step{{v1alpha1.CreatedAt(b), c.origin(b)}, {v1alpha1.CreatedAt(b), named(b)}}, c.remembered()...)
		if job := b.Status.Job; job != nil && job.CompletedAt != nil {
			text := fmt.Sprintf("build %d %s", b.Spec.Number, strings.ToLower(string(job.Phase)))
			if job.Error != "" {
				text += ": " + job.Error
			}
			steps = append(steps, Step{job.CompletedAt.Time, text})
		}
	} else if b.Spec.Reason == v1alpha1.BuildReasonAutostart {
		steps = append([]Step{{v1alpha1.CreatedAt(b), c.origin(b)}}, steps...) // the log does not tell which schedule
	}
	slices.SortStableFunc(steps, func(a, b Step) int {
		// times of Kubernetes have no fractions: what is of one second keeps its order
		return a.At.Truncate(1e9).Compare(b.At.Truncate(1e9))
	})
	return steps
}

// origin is why the build was made.
func (c Case) origin(b *v1alpha1.WorkspaceBuild) string {
	w := c.Workspace
	switch b.Spec.Reason {
	case v1alpha1.BuildReasonAutostart:
		if s := w.Spec.Autostart; s != nil {
			return strings.TrimSpace(fmt.Sprintf("autostart %q %s", s.Schedule, s.TimeZone))
		}
		return "autostart"
	case v1alpha1.BuildReasonAutostop:
		return "autostop: its time was over"
	case v1alpha1.BuildReasonDormancy:
		return "it was not used for long"
	case v1alpha1.BuildReasonFailure:
		return "the start before it had failed, and its time was over"
	case v1alpha1.BuildReasonUpdate:
		return "its version or a parameter changed, and it is restarted for that"
	}
	who := b.Spec.Initiator.Name
	if who == v1alpha1.InitiatorSystem && b.Spec.Initiator.User == "" {
		who = "a manifest or a request"
	}
	return fmt.Sprintf("%s asked for it", who)
}

// named is a build in short.
func named(b *v1alpha1.WorkspaceBuild) string {
	transition := string(b.Spec.Transition)
	if b.Spec.Restart {
		transition = "Restart"
	}
	text := fmt.Sprintf("build %d: %s", b.Spec.Number, transition)
	if b.Spec.VersionRef != nil {
		text += ", version " + string(b.Spec.VersionRef.Name)
	}
	return text
}

// remembered is what the objects of the workspace know of its start.
func (c Case) remembered() []Step {
	var steps []Step
	for _, claim := range c.Claims {
		if claim.Status.Phase == corev1.ClaimBound {
			steps = append(steps, Step{claim.CreationTimestamp.Time, fmt.Sprintf("claim %s is there and bound", claim.Name)})
		}
	}
	if c.Pod == nil {
		return steps
	}
	for _, cond := range c.Pod.Status.Conditions {
		if cond.Type == corev1.PodScheduled && cond.Status == corev1.ConditionTrue {
			steps = append(steps, Step{cond.LastTransitionTime.Time, "scheduled on node " + c.Pod.Spec.NodeName})
		}
	}
	for _, e := range c.Events {
		if e.InvolvedObject.UID == c.Pod.UID && (e.Reason == "Pulled" || e.Reason == "Pulling") {
			at := e.FirstTimestamp.Time
			if at.IsZero() {
				at = e.EventTime.Time
			}
			steps = append(steps, Step{at, e.Message})
		}
	}
	for _, s := range append(slices.Clone(c.Pod.Status.InitContainerStatuses), c.Pod.Status.ContainerStatuses...) {
		if s.State.Running != nil {
			steps = append(steps, Step{s.State.Running.StartedAt.Time, fmt.Sprintf("container %s started", s.Name)})
		}
	}
	for _, cond := range c.Pod.Status.Conditions {
		if cond.Type == corev1.ContainersReady && cond.Status == corev1.ConditionTrue {
			agents := podstate.Agents(c.Pod)
			for _, agent := range agents {
				steps = append(steps, Step{cond.LastTransitionTime.Time, fmt.Sprintf("agent %s is ready", agent.Name)})
			}
		}
	}
	return steps
}
