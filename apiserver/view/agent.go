// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// connectionTimeout is how long an agent may take to connect where the template does not say.
const connectionTimeout = 2 * time.Minute

// defaultAgent is the agent of a content that declares none.
const defaultAgent = "main"

// declared are the agents of a content; there is always one.
func declared(c *v1alpha1.TemplateContent) []v1alpha1.Agent {
	if len(c.Agents) > 0 {
		return c.Agents
	}
	return []v1alpha1.Agent{{Name: defaultAgent}}
}

// agents shows the agents of a start, which run in the resource.
func agents(p WorkspaceParts, b *v1alpha1.WorkspaceBuild, resource uuid.UUID, shown codersdk.WorkspaceBuild, now time.Time) []codersdk.WorkspaceAgent {
	if p.Version == nil {
		return nil
	}
	content := &p.Version.Spec.Content
	all := []codersdk.WorkspaceAgent{}
	for i, a := range declared(content) {
		one := agentParts{
			content: content, agent: a, first: i == 0, id: ids.Agent(shown.ID, a.Name), reported: reported(p, b, a.Name), current: accepted(p, b),
			hidden: b.Status.HiddenApps,
		}
		all = append(all, one.show(resource, shown, now))
	}
	return all
}

// agentParts is one agent of one build.
type agentParts struct {
	content  *v1alpha1.TemplateContent
	agent    v1alpha1.Agent
	first    bool // apps and scripts that name no agent are the first one's
	id       uuid.UUID
	reported v1alpha1.AgentStatus
	hidden   []string // apps that the build leaves out
	current  bool     // the build is what the workspace is held to; agents of earlier ones are gone
}

// reported is what an agent last reported in the build, or nothing.
func reported(p WorkspaceParts, b *v1alpha1.WorkspaceBuild, name string) v1alpha1.AgentStatus {
	for _, s := range p.Workspace.Status.Agents {
		if s.Name == name && s.Build == b.Spec.Number {
			return s
		}
	}
	return v1alpha1.AgentStatus{Name: name}
}

func (a agentParts) show(resource uuid.UUID, b codersdk.WorkspaceBuild, now time.Time) codersdk.WorkspaceAgent {
	wire := codersdk.WorkspaceAgent{
		ID:                       a.id,
		CreatedAt:                b.CreatedAt,
		FirstConnectedAt:         utc(a.reported.ConnectedAt),
		DisconnectedAt:           utc(a.reported.DisconnectedAt),
		Status:                   a.status(b, now),
		LifecycleState:           a.lifecycle(),
		Name:                     a.agent.Name,
		ResourceID:               resource,
		Architecture:             a.agent.Arch,
		OperatingSystem:          orText(a.agent.OS, "linux"),
		EnvironmentVariables:     literals(a.agent.Env),
		Directory:                a.agent.Directory,
		LogSources:               a.logSources(b),
		Scripts:                  a.scripts(),
		StartupScriptBehavior:    a.startupBehavior(),
		Apps:                     a.apps(),
		ConnectionTimeoutSeconds: int32(a.timeout() / time.Second),
		TroubleshootingURL:       a.agent.TroubleshootingURL,
		Subsystems:               []codersdk.AgentSubsystem{},
		DisplayApps:              displayApps(a.agent.DisplayApps),
	}
	wire.LastConnectedAt = wire.DisconnectedAt
	if wire.Status == codersdk.WorkspaceAgentConnected {
		present := now.UTC()
		wire.LastConnectedAt, wire.DisconnectedAt = &present, nil
	}
	wire.UpdatedAt = wire.CreatedAt
	for _, t := range []*time.Time{wire.FirstConnectedAt, wire.DisconnectedAt} {
		if t != nil && t.After(wire.UpdatedAt) {
			wire.UpdatedAt = *t
		}
	}
	wire.Health = agentHealth(wire.Status, wire.LifecycleState)
	return wire
}

func (a agentParts) timeout() time.Duration {
	if d := schedule.Duration(a.agent.ConnectionTimeout); d > 0 {
		return d
	}
	return connectionTimeout
}

