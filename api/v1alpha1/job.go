// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// JobPhase is how far a piece of the manager's work is.
// +kubebuilder:validation:MaxLength=32
type JobPhase string

const (
	// JobPending waits to be begun.
	JobPending JobPhase = "Pending"
	// JobRunning is at work.
	JobRunning JobPhase = "Running"
	// JobSucceeded has done what was asked.
	JobSucceeded JobPhase = "Succeeded"
	// JobFailed has given up; its error says why.
	JobFailed JobPhase = "Failed"
	// JobCanceling was asked to end early, and is cleaning up.
	JobCanceling JobPhase = "Canceling"
	// JobCanceled ended early, as was asked.
	JobCanceled JobPhase = "Canceled"
)

// Ended tells whether the job is over.
func (p JobPhase) Ended() bool {
	return p == JobSucceeded || p == JobFailed || p == JobCanceled
}

// ErrorRequiredVariables is the ErrorCode of a version whose variables have no value; clients ask for them and push again.
const ErrorRequiredVariables = "REQUIRED_TEMPLATE_VARIABLES"

// Job is a piece of work of the manager: a build, or the check of a version. The wire calls it a provisioner job.
type Job struct {
	// Phase is Pending, Running, Succeeded, Failed, Canceling or Canceled.
	Phase JobPhase `json:"phase"`

	// StartedAt is when work began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// CompletedAt is when it ended, in whichever way.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`

	// CanceledAt is when it was asked to end early.
	// +optional
	CanceledAt *metav1.Time `json:"canceledAt,omitempty"`

	// Error is what went wrong, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Error string `json:"error,omitempty"`

	// ErrorCode is what went wrong, for clients: REQUIRED_TEMPLATE_VARIABLES.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ErrorCode string `json:"errorCode,omitempty"`

	// Worker is the manager replica that did it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Worker string `json:"worker,omitempty"`
}
