// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/joblog"
)

// JobLog shows the lines of a job's log with ids above after and below before, where a before of 0 sets no end. Last is
// the id of the last line shown, 0 when there is none.
func JobLog(log []v1alpha1.LogLine, after, before int64) (lines []codersdk.ProvisionerJobLog, last int64) {
	lines = []codersdk.ProvisionerJobLog{}
	for _, l := range joblog.Between(log, after, before) {
		lines, last = append(lines, logLine(l)), l.ID
	}
	return lines, last
}

// logLine shows one line. What was written by hand, or by a later release, is shown as near as the wire has it.
func logLine(l v1alpha1.LogLine) codersdk.ProvisionerJobLog {
	wire := codersdk.ProvisionerJobLog{
		ID: l.ID, Source: codersdk.LogSourceProvisionerDaemon, Level: codersdk.LogLevelInfo, Stage: joblog.Clean(l.Stage), Output: joblog.Clean(l.Output),
	}
	if at, err := time.Parse(time.RFC3339Nano, l.At); err == nil {
		wire.CreatedAt = at.UTC()
	}
	if l.Source == v1alpha1.LogSourceCluster {
		wire.Source = codersdk.LogSourceProvisioner
	}
	switch level := codersdk.LogLevel(l.Level); level {
	case codersdk.LogLevelTrace, codersdk.LogLevelDebug, codersdk.LogLevelWarn, codersdk.LogLevelError:
		wire.Level = level
	}
	return wire
}
