// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
)

// entries are those of a request: one for each thing that it changed, or one for the request where it changed nothing and
// was to, or where somebody was refused. Reading leaves none, and neither do strangers who are not let in.
func (a *Auditor) entries(ctx context.Context, t audit.Attempt, changes []audit.Change, status int) []*audit.Entry {
	base := newEntry(a.o.Now())
	base.Door, base.Route, base.RequestID, base.IP, base.UserAgent = t.Door, t.Method+" "+t.Path, t.RequestID, t.IP, t.UserAgent
	base.Status, base.Additional.Identity = status, t.Identity
	caller := t.Caller
	if caller == nil {
		caller = t.Subject
	}
	base.Actor = a.actor(ctx, caller)
	if len(changes) == 0 {
		if !worthAnEntry(t, status) {
			return nil
		}
		base.Action, base.Resource = attempted(t), asked(t)
		if t.Subject != nil {
			base.Resource.ID, base.Target = base.Actor.ID, base.Actor.Username
		}
		return []*audit.Entry{base}
	}
	entries := make([]*audit.Entry, 0, len(changes))
	for _, c := range changes {
		e := *base
		e.ID = uuid.New()
		e.Action, e.Resource, e.Object = c.Action, c.Resource, c.Object
		e.Additional = c.Additional
		e.Additional.Identity = t.Identity
		if !c.At.IsZero() {
			e.Time = c.At.UTC()
		}
		if t.Asks == authz.Authenticate {
			e.Action = attempted(t)
		}
		if len(c.Diff) > 0 {
			if diff, err := json.Marshal(c.Diff); err == nil {
				e.Diff = diff
			} else {
				e.Additional.Note = "the change can't be shown"
			}
		}
		entries = append(entries, &e)
	}
	return entries
}

// worthAnEntry tells whether a request that changed nothing has an entry: one that was to change something, and one that was
// refused to somebody who is known. A sign-in is refused to somebody who may be known.
func worthAnEntry(t audit.Attempt, status int) bool {
	known := t.Caller != nil || t.Identity != "" || t.Subject != nil || t.Asks == authz.Authenticate
	refused := t.Denied || status == http.StatusUnauthorized || status == http.StatusForbidden
	switch {
	case status < 400:
		// A browser that is led to where its person signs in has changed nothing yet.
		return t.Writes && t.Method != http.MethodGet
	case t.Writes:
		return known && status != statusLeft
	}
	return known && refused && status < 500
}

// statusLeft is that of a request whose client left.
const statusLeft = 499

// attempted is the action that a route stands for.
func attempted(t audit.Attempt) codersdk.AuditAction {
	if !t.Writes {
		return audit.ActionRead
	}
	switch t.Asks {
	case authz.Create, authz.Use:
		return codersdk.AuditActionCreate
	case authz.Delete:
		return codersdk.AuditActionDelete
	case authz.Authenticate:
		switch {
		case strings.HasSuffix(t.Path, "/logout"):
			return codersdk.AuditActionLogout
		case strings.HasSuffix(t.Path, "/first"):
			return codersdk.AuditActionRegister
		}
		return codersdk.AuditActionLogin
	}
	return codersdk.AuditActionWrite
}

// asked is what a route is about, by its path and by what the path names.
func asked(t audit.Attempt) audit.Resource {
	r := audit.Resource{Type: resourceType(t.Path)}
	if id, err := uuid.Parse(t.Target); err == nil {
		r.ID = id
	} else {
		r.Target = t.Target
	}
	return r
}

// resourceTypes are the types by the words in a path; the word that stands last decides. Archives are what versions are made
// of, and the log has no other word for them.
var resourceTypes = map[string]codersdk.ResourceType{
	"users": codersdk.ResourceTypeUser, "keys": codersdk.ResourceTypeAPIKey, "login": codersdk.ResourceTypeAPIKey,
	"logout": codersdk.ResourceTypeAPIKey, "gitsshkey": codersdk.ResourceTypeGitSSHKey, "convert-login": codersdk.ResourceTypeConvertLogin,
	"members": codersdk.ResourceTypeUser, "organizations": codersdk.ResourceTypeOrganization, "groups": codersdk.ResourceTypeGroup,
	"templates": codersdk.ResourceTypeTemplate, "templateversions": codersdk.ResourceTypeTemplateVersion,
	"versions": codersdk.ResourceTypeTemplateVersion, "files": codersdk.ResourceTypeTemplateVersion,
	"workspaces": codersdk.ResourceTypeWorkspace, "workspace": codersdk.ResourceTypeWorkspace, "workspaceagents": codersdk.ResourceTypeWorkspace,
	"workspacebuilds": codersdk.ResourceTypeWorkspaceBuild, "builds": codersdk.ResourceTypeWorkspaceBuild,
	"workspace-quota": codersdk.ResourceTypeUser, "authcheck": codersdk.ResourceTypeUser, "scim": codersdk.ResourceTypeUser,
	"licenses": codersdk.ResourceTypeLicense, "workspaceproxies": codersdk.ResourceTypeWorkspaceProxy,
	"oauth2-provider": codersdk.ResourceTypeOAuth2ProviderApp, "external-auth": codersdk.ResourceTypeUser,
	"health": codersdk.ResourceTypeHealthSettings, "deployment": codersdk.ResourceTypeOrganization, "audit": codersdk.ResourceTypeOrganization,
	"insights": codersdk.ResourceTypeTemplate,
}

// resourceType is the type of what a path is about. What has no word of its own is the deployment's, which the log calls an
// organization of no id.
func resourceType(path string) codersdk.ResourceType {
	found := codersdk.ResourceTypeOrganization
	for word := range strings.SplitSeq(path, "/") {
		if t, ok := resourceTypes[word]; ok {
			found = t
		}
	}
	return found
}
