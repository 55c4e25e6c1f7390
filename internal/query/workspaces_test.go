// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

func ptr[T any](x T) *T { return &x }

func TestParseWorkspaces(t *testing.T) {
	id := uuid.MustParse("11111111-2222-3333-4444-555555555555")
	for text, want := range map[string]query.Workspaces{
		"":                              {},
		"   ":                           {},
		"api":                           {Name: "api"},
		"API":                           {Name: "api"},
		"ada/api":                       {Owner: "ada", Name: "api"},
		"me/":                           {Owner: "me"},
		`"a:b"`:                         {Name: "a:b"},
		"owner:me status:running":       {Owner: "me", Status: codersdk.WorkspaceStatusRunning},
		"OWNER:Ada Status:Running":      {Owner: "ada", Status: codersdk.WorkspaceStatusRunning},
		"template:go-dev outdated:true": {Template: "go-dev", Outdated: ptr(true)},
		"outdated:false":                {Outdated: ptr(false)},
		"healthy:false":                 {Healthy: ptr(false)},
		"has-agent:connected":           {HasAgent: codersdk.WorkspaceAgentConnected},
		"dormant:true":                  {Dormant: true},
		"dormant:false":                 {},
		"organization:platform":         {Organization: "platform"},
		"id:" + id.String():             {IDs: []uuid.UUID{id}},
		"id:" + id.String() + "," + strings.ToUpper(id.String()): {IDs: []uuid.UUID{id, id}},
		`last_used_before:"2026-01-31T12:00:00Z"`:                {UsedBefore: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
		`last_used_after:"2026-01-31T12:00:00+01:00"`:            {UsedAfter: time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC)},
		"deleting_by:2026-01-31":                                 {DeletingBy: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		"dormant_at:2026-01-31":                                  {DormantSince: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		"param:cpu":                                              {Parameters: []query.Pair{{Name: "cpu"}}},
		`param:"CPU=4" param:size`:                               {Parameters: []query.Pair{{Name: "cpu", Value: ptr("4")}, {Name: "size"}}},
		`param:cpu=`:                                             {Parameters: []query.Pair{{Name: "cpu", Value: ptr("")}}},
		`param:note="a b"`:                                       {Parameters: []query.Pair{{Name: "note", Value: ptr("a b")}}},
		`param:"repo=https://git.example/a?b=c"`:                 {Parameters: []query.Pair{{Name: "repo", Value: ptr("https://git.example/a?b=c")}}},
		"\towner:ada\n name:api ":                                {Owner: "ada", Name: "api"},
	} {
		got, err := query.ParseWorkspaces(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseWorkspacesRefuses(t *testing.T) {
	for text, want := range map[string][]fault.Field{
		"a:b:c":              {{Path: "q", Detail: `Query element "a:b:c" can only contain 1 ':'`}},
		":x":                 {{Path: "q", Detail: `Query element ":x" cannot start or end with ':'`}},
		"owner:":             {{Path: "q", Detail: `Query element "owner:" cannot start or end with ':'`}},
		"owner:a owner:b":    {{Path: "owner", Detail: `Query param "owner" provided more than once, found 2 times`}},
		"api web":            {{Path: "name", Detail: `Query param "name" provided more than once, found 2 times`}},
		"foo:bar":            {{Path: "foo", Detail: `Query param "foo" is not a valid query param`}},
		"a/b/c":              {{Path: "q", Detail: `Query element "a/b/c" can only contain 1 '/'`}},
		"status:asleep":      {{Path: "status", Detail: `Query param "status" has invalid values: "asleep" is none of pending, starting, running, stopping, stopped, failed, canceling, canceled, deleting, deleted`}},
		"outdated:perhaps":   {{Path: "outdated", Detail: `Query param "outdated" must be a valid boolean: true or false`}},
		"id:7":               {{Path: "id", Detail: `Query param "id" must be a comma-separated list of UUIDs; "7" is none`}},
		"deleting_by:monday": {{Path: "deleting_by", Detail: `Query param "deleting_by" must be a date, such as 2026-01-31`}},
		`param:"=4"`:         {{Path: "param", Detail: `Query param "param" must be a name, or a name and a value: param:cpu, param:"cpu=4"`}},
		"zoo:1 foo:bar dormant:x": {
			{Path: "dormant", Detail: `Query param "dormant" must be a valid boolean: true or false`},
			{Path: "foo", Detail: `Query param "foo" is not a valid query param`},
			{Path: "zoo", Detail: `Query param "zoo" is not a valid query param`},
		},
		strings.Repeat("x", 5000): {{Path: "q", Detail: "is longer than 4096 bytes"}},
	} {
		_, err := query.ParseWorkspaces(text)
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid {
			t.Errorf("%.40q: %v, want a fault", text, err)
			continue
		}
		if diff := cmp.Diff(want, f.Fields); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", text, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	id := uuid.New()
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	w := codersdk.Workspace{
		ID: id, OwnerName: "Ada", Name: "My-Api", TemplateName: "go-dev", OrganizationName: "platform", Outdated: true,
		LastUsedAt: at("2026-01-15"),
		DormantAt:  codersdk.NullTime{Time: at("2026-01-20")},
		DeletingAt: codersdk.NullTime{Time: at("2026-02-01").Add(time.Hour)},
		LatestBuild: codersdk.WorkspaceBuild{
			Status:    codersdk.WorkspaceStatusRunning,
			Resources: []codersdk.WorkspaceResource{{}, {Agents: []codersdk.WorkspaceAgent{{Status: codersdk.WorkspaceAgentConnected}}}},
		},
	}
	parameters := func() []codersdk.WorkspaceBuildParameter {
		return []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: "4"}, {Name: "region", Value: "Zurich West"}}
	}
	for text, want := range map[string]bool{
		"":                       true,
		"api":                    true,
		"MY":                     true,
		"web":                    false,
		"ada/api":                true,
		"owner:me":               true,
		"owner:ad":               false,
		"grace/api":              false,
		"template:GO-DEV":        true,
		"template:go":            false,
		"status:running":         true,
		"status:stopped":         false,
		"outdated:true":          true,
		"outdated:false":         false,
		"healthy:false":          true,
		"healthy:true":           false,
		"has-agent:connected":    true,
		"has-agent:timeout":      false,
		"dormant:true":           true,
		"dormant:false":          true,
		"dormant_at:2026-01-21":  true,
		"dormant_at:2026-01-19":  false,
		"deleting_by:2026-02-01": true,
		"deleting_by:2026-01-31": false,
		"organization:platform":  true,
		"organization:other":     false,
		"id:" + id.String():      true,
		"id:" + uuid.NewString(): false,
		"param:cpu":              true,
		"param:CPU param:region": true,
		"param:cpu param:gpu":    false,
		"param:4":                false,
		"param:cp":               false,
		`param:"cpu=4"`:          true,
		`param:"cpu=40"`:         false,
		"param:cpu=":             false,
		`param:"region=zurich west" param:"cpu=4"`: true,
		`param:"cpu=4" param:"cpu=5"`:              false,
		`param:"region=4"`:                         false,
		"param:cpu name:web":                       false,
		`last_used_before:"2026-01-16T00:00:00Z"`:  true,
		`last_used_before:"2026-01-15T00:00:00Z"`:  false,
		`last_used_after:"2026-01-14T00:00:00Z"`:   true,
		`last_used_after:"2026-01-15T00:00:00Z"`:   false,
	} {
		q, err := query.ParseWorkspaces(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := q.Match(w, "ADA", parameters); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	none := func() []codersdk.WorkspaceBuildParameter {
		t.Error("parameters are looked at for a search that asks for none")
		return nil
	}
	never := codersdk.Workspace{}
	for _, text := range []string{"dormant:true", "dormant_at:2026-01-21", "deleting_by:2026-02-01"} {
		if q, err := query.ParseWorkspaces(text); err != nil || q.Match(never, "ada", none) {
			t.Errorf("%q finds what is awake, or %v", text, err)
		}
	}
}

// FuzzWorkspaces: a query is read or refused with a field, and never crashes; what is read matches or does not.
func FuzzWorkspaces(f *testing.F) {
	for _, text := range []string{`owner:me "a b":c`, `"`, `"":"`, ":::", "id:,,,", `last_used_after:"x`, "a/b/c", "ſ:K", "\x00:\xff", `param:"cpu=4" param:a=b=c param:=`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.ParseWorkspaces(text)
		if err == nil {
			q.Match(codersdk.Workspace{OwnerName: "ada"}, "ada", func() []codersdk.WorkspaceBuildParameter { return nil })
			return
		}
		fields, ok := fault.As(err)
		if !ok || fields.Kind != fault.Invalid || len(fields.Fields) == 0 {
			t.Fatalf("%q: %v names no field", text, err)
		}
	})
}
