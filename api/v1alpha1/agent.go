// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Agent is a way into one container of the workspace.
type Agent struct {
	// Name names the agent, in host names too.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z0-9]+(-[a-z0-9]+)*$`
	Name string `json:"name"`

	// Container is the pod's container that the agent runs in; absent means the image's, or the pod's first.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`

	// OS is the container's operating system; absent means linux.
	// +optional
	// +kubebuilder:validation:Enum=linux
	OS string `json:"os,omitempty"`

	// Arch is the processor architecture, amd64 or arm64: the pod runs on such nodes only. Absent means the node's.
	// +optional
	// +kubebuilder:validation:Enum=amd64;arm64
	Arch string `json:"arch,omitempty"`

	// Directory is where shells, scripts and editors open; absent means the home directory. It may start with ~ or
	// hold $VARIABLES of the container.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Directory string `json:"directory,omitempty"`

	// Env is the environment of what the agent starts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// MOTD is the file whose text a new shell shows; absent means none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	MOTD string `json:"motd,omitempty"`

	// DisplayApps are the buttons that clients offer beside the apps; absent means all but VSCodeInsiders.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	DisplayApps []DisplayApp `json:"displayApps,omitempty"`

	// Metadata are small values that the agent collects and clients show.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=32
	Metadata []AgentMetadata `json:"metadata,omitempty"`

	// ConnectionTimeout is how long the agent may take to connect before clients call it late; absent means 2m.
	// +optional
	ConnectionTimeout Duration `json:"connectionTimeout,omitempty"`

	// TroubleshootingURL is the page to read when the agent does not connect.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	TroubleshootingURL string `json:"troubleshootingURL,omitempty"`
}

// DisplayApp is a button of the client's own beside a workspace's apps.
// +kubebuilder:validation:Enum=VSCode;VSCodeInsiders;WebTerminal;PortForwardingHelper;SSHHelper
type DisplayApp string

// AgentMetadata is one value that the agent collects again and again.
type AgentMetadata struct {
	// Key names the value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Key string `json:"key"`

	// DisplayName is shown to people in place of the key.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Script prints the value; it runs in a shell and is never interpolated.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Script string `json:"script"`

	// Interval is how often it runs, at least 1s; absent means 10s.
	// +optional
	Interval Duration `json:"interval,omitempty"`

	// Timeout is how long it may take; absent means the interval.
	// +optional
	Timeout Duration `json:"timeout,omitempty"`
}

// AppSharing says who may open an app.
// +kubebuilder:validation:Enum=Owner;Authenticated;Public
type AppSharing string

const (
	// AppSharingOwner lets the workspace's owner open the app.
	AppSharingOwner AppSharing = "Owner"
	// AppSharingAuthenticated lets everybody who is signed in open the app.
	AppSharingAuthenticated AppSharing = "Authenticated"
	// AppSharingPublic lets everybody open the app.
	AppSharingPublic AppSharing = "Public"
)

// App is something that the workspace serves, or a link beside it.
//
// +kubebuilder:validation:XValidation:rule="(has(self.port) ? 1 : 0) + (has(self.url) ? 1 : 0) + (has(self.command) ? 1 : 0) == 1",message="exactly one of port, url and command says what the app opens"
type App struct {
	// Name is the app's name in addresses.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z0-9]+(-[a-z0-9]+)*$`
	Name string `json:"name"`

	// Agent is the agent whose container serves it; absent means the first agent.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Agent string `json:"agent,omitempty"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Icon is the picture on the app's button.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// Port is where the app listens on the container's loopback address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// URL is an address outside the workspace that the client opens itself. No token is ever put into it.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url,omitempty"`

	// Command is run in a terminal that the client opens.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Command string `json:"command,omitempty"`

	// Subdomain serves the app at a host name of its own where the deployment has a wildcard host.
	// +optional
	Subdomain bool `json:"subdomain,omitempty"`

	// Sharing is who may open the app: Owner (also when absent), Authenticated or Public.
	// +optional
	Sharing AppSharing `json:"sharing,omitempty"`

	// HealthCheck tells whether the app answers.
	// +optional
	HealthCheck *AppHealthCheck `json:"healthCheck,omitempty"`

	// IncludeWhen are expressions that must all be true for the app to be shown.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	IncludeWhen []string `json:"includeWhen,omitempty"`
}

