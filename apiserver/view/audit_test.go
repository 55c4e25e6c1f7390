// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/audit"
)

func TestAuditLog(t *testing.T) {
	ada := &codersdk.User{Username: "ada"}
	of := func(kind codersdk.ResourceType, target string) audit.Resource {
		return audit.Resource{Type: kind, Target: target}
	}
	dev := audit.Additional{WorkspaceName: "dev", WorkspaceOwner: "ada", BuildNumber: "7"}
	for name, c := range map[string]struct {
		entry             audit.Entry
		gone              bool
		wantSaid, wantURL string
	}{
		"a workspace":      {audit.Entry{Actor: ada, Action: "write", Status: 204, Resource: of("workspace", "dev"), Additional: dev}, false, "{user} updated workspace {target}", "/@ada/dev"},
		"one that is gone": {audit.Entry{Actor: ada, Action: "delete", Status: 200, Resource: of("workspace", "dev"), Additional: dev}, true, "{user} deleted workspace {target}", ""},
		"a start":          {audit.Entry{Actor: ada, Action: "start", Status: 201, Resource: of("workspace_build", "dev"), Additional: dev}, false, "{user} started workspace {target}", "/@ada/dev/builds/7"},
		"a refused start":  {audit.Entry{Actor: ada, Action: "write", Status: 403, Resource: of("workspace_build", "")}, false, "{user} unsuccessfully attempted to update workspace build {target}", ""},
		"a sign-in":        {audit.Entry{Actor: ada, Action: "login", Status: 201, Resource: of("api_key", "ada")}, false, "{user} logged in", ""},
		"a template":       {audit.Entry{Action: "create", Status: 200, Door: audit.DoorManifest, Resource: of("template", "go-dev"), Additional: audit.Additional{Manager: "helm"}}, false, "helm created template {target}", "/templates/go-dev"},
		"a removal":        {audit.Entry{Action: "delete", Status: 200, Door: audit.DoorManifest, Resource: of("user", "a b")}, false, "Somebody deleted user {target}", "/users?filter=a+b"},
		"a refused look":   {audit.Entry{Action: audit.ActionRead, Status: 403, Resource: of("user", ""), Additional: audit.Additional{Identity: "oidc:eve"}}, false, "oidc:eve unsuccessfully attempted to read user {target}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := view.AuditLog(&c.entry, c.gone)
			if err != nil {
				t.Fatal(err)
			}
			if have.Description != c.wantSaid || have.ResourceLink != c.wantURL || have.IsDeleted != c.gone {
				t.Errorf("%q, %q, gone %v", have.Description, have.ResourceLink, have.IsDeleted)
			}
			if have.Action == audit.ActionRead || have.Diff == nil {
				t.Errorf("action %q, difference %v", have.Action, have.Diff)
			}
		})
	}
	e := audit.Entry{Diff: []byte(`{"x":{"old":"","new":"","secret":true}}`), Additional: audit.Additional{Note: "n", Given: []byte(`{"workspace_name":"dev"}`)}}
	have, err := view.AuditLog(&e, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(codersdk.AuditDiff{"x": audit.Secret()}, have.Diff); diff != "" {
		t.Error(diff)
	}
	if string(have.AdditionalFields) != `{"note":"n","workspace_name":"dev"}` {
		t.Errorf("%s", have.AdditionalFields)
	}
}
