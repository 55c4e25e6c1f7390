// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Case is what is known of one workspace. What is nil or empty could not be read, or is not there.
type Case struct {
	// Now is the time at which the rest was read.
	Now time.Time
	// Workspace is whose story it is; it is always there.
	Workspace *v1alpha1.Workspace
	// Template is the workspace's.
	Template *v1alpha1.Template
	// Builds are the workspace's, in any order.
	Builds []v1alpha1.WorkspaceBuild
	// Version is that of the accepted build.
	Version *v1alpha1.TemplateVersion
	// Pod is the workspace's own.
	Pod *corev1.Pod
	// Claims are the workspace's own.
	Claims []corev1.PersistentVolumeClaim
	// Events are those about the pod and the claims.
	Events []corev1.Event
	// Nodes are all nodes, and Neighbours all pods that have one. Either is nil where this person may not read it.
	Nodes      []corev1.Node
	Neighbours []corev1.Pod
	// LastWords are the last lines that containers wrote before they ended, by container.
	LastWords map[string]string
}

// The verdicts of an Account.
const (
	VerdictOK       = "OK"
	VerdictWait     = "WAIT"
	VerdictStuck    = "STUCK"
	VerdictFailing  = "FAILING"
	VerdictFailed   = "FAILED"
	VerdictRefused  = "REFUSED"
	VerdictKeptBack = "KEPT BACK"
)

// Step is something that happened. One without a time is known to have happened, and not when.
type Step struct {
	At   time.Time `json:"at,omitzero"`
	Text string    `json:"text"`
}

// Account is a story: how it ends, what led there, and what can be done.
type Account struct {
	// Subject is whose story it is, such as workspace platform/ada-api.
	Subject string `json:"subject"`
	// Verdict is one word, Since is since when it is so, and Reason and Message say why.
	Verdict string    `json:"verdict"`
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	// Steps led there, in the order of their times.
	Steps []Step `json:"steps,omitempty"`
	// Notes are what else is worth knowing.
	Notes []string `json:"notes,omitempty"`
	// Remedies are what can be done, the likeliest first, each with the command for it.
	Remedies []string `json:"remedies,omitempty"`
}

// Text is the account for a terminal, with times of day in the zone of now.
func (a Account) Text(now time.Time) string {
	var b strings.Builder
	head := a.Verdict
	if !a.Since.IsZero() && a.Verdict != VerdictOK && a.Verdict != VerdictRefused {
		head += " " + age(now.Sub(a.Since))
	}
	fmt.Fprintf(&b, "%s  %s", head, a.Subject)
	if a.Reason != "" {
		fmt.Fprintf(&b, ": %s", a.Reason)
	}
	b.WriteString("\n")
	if a.Message != "" {
		fmt.Fprintf(&b, "%s\n", a.Message)
	}
	for _, s := range a.Steps {
		fmt.Fprintf(&b, "  %s  %s\n", clock(s.At, now), oneLine(s.Text))
	}
	for _, n := range a.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for i, r := range a.Remedies {
		word := "or"
		if i == 0 {
			word = "try"
		}
		fmt.Fprintf(&b, "%s: %s\n", word, r)
	}
	return b.String()
}

// clock is a time of day, with its date where that is another than today's.
func clock(at, now time.Time) string {
	if at.IsZero() {
		return "        "
	}
	at = at.In(now.Location())
	if at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		return at.Format("2006-01-02 15:04:05")
	}
	return at.Format("15:04:05")
}

// age is a length of time as tables show it.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
