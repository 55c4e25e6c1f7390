// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// externalLogSource is the fixed id that clients know for log lines of a program outside the agent.
const externalLogSource = "3b579bf4-1ed8-4b99-87a8-e9a1e3410410"

// own are the scripts that the agent runs.
func (a agentParts) own() []v1alpha1.Script {
	var own []v1alpha1.Script
	for _, s := range a.content.Scripts {
		if s.Agent == a.agent.Name || s.Agent == "" && a.first {
			own = append(own, s)
		}
	}
	return own
}

func (a agentParts) scripts() []codersdk.WorkspaceAgentScript {
	all := []codersdk.WorkspaceAgentScript{}
	for _, s := range a.own() {
		all = append(all, codersdk.WorkspaceAgentScript{
			LogSourceID:      ids.Script(a.id, s.Name),
			LogPath:          s.LogPath,
			Script:           s.Run,
			Cron:             s.Schedule,
			RunOnStart:       s.RunAt == v1alpha1.ScriptRunAtStart,
			RunOnStop:        s.RunAt == v1alpha1.ScriptRunAtStop,
			StartBlocksLogin: s.BlocksLogin,
			Timeout:          schedule.Duration(s.Timeout),
		})
	}
	return all
}

// logSources are the writers of the agent's log: each script, and whoever else.
func (a agentParts) logSources(b codersdk.WorkspaceBuild) []codersdk.WorkspaceAgentLogSource {
	all := []codersdk.WorkspaceAgentLogSource{{
		ID: uuid.MustParse(externalLogSource), WorkspaceAgentID: a.id, CreatedAt: b.CreatedAt, DisplayName: "External",
	}}
	for _, s := range a.own() {
		all = append(all, codersdk.WorkspaceAgentLogSource{
			ID:               ids.Script(a.id, s.Name),
			WorkspaceAgentID: a.id,
			CreatedAt:        b.CreatedAt,
			DisplayName:      orText(string(s.DisplayName), s.Name),
			Icon:             string(s.Icon),
		})
	}
	return all
}

func (a agentParts) startupBehavior() codersdk.WorkspaceAgentStartupScriptBehavior {
	for _, s := range a.own() {
		if s.RunAt == v1alpha1.ScriptRunAtStart && s.BlocksLogin {
			return codersdk.WorkspaceAgentStartupScriptBlocking
		}
	}
	return codersdk.WorkspaceAgentStartupScriptNonBlocking
}
