// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// ProvisionerJob is work that the server does in the background: a workspace build, or the check of a template version.
type ProvisionerJob struct {
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	// StartedAt, CompletedAt and CanceledAt are left out until they happen. CompletedAt is set however the job ended;
	// CanceledAt when cancelling was asked for.
	StartedAt   *time.Time `json:"started_at,omitempty"`
	CompletedAt *time.Time `json:"completed_at,omitempty"`
	CanceledAt  *time.Time `json:"canceled_at,omitempty"`
	// Error says why the job failed, in words for the person.
	Error string `json:"error,omitempty"`
	// ErrorCode tells clients of a failure that they can mend.
	ErrorCode JobErrorCode         `json:"error_code,omitempty"`
	Status    ProvisionerJobStatus `json:"status"`
	// WorkerID names the process that took the job; left out while it waits.
	WorkerID *uuid.UUID `json:"worker_id,omitempty"`
	// FileID is the archive that the job works from.
	FileID uuid.UUID `json:"file_id"`
	// Tags say which workers may take the job.
	Tags map[string]string `json:"tags"`
	// QueuePosition is the place among QueueSize waiting jobs; both are 0 once the job has started.
	QueuePosition int `json:"queue_position"`
	QueueSize     int `json:"queue_size"`
}

// ProvisionerJobStatus is how far a job is.
type ProvisionerJobStatus string

// The statuses of a job.
const (
	// ProvisionerJobPending waits for its turn.
	ProvisionerJobPending ProvisionerJobStatus = "pending"
	// ProvisionerJobRunning is at work.
	ProvisionerJobRunning ProvisionerJobStatus = "running"
	// ProvisionerJobSucceeded ended well.
	ProvisionerJobSucceeded ProvisionerJobStatus = "succeeded"
	// ProvisionerJobCanceling was asked to stop and has not ended yet.
	ProvisionerJobCanceling ProvisionerJobStatus = "canceling"
	// ProvisionerJobCanceled ended because somebody asked for it.
	ProvisionerJobCanceled ProvisionerJobStatus = "canceled"
	// ProvisionerJobFailed ended with an error.
	ProvisionerJobFailed ProvisionerJobStatus = "failed"
	// ProvisionerJobUnknown is never sent; clients have it for statuses that they do not know.
	ProvisionerJobUnknown ProvisionerJobStatus = "unknown"
)

// JobErrorCode is a failure that clients know how to mend.
type JobErrorCode string

// RequiredTemplateVariables asks for template variables that have no value; clients prompt for them and push again.
const RequiredTemplateVariables JobErrorCode = "REQUIRED_TEMPLATE_VARIABLES"

// ProvisionerJobLog is one line of a job's log.
type ProvisionerJobLog struct {
	// ID rises within a job; a reader goes on after the last one that it has.
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Source    LogSource `json:"log_source"`
	Level     LogLevel  `json:"log_level"`
	// Stage is the heading that the line stands under.
	Stage string `json:"stage"`
	// Output is one line of plain text.
	Output string `json:"output"`
}

// LogSource is who speaks in a job's log.
type LogSource string

// The sources.
const (
	// LogSourceProvisionerDaemon are the server's own words.
	LogSourceProvisionerDaemon LogSource = "provisioner_daemon"
	// LogSourceProvisioner is what the cluster said.
	LogSourceProvisioner LogSource = "provisioner"
)

// LogLevel is the weight of a line.
type LogLevel string

// The levels, by rising weight.
const (
	LogLevelTrace LogLevel = "trace"
	LogLevelDebug LogLevel = "debug"
	LogLevelInfo  LogLevel = "info"
	LogLevelWarn  LogLevel = "warn"
	LogLevelError LogLevel = "error"
)