// AppHealthCheck asks an app for a page.
type AppHealthCheck struct {
	// Path is what is asked for at the app's port; any answer below 500 is healthy.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/`
	Path string `json:"path"`

	// Interval is how often it is asked; absent means 10s.
	// +optional
	Interval Duration `json:"interval,omitempty"`

	// Threshold is how many answers in a row must fail before the app is unhealthy; absent means 3.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Threshold *int32 `json:"threshold,omitempty"`
}

// ScriptRunAt says when a script runs.
// +kubebuilder:validation:Enum=Start;Stop;Schedule
type ScriptRunAt string

const (
	// ScriptRunAtStart runs whenever the agent has started, beside the container's command.
	ScriptRunAtStart ScriptRunAt = "Start"
	// ScriptRunAtStop runs when the agent is told to stop, before it ends anything.
	ScriptRunAtStop ScriptRunAt = "Stop"
	// ScriptRunAtSchedule runs by the clock.
	ScriptRunAtSchedule ScriptRunAt = "Schedule"
)

// Script is something the agent runs in a shell.
//
// +kubebuilder:validation:XValidation:rule="(self.runAt == 'Schedule') == has(self.schedule)",message="schedule belongs to runAt: Schedule, which needs it"
// +kubebuilder:validation:XValidation:rule="self.runAt == 'Start' || !has(self.blocksLogin)",message="blocksLogin belongs to runAt: Start"
type Script struct {
	// Name names the script in its log.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`

	// Agent is the agent that runs it; absent means the first agent.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Agent string `json:"agent,omitempty"`

	// DisplayName is shown to people in place of the name.
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// Icon is the picture beside the script's log.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// RunAt is Start, Stop or Schedule.
	RunAt ScriptRunAt `json:"runAt"`

	// Schedule is the cron expression of runAt: Schedule, with six fields, seconds first, by the container's clock and zone.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule,omitempty"`

	// Run is the script. A first line that starts with #! chooses the interpreter; otherwise it is /bin/sh.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	Run string `json:"run"`

	// BlocksLogin makes people wait for a start script: the workspace is ready when it has ended, also when it failed. It does
	// not where the container has a readinessProbe of its own, or was prepared.
	// +optional
	BlocksLogin bool `json:"blocksLogin,omitempty"`

	// Timeout is how long it may take; absent sets no limit. A stop script without one has 10s; with one, of at most
	// 5m, the pod gets the time to end that the script needs, unless its terminationGracePeriodSeconds says otherwise.
	// +optional
	Timeout Duration `json:"timeout,omitempty"`

	// LogPath is the file that also gets the output of the script's last run: an absolute path, or one that begins with ~/.
	// Absent means /.berth/log/NAME.log, of which 256 KiB are kept.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LogPath string `json:"logPath,omitempty"`
}

// ExternalAuth is a provider that the workspace uses in its owner's name.
type ExternalAuth struct {
	// Name is the provider's id in the deployment's settings.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`

	// Optional lets a workspace start when its owner is not signed in to the provider.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// ResourceMetadata is what clients show of one object of the workspace.
type ResourceMetadata struct {
	// Name is "pod", or the name of a volume claim.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Hide leaves the object out of what people see first.
	// +optional
	Hide bool `json:"hide,omitempty"`

	// Icon is the picture beside the object.
	// +optional
	Icon Icon `json:"icon,omitempty"`

	// DailyCost is what the object costs in credits a day: a whole number, or an expression for one.
	// +optional
	DailyCost *Value `json:"dailyCost,omitempty"`

	// Items are what to show, and may hold expressions.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=32
	Items []ResourceMetadataItem `json:"items,omitempty"`
}

// ResourceMetadataItem is one line about an object.
type ResourceMetadataItem struct {
	// Key is the line's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Key string `json:"key"`

	// Value is the line's text.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`

	// Sensitive hides the text from everybody.
	// +optional
	Sensitive bool `json:"sensitive,omitempty"`
}
