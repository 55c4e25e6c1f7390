// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Levels of a LogLine, by rising weight.
const (
	// LogDebug is told only where the build asks for it.
	LogDebug = "debug"
	// LogInfo is the usual.
	LogInfo = "info"
	// LogWarn is something that may pass.
	LogWarn = "warn"
	// LogError is why the job failed.
	LogError = "error"
)

// Sources of a LogLine.
const (
	// LogSourceManager are Berth's own words.
	LogSourceManager = "manager"
	// LogSourceCluster is what Kubernetes said, by an event or a status.
	LogSourceCluster = "cluster"
)

// LogLine is one line of a job's log. The manager writes it together with the change that it tells of, and a line stays
// as it was written.
type LogLine struct {
	// ID counts a job's lines from 1; it only rises, so that a reader can go on after the last one that it saw.
	ID int64 `json:"id"`

	// At is when it happened, in RFC 3339 with fractions of a second.
	// +kubebuilder:validation:MaxLength=64
	At string `json:"at"`

	// Stage is the heading that the line stands under, such as Rendering or Scheduling.
	// +kubebuilder:validation:MaxLength=64
	Stage string `json:"stage"`

	// Level is debug, info, warn or error.
	// +kubebuilder:validation:MaxLength=16
	Level string `json:"level"`

	// Source is who speaks: manager or cluster.
	// +kubebuilder:validation:MaxLength=16
	Source string `json:"source"`

	// Output is what is said: one line of plain text.
	// +kubebuilder:validation:MaxLength=2048
	Output string `json:"output"`

	// Cause names what the line tells of. A job has one line a cause, so a manager that takes over repeats none.
	// +kubebuilder:validation:MaxLength=128
	Cause string `json:"cause"`
}
