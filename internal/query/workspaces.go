// SPDX-License-Identifier: Apache-2.0

package query

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
)

// Workspaces is what a search for workspaces asks for. Empty fields ask for nothing. All texts are in lower case.
type Workspaces struct {
	// Owner is a username, or "me".
	Owner string
	// Name is part of the workspace's name.
	Name string
	// Template and Organization are whole names.
	Template, Organization string
	// Status is the newest build's.
	Status codersdk.WorkspaceStatus
	// HasAgent is the status of at least one of the newest build's agents.
	HasAgent codersdk.WorkspaceAgentStatus
	// Outdated asks for those that are, or are not, on the template's active version.
	Outdated *bool
	// Healthy asks for those all of whose agents are well, or not.
	Healthy *bool
	// Dormant asks for dormant ones only; DormantSince for those dormant at that time already.
	Dormant      bool
	DormantSince time.Time
	// UsedBefore and UsedAfter bound the last use.
	UsedBefore, UsedAfter time.Time
	// DeletingBy asks for dormant ones that are deleted before the end of that day.
	DeletingBy time.Time
	// IDs are the only ones wanted.
	IDs []uuid.UUID
	// Parameters are those that the newest build must have, all of them.
	Parameters []Pair
}

// Pair is a parameter that is asked for: by its name, or by its name and its value.
type Pair struct {
	Name string
	// Value is as on the wire; nil asks for any.
	Value *string
}

// ParseWorkspaces reads a search. A bare word is part of a name, or owner/name. The fault names every term that is wrong.
func ParseWorkspaces(text string) (Workspaces, error) {
	t := split(text, func(word string, add func(key, value string)) string {
		owner, name, both := strings.Cut(word, "/")
		switch {
		case !both || strings.Contains(word, `"`):
			add("name", strings.Trim(word, `"`))
		case strings.Contains(name, "/"):
			return "Query element " + quote(word) + ` can only contain 1 '/'`
		default:
			add("owner", owner)
			add("name", name)
		}
		return ""
	})
	const rfc3339 = "an RFC 3339 time, such as 2026-01-31T12:00:00Z; quote it, as it holds colons"
	w := Workspaces{
		Owner:        t.one("owner"),
		Name:         t.one("name"),
		Template:     t.one("template"),
		Organization: t.one("organization"),
		Status:       codersdk.WorkspaceStatus(t.choice("status", statuses()...)),
		HasAgent:     codersdk.WorkspaceAgentStatus(t.choice("has-agent", agentStatuses()...)),
		Outdated:     t.boolean("outdated"),
		Healthy:      t.boolean("healthy"),
		DormantSince: t.instant("dormant_at", time.DateOnly, "a date, such as 2026-01-31"),
		UsedBefore:   t.instant("last_used_before", time.RFC3339Nano, rfc3339),
		UsedAfter:    t.instant("last_used_after", time.RFC3339Nano, rfc3339),
		DeletingBy:   t.instant("deleting_by", time.DateOnly, "a date, such as 2026-01-31"),
		IDs:          t.uuids("id"),
		Parameters:   t.pairs("param"),
	}
	if dormant := t.boolean("dormant"); dormant != nil {
		w.Dormant = *dormant
	}
	return w, t.err()
}

func quote(text string) string { return `"` + text + `"` }

// Match tells whether a workspace, as it is on the wire, is asked for by the caller of that username. The newest build's
// parameters are no part of it there; they are looked at last, and only when the search asks for some.
func (q Workspaces) Match(w codersdk.Workspace, me string, parameters func() []codersdk.WorkspaceBuildParameter) bool {
	owner := q.Owner
	if owner == "me" {
		owner = strings.ToLower(me)
	}
	switch {
	case len(q.IDs) > 0 && !slices.Contains(q.IDs, w.ID):
	case owner != "" && owner != strings.ToLower(w.OwnerName):
	case q.Name != "" && !strings.Contains(strings.ToLower(w.Name), q.Name):
	case q.Template != "" && q.Template != strings.ToLower(w.TemplateName):
	case q.Organization != "" && q.Organization != strings.ToLower(w.OrganizationName) && q.Organization != w.OrganizationID.String():
	case q.Status != "" && q.Status != w.LatestBuild.Status:
	case q.Outdated != nil && *q.Outdated != w.Outdated:
	case q.Healthy != nil && *q.Healthy != w.Health.Healthy:
	case q.HasAgent != "" && !hasAgent(w, q.HasAgent):
	default:
		return q.matchTimes(w) && (len(q.Parameters) == 0 || q.matchParameters(parameters()))
	}
	return false
}

func (q Workspaces) matchTimes(w codersdk.Workspace) bool {
	dormant, used := w.DormantAt.Time, w.LastUsedAt
	switch {
	case q.Dormant && dormant.IsZero():
	case !q.DormantSince.IsZero() && (dormant.IsZero() || dormant.After(q.DormantSince)):
	case !q.UsedBefore.IsZero() && !used.Before(q.UsedBefore):
	case !q.UsedAfter.IsZero() && !used.After(q.UsedAfter):
	case !q.DeletingBy.IsZero() && (w.DeletingAt.IsZero() || !w.DeletingAt.Before(q.DeletingBy.AddDate(0, 0, 1))):
	default:
		return true
	}
	return false
}

func (q Workspaces) matchParameters(has []codersdk.WorkspaceBuildParameter) bool {
	for _, asked := range q.Parameters {
		if !slices.ContainsFunc(has, func(p codersdk.WorkspaceBuildParameter) bool {
			return strings.ToLower(p.Name) == asked.Name && (asked.Value == nil || strings.ToLower(p.Value) == *asked.Value)
		}) {
			return false
		}
	}
	return true
}

func hasAgent(w codersdk.Workspace, status codersdk.WorkspaceAgentStatus) bool {
	for _, r := range w.LatestBuild.Resources {
		if slices.ContainsFunc(r.Agents, func(a codersdk.WorkspaceAgent) bool { return a.Status == status }) {
			return true
		}
	}
	return false
}

func statuses() []string {
	return []string{
		string(codersdk.WorkspaceStatusPending), string(codersdk.WorkspaceStatusStarting), string(codersdk.WorkspaceStatusRunning),
		string(codersdk.WorkspaceStatusStopping), string(codersdk.WorkspaceStatusStopped), string(codersdk.WorkspaceStatusFailed),
		string(codersdk.WorkspaceStatusCanceling), string(codersdk.WorkspaceStatusCanceled), string(codersdk.WorkspaceStatusDeleting),
		string(codersdk.WorkspaceStatusDeleted),
	}
}

func agentStatuses() []string {
	return []string{
		string(codersdk.WorkspaceAgentConnecting), string(codersdk.WorkspaceAgentConnected),
		string(codersdk.WorkspaceAgentDisconnected), string(codersdk.WorkspaceAgentTimeout),
	}
}
