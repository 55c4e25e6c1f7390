// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

func TestAudit(t *testing.T) {
	id, request, organization := uuid.MustParse("11111111-1111-1111-1111-111111111111"),
		uuid.MustParse("22222222-2222-2222-2222-222222222222"), uuid.MustParse("33333333-3333-3333-3333-333333333333")
	e := query.AuditFacts{
		Time: time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC), Action: codersdk.AuditActionStop, ResourceType: codersdk.ResourceTypeWorkspaceBuild,
		ResourceID: id, RequestID: request, Target: "Dev", OrganizationID: organization, Organization: "Platform",
		BuildReason: codersdk.BuildReasonAutostop, Actor: &codersdk.User{Username: "Ada", Email: "ada@Example.org"},
	}
	for text, want := range map[string]bool{
		"":                                      true,
		"workspace_build":                       true,
		`"workspace_build"`:                     true,
		"workspace":                             false,
		"resource_type:workspace_build":         true,
		"RESOURCE_TYPE:Workspace_Build":         true,
		"action:stop":                           true,
		"action:start":                          false,
		"action:read":                           false,
		"resource_id:" + id.String():            true,
		"resource_id:" + request.String():       false,
		"request_id:" + request.String():        true,
		"resource_target:dev":                   true,
		"resource_target:de":                    false,
		"username:ada":                          true,
		"username:me":                           true,
		"username:grace":                        false,
		"email:ADA@example.org":                 true,
		"email:ada@example.com":                 false,
		"date_from:2026-01-31":                  true,
		"date_from:2026-02-01":                  false,
		"date_to:2026-01-31":                    true,
		"date_to:2026-01-30":                    false,
		"build_reason:autostop":                 true,
		"build_reason:initiator":                false,
		"organization:platform":                 true,
		"organization:" + organization.String(): true,
		"organization:other":                    false,
		"workspace_build action:stop username:ada date_from:2026-01-01 date_to:2026-12-31": true,
	} {
		q, err := query.ParseAudit(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		q = q.By("Ada")
		if have := q.Match(e); have != want {
			t.Errorf("%q: %v, want %v", text, have, want)
		}
	}
	e.Actor = nil
	for _, text := range []string{"username:ada", "email:ada@example.org"} {
		if q, err := query.ParseAudit(text); err != nil || q.Match(e) {
			t.Errorf("%q finds what nobody did; %v", text, err)
		}
	}
}

func TestAuditRefused(t *testing.T) {
	for text, want := range map[string][]string{
		"foo:bar": {"foo"},
		"moon":    {"resource_type"},
		"action:dance resource_id:7 request_id:x": {"action", "resource_id", "request_id"},
		"date_from:31.1.2026 date_to:2026-02-30":  {"date_from", "date_to"},
		"build_reason:dormancy":                   {"build_reason"},
		"action:stop action:start":                {"action"},
		"a:b:c :x y:":                             {"q", "q", "q"},
	} {
		_, err := query.ParseAudit(text)
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var have []string
		for _, field := range f.Fields {
			have = append(have, field.Path)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%q (-want +have):\n%s", text, diff)
		}
	}
}

// Whatever is typed is either refused by the name of what is wrong, or a search that matches without harm.
func FuzzAudit(f *testing.F) {
	for _, text := range []string{"", "user", `username:"ada" action:login`, "date_from:2026-01-31", "a:b:c", `"`, "resource_id:11111111-1111-1111-1111-111111111111"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.ParseAudit(text)
		if err != nil {
			refused, ok := fault.As(err)
			if !ok || refused.Kind != fault.Invalid || len(refused.Fields) == 0 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := query.ParseAudit(text)
		if err != nil || again != q {
			t.Fatalf("%q is read in two ways", text)
		}
		q.Match(query.AuditFacts{Actor: &codersdk.User{Username: "ada"}})
		q.Match(query.AuditFacts{})
	})
}
