// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// WorkspaceAgent is the way into one container of a workspace: its terminals, SSH, apps, scripts and logs.
type WorkspaceAgent struct {
	// ID is new with every build.
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// FirstConnectedAt, LastConnectedAt and DisconnectedAt follow the agent's connection within this build; left out
	// until they happen. While the agent is connected, LastConnectedAt is now.
	FirstConnectedAt *time.Time `json:"first_connected_at,omitempty"`
	LastConnectedAt  *time.Time `json:"last_connected_at,omitempty"`
	DisconnectedAt   *time.Time `json:"disconnected_at,omitempty"`
	// StartedAt is when the start scripts began, ReadyAt when they ended, well or badly; left out until then.
	StartedAt      *time.Time              `json:"started_at,omitempty"`
	ReadyAt        *time.Time              `json:"ready_at,omitempty"`
	Status         WorkspaceAgentStatus    `json:"status"`
	LifecycleState WorkspaceAgentLifecycle `json:"lifecycle_state"`
	// Name is unique in the workspace and part of host names.
	Name       string    `json:"name"`
	ResourceID uuid.UUID `json:"resource_id"`
	// InstanceID names the machine of an agent outside the cluster; left out for agents in pods.
	InstanceID string `json:"instance_id,omitempty"`
	// Architecture and OperatingSystem are Go's names, such as amd64 and linux.
	Architecture    string `json:"architecture"`
	OperatingSystem string `json:"operating_system"`
	// EnvironmentVariables are those that the template gives the agent.
	EnvironmentVariables map[string]string `json:"environment_variables"`
	// Directory is where terminals open, as the template says; ExpandedDirectory is the same as the agent resolved it.
	Directory         string `json:"directory,omitempty"`
	ExpandedDirectory string `json:"expanded_directory,omitempty"`
	// LogsLength is the size of the agent's kept log in bytes; LogsOverflowed tells that later lines were refused.
	LogsLength     int32 `json:"logs_length"`
	LogsOverflowed bool  `json:"logs_overflowed"`
	// LogSources lists the writers of log lines.
	LogSources []WorkspaceAgentLogSource `json:"log_sources"`
	// Scripts lists what runs at start, at stop and on a schedule.
	Scripts []WorkspaceAgentScript `json:"scripts"`
	// StartupScriptBehavior tells clients whether to wait for the start scripts before they open a terminal.
	StartupScriptBehavior WorkspaceAgentStartupScriptBehavior `json:"startup_script_behavior"`
	// Version is the agent's own, with a leading v, and APIVersion that of the protocol it speaks; both "" until it
	// has connected.
	Version    string         `json:"version"`
	APIVersion string         `json:"api_version"`
	Apps       []WorkspaceApp `json:"apps"`
	// Latency is how far relays are from the agent, by region; left out where no relay is used.
	Latency map[string]DERPRegion `json:"latency,omitempty"`
	// ConnectionTimeoutSeconds is after how long without a first connection the status is WorkspaceAgentTimeout.
	ConnectionTimeoutSeconds int32 `json:"connection_timeout_seconds"`
	// TroubleshootingURL is where clients send a person whose agent does not connect; may be "".
	TroubleshootingURL string               `json:"troubleshooting_url"`
	Subsystems         []AgentSubsystem     `json:"subsystems"`
	Health             WorkspaceAgentHealth `json:"health"`
	// DisplayApps lists the built-in buttons that clients show.
	DisplayApps []DisplayApp `json:"display_apps"`
}

// WorkspaceAgentStatus says whether the agent has a connection to the server.
type WorkspaceAgentStatus string

// The states of the connection.
const (
	// WorkspaceAgentConnecting has not connected yet and still has time to.
	WorkspaceAgentConnecting WorkspaceAgentStatus = "connecting"
	// WorkspaceAgentConnected is connected.
	WorkspaceAgentConnected WorkspaceAgentStatus = "connected"
	// WorkspaceAgentDisconnected was connected before.
	WorkspaceAgentDisconnected WorkspaceAgentStatus = "disconnected"
	// WorkspaceAgentTimeout has not connected in time; it recovers when it does.
	WorkspaceAgentTimeout WorkspaceAgentStatus = "timeout"
)

// WorkspaceAgentLifecycle says how far the agent is with its scripts.
type WorkspaceAgentLifecycle string

// The states of the lifecycle, in the order in which they usually follow each other.
const (
	// WorkspaceAgentLifecycleCreated has not begun.
	WorkspaceAgentLifecycleCreated WorkspaceAgentLifecycle = "created"
	// WorkspaceAgentLifecycleStarting runs the start scripts.
	WorkspaceAgentLifecycleStarting WorkspaceAgentLifecycle = "starting"
	// WorkspaceAgentLifecycleStartTimeout has a start script that takes longer than it may.
	WorkspaceAgentLifecycleStartTimeout WorkspaceAgentLifecycle = "start_timeout"
	// WorkspaceAgentLifecycleStartError has a start script that failed.
	WorkspaceAgentLifecycleStartError WorkspaceAgentLifecycle = "start_error"
	// WorkspaceAgentLifecycleReady has run all start scripts.
	WorkspaceAgentLifecycleReady WorkspaceAgentLifecycle = "ready"
	// WorkspaceAgentLifecycleShuttingDown runs the stop scripts.
	WorkspaceAgentLifecycleShuttingDown WorkspaceAgentLifecycle = "shutting_down"
	// WorkspaceAgentLifecycleShutdownTimeout has a stop script that takes longer than it may.
	WorkspaceAgentLifecycleShutdownTimeout WorkspaceAgentLifecycle = "shutdown_timeout"
	// WorkspaceAgentLifecycleShutdownError has a stop script that failed.
	WorkspaceAgentLifecycleShutdownError WorkspaceAgentLifecycle = "shutdown_error"
	// WorkspaceAgentLifecycleOff has ended.
	WorkspaceAgentLifecycleOff WorkspaceAgentLifecycle = "off"
)

