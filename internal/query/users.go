// SPDX-License-Identifier: Apache-2.0

package query

import (
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
)

// Users is what a search for users asks for. Empty fields ask for nothing. All texts are in lower case.
type Users struct {
	// Search is part of the username, the e-mail address or the name.
	Search string
	// Statuses are those of which one is wanted; so are Roles, over the deployment, and LoginTypes.
	Statuses   []codersdk.UserStatus
	Roles      []string
	LoginTypes []codersdk.LoginType
	// SeenBefore and SeenAfter bound when the person was last there, CreatedBefore and CreatedAfter the account's beginning.
	SeenBefore, SeenAfter       time.Time
	CreatedBefore, CreatedAfter time.Time
}

// memberRole is the role that everybody has, and that stands nowhere.
const memberRole = "member"

// ParseUsers reads a search; roles are the names that may be asked for. Bare words are one text to search for. The fault
// names every term that is wrong.
func ParseUsers(text string, roles ...string) (Users, error) {
	var words []string
	t := split(text, func(word string, _ func(key, value string)) string {
		words = append(words, strings.Trim(word, `"`))
		return ""
	})
	if len(words) > 0 {
		t.values["search"] = append(t.values["search"], strings.Join(words, " "))
	}
	const rfc3339 = "an RFC 3339 time, such as 2026-01-31T12:00:00Z; quote it, as it holds colons"
	instant := func(key string) time.Time { return t.instant(key, time.RFC3339Nano, rfc3339) }
	u := Users{
		Search: t.one("search"),
		Statuses: choices[codersdk.UserStatus](t, "status",
			string(codersdk.UserStatusActive), string(codersdk.UserStatusDormant), string(codersdk.UserStatusSuspended)),
		Roles: choices[string](t, "role", append(slices.Clone(roles), memberRole)...),
		LoginTypes: choices[codersdk.LoginType](t, "login_type", string(codersdk.LoginTypePassword), string(codersdk.LoginTypeGithub),
			string(codersdk.LoginTypeOIDC), string(codersdk.LoginTypeNone)),
		SeenBefore: instant("last_seen_before"), SeenAfter: instant("last_seen_after"),
		CreatedBefore: instant("created_before"), CreatedAfter: instant("created_after"),
	}
	return u, t.err()
}

// choices are the values of a key that is a list of some.
func choices[T ~string](t *terms, key string, of ...string) []T {
	var found []T
	for _, item := range t.list(key) {
		if !slices.Contains(of, item) {
			t.refuse(key, "Query param %q has invalid values: %q is none of %s", key, item, strings.Join(of, ", "))
			continue
		}
		found = append(found, T(item))
	}
	return found
}

// Match tells whether an account, as it is on the wire, is asked for.
func (q Users) Match(u *codersdk.User) bool {
	holds := func(text string) bool { return strings.Contains(strings.ToLower(text), q.Search) }
	switch {
	case q.Search != "" && !holds(u.Username) && !holds(u.Email) && !holds(u.Name):
	case len(q.Statuses) > 0 && !slices.Contains(q.Statuses, u.Status):
	case len(q.LoginTypes) > 0 && !slices.Contains(q.LoginTypes, u.LoginType):
	case len(q.Roles) > 0 && !slices.ContainsFunc(q.Roles, func(role string) bool { return hasRole(u, role) }):
	case !q.SeenBefore.IsZero() && !u.LastSeenAt.Before(q.SeenBefore):
	case !q.SeenAfter.IsZero() && !u.LastSeenAt.After(q.SeenAfter):
	case !q.CreatedBefore.IsZero() && !u.CreatedAt.Before(q.CreatedBefore):
	case !q.CreatedAfter.IsZero() && !u.CreatedAt.After(q.CreatedAfter):
	default:
		return true
	}
	return false
}

func hasRole(u *codersdk.User, name string) bool {
	return name == memberRole || slices.ContainsFunc(u.Roles, func(r codersdk.Role) bool { return r.Name == name })
}
