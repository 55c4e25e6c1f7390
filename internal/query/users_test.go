// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

func TestUsers(t *testing.T) {
	u := &codersdk.User{
		Username: "Ada", Email: "countess@Example.org", Name: "Ada Lovelace", Status: codersdk.UserStatusDormant,
		LoginType: codersdk.LoginTypePassword, Roles: []codersdk.Role{{Name: "template-admin"}},
		LastSeenAt: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), CreatedAt: time.Date(2025, 1, 15, 0, 0, 0, 0, time.UTC),
	}
	for text, want := range map[string]bool{
		"":                              true,
		"AD":                            true,
		"countess@example":              true,
		"ada lovelace":                  true,
		"lovelace ada":                  false,
		`search:"ada love"`:             true,
		"grace":                         false,
		"status:dormant":                true,
		"status:active":                 false,
		"status:active,dormant":         true,
		"role:template-admin":           true,
		"role:owner":                    false,
		"role:owner,member":             true,
		"login_type:password":           true,
		"login_type:none":               false,
		"ada status:dormant role:owner": false,
		`last_seen_before:"2026-01-16T00:00:00Z"`: true,
		`last_seen_before:"2026-01-15T00:00:00Z"`: false,
		`last_seen_after:"2026-01-14T00:00:00Z"`:  true,
		`last_seen_after:"2026-01-15T00:00:00Z"`:  false,
		`created_before:"2025-01-16T00:00:00Z"`:   true,
		`created_after:"2025-01-16T00:00:00Z"`:    false,
	} {
		q, err := query.ParseUsers(text, "owner", "template-admin")
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := q.Match(u); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestUsersRefused(t *testing.T) {
	for text, want := range map[string][]fault.Field{
		"foo:bar":          {{Path: "foo", Detail: `Query param "foo" is not a valid query param`}},
		"ada search:grace": {{Path: "search", Detail: `Query param "search" provided more than once, found 2 times`}},
		"status:asleep zoo:1": {
			{Path: "status", Detail: `Query param "status" has invalid values: "asleep" is none of active, dormant, suspended`},
			{Path: "zoo", Detail: `Query param "zoo" is not a valid query param`},
		},
		"role:king": {{Path: "role", Detail: `Query param "role" has invalid values: "king" is none of owner, member`}},
		"last_seen_before:yesterday": {{Path: "last_seen_before",
			Detail: `Query param "last_seen_before" must be an RFC 3339 time, such as 2026-01-31T12:00:00Z; quote it, as it holds colons`}},
	} {
		_, err := query.ParseUsers(text, "owner")
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid {
			t.Errorf("%q: %v, want a fault", text, err)
			continue
		}
		if diff := cmp.Diff(want, f.Fields); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// FuzzUsers: a query is read or refused with a field, and never crashes; what is read matches or does not.
func FuzzUsers(f *testing.F) {
	for _, text := range []string{`status:active "a b":c`, `"`, ":::", "role:,,,", `last_seen_after:"x`, "\x00:\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.ParseUsers(text)
		if err == nil {
			q.Match(&codersdk.User{Username: "ada"})
			return
		}
		if fields, ok := fault.As(err); !ok || fields.Kind != fault.Invalid || len(fields.Fields) == 0 {
			t.Fatalf("%q: %v names no field", text, err)
		}
	})
}
