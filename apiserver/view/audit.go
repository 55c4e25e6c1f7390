// SPDX-License-Identifier: Apache-2.0

package view

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/audit"
)

// AuditLog shows an entry; gone says that what it is about is no more.
func AuditLog(e *audit.Entry, gone bool) (codersdk.AuditLog, error) {
	shown := codersdk.AuditLog{
		ID: e.ID, RequestID: e.RequestID, Time: e.Time, IP: e.IP, UserAgent: e.UserAgent,
		ResourceType: e.Type, ResourceID: e.Resource.ID, ResourceTarget: e.Target, ResourceIcon: e.Icon,
		Action: e.Action, Diff: codersdk.AuditDiff{}, StatusCode: e.Status, Description: description(e),
		IsDeleted: gone, OrganizationID: e.OrganizationID, User: e.Actor,
	}
	if shown.Action == audit.ActionRead {
		shown.Action = codersdk.AuditActionWrite // the list of actions has no word for reading
	}
	if !gone {
		shown.ResourceLink = auditLink(e)
	}
	if len(e.Diff) > 0 {
		if err := json.Unmarshal(e.Diff, &shown.Diff); err != nil {
			return codersdk.AuditLog{}, err
		}
	}
	additional, err := additionalFields(e)
	shown.AdditionalFields = additional
	return shown, err
}

// additionalFields are those of an entry, with what a client gave to it at their top.
func additionalFields(e *audit.Entry) (json.RawMessage, error) {
	fields := e.Additional
	given := fields.Given
	fields.Given = nil
	data, err := json.Marshal(fields)
	if err != nil || len(given) == 0 {
		return data, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(given, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// description is a sentence with places for {user} and {target}. Where no account is known it names the identity, or the program.
func description(e *audit.Entry) string {
	who := "{user}"
	switch {
	case e.Actor != nil:
	case e.Additional.Identity != "":
		who = e.Additional.Identity
	case e.Additional.Manager != "":
		who = e.Additional.Manager
	case e.Door == audit.DoorManifest:
		who = "Somebody"
	}
	verb, ok := auditVerbs[e.Action]
	if !ok {
		verb = auditVerbs[codersdk.AuditActionWrite]
	}
	var said string
	switch {
	case e.Refused():
		said = "unsuccessfully attempted to " + verb[0]
	default:
		said = verb[1]
	}
	switch e.Action {
	case codersdk.AuditActionLogin, codersdk.AuditActionLogout, codersdk.AuditActionRegister:
		return who + " " + said
	}
	what := strings.ReplaceAll(string(e.Type), "_", " ")
	if e.Type == codersdk.ResourceTypeWorkspaceBuild && (e.Action == codersdk.AuditActionStart || e.Action == codersdk.AuditActionStop) {
		what = "workspace"
	}
	return who + " " + said + " " + what + " {target}"
}

// auditVerbs are what is said of an action that was tried, and of one that was done.
var auditVerbs = map[codersdk.AuditAction][2]string{
	codersdk.AuditActionCreate: {"create", "created"}, codersdk.AuditActionWrite: {"update", "updated"},
	codersdk.AuditActionDelete: {"delete", "deleted"}, codersdk.AuditActionStart: {"start", "started"},
	codersdk.AuditActionStop: {"stop", "stopped"}, codersdk.AuditActionLogin: {"log in", "logged in"},
	codersdk.AuditActionLogout: {"log out", "logged out"}, codersdk.AuditActionRegister: {"register", "registered"},
	audit.ActionRead: {"read", "read"},
}

// auditLink is the page of what an entry is about; "" where there is none.
func auditLink(e *audit.Entry) string {
	a := e.Additional
	switch e.Type {
	case codersdk.ResourceTypeWorkspace:
		if a.WorkspaceOwner != "" {
			return "/@" + url.PathEscape(a.WorkspaceOwner) + "/" + url.PathEscape(a.WorkspaceName)
		}
	case codersdk.ResourceTypeWorkspaceBuild:
		if a.WorkspaceOwner != "" {
			return "/@" + url.PathEscape(a.WorkspaceOwner) + "/" + url.PathEscape(a.WorkspaceName) + "/builds/" + a.BuildNumber
		}
	case codersdk.ResourceTypeTemplate:
		if e.Target != "" {
			return "/templates/" + url.PathEscape(e.Target)
		}
	case codersdk.ResourceTypeUser:
		if e.Target != "" {
			return "/users?filter=" + url.QueryEscape(e.Target)
		}
	}
	return ""
}
