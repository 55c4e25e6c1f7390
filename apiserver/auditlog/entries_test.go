// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
)

func TestWhatHasAnEntry(t *testing.T) {
	ada := &v1alpha1.User{}
	write, read := audit.Attempt{Asks: authz.Update, Writes: true}, audit.Attempt{Asks: authz.Read}
	by := func(a audit.Attempt) audit.Attempt { a.Caller = ada; return a }
	denied := func(a audit.Attempt) audit.Attempt { a.Denied = true; return a }
	for name, c := range map[string]struct {
		attempt audit.Attempt
		status  int
		want    bool
	}{
		"a write that changed nothing":          {by(write), 200, true},
		"reading":                               {by(read), 200, false},
		"a write of nobody":                     {write, 401, false},
		"a write without the right":             {by(denied(write)), 404, true},
		"a write of what is not there":          {by(write), 404, true},
		"a write that failed":                   {by(write), 500, true},
		"a write whose client left":             {by(write), 499, false},
		"reading what is not there":             {by(read), 404, false},
		"reading what is hidden":                {by(denied(read)), 404, true},
		"reading without the right":             {by(read), 403, true},
		"reading by one who is suspended":       {by(read), 401, true},
		"reading by nobody":                     {read, 401, false},
		"reading by a foreign identity":         {audit.Attempt{Asks: authz.Read, Identity: "oidc:eve"}, 403, true},
		"reading that failed":                   {by(read), 500, false},
		"a sign-in that was refused":            {audit.Attempt{Asks: authz.Authenticate, Writes: true}, 401, true},
		"a sign-in that is asked for too often": {audit.Attempt{Asks: authz.Authenticate, Writes: true}, 429, true},
	} {
		if have := worthAnEntry(c.attempt, c.status); have != c.want {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

func TestWhatARouteIsAbout(t *testing.T) {
	id := uuid.New()
	for path, want := range map[string]codersdk.ResourceType{
		"/api/v2/users/{user}/profile":                                        codersdk.ResourceTypeUser,
		"/api/v2/users/{user}/keys/{keyid}":                                   codersdk.ResourceTypeAPIKey,
		"/api/v2/users/login":                                                 codersdk.ResourceTypeAPIKey,
		"/api/v2/organizations":                                               codersdk.ResourceTypeOrganization,
		"/api/v2/organizations/{organization}/groups":                         codersdk.ResourceTypeGroup,
		"/api/v2/organizations/{organization}/members/{user}/roles":           codersdk.ResourceTypeUser,
		"/api/v2/organizations/{organization}/members/{user}/workspaces":      codersdk.ResourceTypeWorkspace,
		"/api/v2/organizations/{organization}/templates":                      codersdk.ResourceTypeTemplate,
		"/api/v2/templates/{template}/versions":                               codersdk.ResourceTypeTemplateVersion,
		"/api/v2/templateversions/{templateversion}/dry-run":                  codersdk.ResourceTypeTemplateVersion,
		"/api/v2/workspaces/{workspace}/builds":                               codersdk.ResourceTypeWorkspaceBuild,
		"/api/v2/workspaces/{workspace}/ttl":                                  codersdk.ResourceTypeWorkspace,
		"/api/v2/users/{user}/workspace/{workspacename}/builds/{buildnumber}": codersdk.ResourceTypeWorkspaceBuild,
		"/api/v2/files": codersdk.ResourceTypeTemplateVersion,
	} {
		if have := asked(audit.Attempt{Path: path, Target: id.String()}); have.Type != want || have.ID != id || have.Target != "" {
			t.Errorf("%s is about %+v, want a %s", path, have, want)
		}
	}
	if have := asked(audit.Attempt{Path: "/api/v2/users/{user}", Target: "ada"}); have.Target != "ada" || have.ID != uuid.Nil {
		t.Errorf("%+v", have)
	}
}