// status is that of the agent's connection; until agents connect, that of its container. The time to connect counts from
// the end of the build, since images are pulled and pods scheduled within it.
func (a agentParts) status(b codersdk.WorkspaceBuild, now time.Time) codersdk.WorkspaceAgentStatus {
	switch {
	case a.reported.Ready && a.current:
		return codersdk.WorkspaceAgentConnected
	case a.reported.ConnectedAt != nil, !a.current && b.Job.CompletedAt != nil:
		return codersdk.WorkspaceAgentDisconnected
	case b.Job.CompletedAt != nil && now.Sub(*b.Job.CompletedAt) > a.timeout():
		return codersdk.WorkspaceAgentTimeout
	}
	return codersdk.WorkspaceAgentConnecting
}

// lifecycle is the agent's own word. Where it says nothing, its container is ready as soon as the start scripts that block
// have ended.
func (a agentParts) lifecycle() codersdk.WorkspaceAgentLifecycle {
	word := codersdk.WorkspaceAgentLifecycle(a.reported.Lifecycle)
	switch {
	case slices.Contains(lifecycles(), word):
		return word
	case a.reported.Ready && a.current:
		return codersdk.WorkspaceAgentLifecycleReady
	case !a.current && a.reported.ConnectedAt != nil:
		return codersdk.WorkspaceAgentLifecycleOff
	}
	return codersdk.WorkspaceAgentLifecycleCreated
}

func lifecycles() []codersdk.WorkspaceAgentLifecycle {
	return []codersdk.WorkspaceAgentLifecycle{
		codersdk.WorkspaceAgentLifecycleCreated, codersdk.WorkspaceAgentLifecycleStarting,
		codersdk.WorkspaceAgentLifecycleStartTimeout, codersdk.WorkspaceAgentLifecycleStartError,
		codersdk.WorkspaceAgentLifecycleReady, codersdk.WorkspaceAgentLifecycleShuttingDown,
		codersdk.WorkspaceAgentLifecycleShutdownTimeout, codersdk.WorkspaceAgentLifecycleShutdownError,
		codersdk.WorkspaceAgentLifecycleOff,
	}
}

// agentHealth says whether a person can work with the agent; the first that is true of it is the reason.
func agentHealth(s codersdk.WorkspaceAgentStatus, l codersdk.WorkspaceAgentLifecycle) codersdk.WorkspaceAgentHealth {
	reason := ""
	switch {
	case s != codersdk.WorkspaceAgentConnected && l == codersdk.WorkspaceAgentLifecycleOff:
		reason = "agent is not running"
	case s == codersdk.WorkspaceAgentTimeout:
		reason = "agent is taking too long to connect"
	case s == codersdk.WorkspaceAgentDisconnected:
		reason = "agent has lost connection"
	case l == codersdk.WorkspaceAgentLifecycleStartError:
		reason = "agent startup script exited with an error"
	case l == codersdk.WorkspaceAgentLifecycleShuttingDown:
		reason = "agent is shutting down"
	}
	return codersdk.WorkspaceAgentHealth{Healthy: reason == "", Reason: reason}
}

// literals are the variables whose value stands in the template; those of Secrets and those that hold an expression are
// known in the workspace only.
func literals(env []v1alpha1.EnvVar) map[string]string {
	all := map[string]string{}
	for _, e := range env {
		if e.ValueFrom == nil && !strings.Contains(strings.ReplaceAll(e.Value, "$${", ""), "${") {
			all[e.Name] = strings.ReplaceAll(e.Value, "$${", "${")
		}
	}
	return all
}

func displayApps(chosen []v1alpha1.DisplayApp) []codersdk.DisplayApp {
	names := map[v1alpha1.DisplayApp]codersdk.DisplayApp{
		"VSCode":               codersdk.DisplayAppVSCodeDesktop,
		"VSCodeInsiders":       codersdk.DisplayAppVSCodeInsiders,
		"WebTerminal":          codersdk.DisplayAppWebTerminal,
		"PortForwardingHelper": codersdk.DisplayAppPortForward,
		"SSHHelper":            codersdk.DisplayAppSSH,
	}
	if chosen == nil {
		chosen = []v1alpha1.DisplayApp{"VSCode", "WebTerminal", "PortForwardingHelper", "SSHHelper"}
	}
	all := []codersdk.DisplayApp{}
	for _, c := range chosen {
		if name, ok := names[c]; ok {
			all = append(all, name)
		}
	}
	return all
}

// orText is the text, or another where it is empty.
func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