// WorkspaceAgentHealth says whether a person can work with the agent.
type WorkspaceAgentHealth struct {
	Healthy bool `json:"healthy"`
	// Reason says in words why it is not healthy; left out when it is.
	Reason string `json:"reason,omitempty"`
}

// WorkspaceAgentStartupScriptBehavior tells clients what to do while start scripts run.
type WorkspaceAgentStartupScriptBehavior string

// The behaviours.
const (
	// WorkspaceAgentStartupScriptBlocking makes clients wait for the start scripts.
	WorkspaceAgentStartupScriptBlocking WorkspaceAgentStartupScriptBehavior = "blocking"
	// WorkspaceAgentStartupScriptNonBlocking lets people in at once.
	WorkspaceAgentStartupScriptNonBlocking WorkspaceAgentStartupScriptBehavior = "non-blocking"
)

// WorkspaceAgentLogSource is a writer of log lines: a script, or a program outside the agent.
type WorkspaceAgentLogSource struct {
	ID               uuid.UUID `json:"id"`
	WorkspaceAgentID uuid.UUID `json:"workspace_agent_id"`
	CreatedAt        time.Time `json:"created_at"`
	DisplayName      string    `json:"display_name"`
	// Icon is the address of a picture, or "".
	Icon string `json:"icon"`
}

// WorkspaceAgentScript is a script that the agent runs.
type WorkspaceAgentScript struct {
	LogSourceID uuid.UUID `json:"log_source_id"`
	// LogPath is a file in the workspace that receives the output too, or "".
	LogPath string `json:"log_path"`
	Script  string `json:"script"`
	// Cron is a schedule with a field for seconds first, or "" for none.
	Cron       string `json:"cron"`
	RunOnStart bool   `json:"run_on_start"`
	RunOnStop  bool   `json:"run_on_stop"`
	// StartBlocksLogin makes clients wait until the script has ended.
	StartBlocksLogin bool `json:"start_blocks_login"`
	// Timeout is how long the script may run, in nanoseconds; 0 is without limit.
	Timeout time.Duration `json:"timeout"`
}

// DERPRegion is how far a relay region is from an agent.
type DERPRegion struct {
	// Preferred marks the region that the agent uses.
	Preferred bool `json:"preferred"`
	// LatencyMillis is one round trip in milliseconds, with fractions.
	LatencyMillis float64 `json:"latency_ms"`
}

// AgentSubsystem is a program around the agent that it told of.
type AgentSubsystem string

// The programs that clients know.
const (
	// AgentSubsystemEnvbox is a container that runs the workspace's own containers.
	AgentSubsystemEnvbox AgentSubsystem = "envbox"
	// AgentSubsystemEnvbuilder is a builder of the workspace's image from its repository.
	AgentSubsystemEnvbuilder AgentSubsystem = "envbuilder"
	// AgentSubsystemExectrace is a log of started processes.
	AgentSubsystemExectrace AgentSubsystem = "exectrace"
)

// DisplayApp is a button that clients offer without the template declaring an app for it.
type DisplayApp string

// The buttons.
const (
	// DisplayAppVSCodeDesktop opens VS Code on the person's machine.
	DisplayAppVSCodeDesktop DisplayApp = "vscode"
	// DisplayAppVSCodeInsiders opens the preview edition of VS Code.
	DisplayAppVSCodeInsiders DisplayApp = "vscode_insiders"
	// DisplayAppWebTerminal opens a terminal in the browser.
	DisplayAppWebTerminal DisplayApp = "web_terminal"
	// DisplayAppPortForward lists the ports on which something listens.
	DisplayAppPortForward DisplayApp = "port_forwarding_helper"
	// DisplayAppSSH shows how to connect by SSH.
	DisplayAppSSH DisplayApp = "ssh_helper"
)

// WorkspaceAgentMetadata is a fact that an agent measures again and again, such as its load.
type WorkspaceAgentMetadata struct {
	Result      WorkspaceAgentMetadataResult      `json:"result"`
	Description WorkspaceAgentMetadataDescription `json:"description"`
}

// WorkspaceAgentMetadataResult is the last measurement.
type WorkspaceAgentMetadataResult struct {
	// CollectedAt is the zero time before the first measurement.
	CollectedAt time.Time `json:"collected_at"`
	// Age is how old the measurement is, in seconds.
	Age int64 `json:"age"`
	// Value is what the script printed; Error is what went wrong, or "".
	Value string `json:"value"`
	Error string `json:"error"`
}

// WorkspaceAgentMetadataDescription says what is measured and how.
type WorkspaceAgentMetadataDescription struct {
	DisplayName string `json:"display_name"`
	// Key is unique for the agent.
	Key    string `json:"key"`
	Script string `json:"script"`
	// Interval is the time between two measurements and Timeout what one may take, both in seconds.
	Interval int64 `json:"interval"`
	Timeout  int64 `json:"timeout"`
}
