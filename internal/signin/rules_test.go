// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
)

func TestAdvisory_V1_TheWholeDomainCounts(t *testing.T) {
	rules := &signin.Rules{EmailDomains: []string{"example.org", "Corp.Example"}}
	for email, want := range map[string]bool{
		"ada@example.org": true, "ADA@EXAMPLE.ORG": true, "ada@corp.example": true, "a.d-a+x@example.org": true,
		"ada@evil-example.org": false, "ada@evilexample.org": false, "ada@sub.example.org": false, "ada@example.org.evil": false,
		"ada@evil.test@example.org": false, "ada@example.org@evil.test": false, `"ada@evil.test"@example.org`: false,
		"ada@example.org.": false, "ada@.example.org": false, "ada@": false, "@example.org": false, "ada": false, "": false,
		"ada@exаmple.org": false /* Cyrillic а */, "ada@corp.examp\u212Ae": false, "\u212Aate@example.org": false, "ada@xn--exmple-4nf.org": false,
		" ada@example.org": false, "ada@example.org ": false, "ada@example.org\n": false, "ada@example.org\x00": false, "ada@example.org,eve@evil.test": false,
	} {
		_, err := rules.Admit(signin.Person{Email: email, EmailVerified: true})
		if let := err == nil; let != want {
			t.Errorf("%q is let in: %v, want %v (%v)", email, let, want, err)
		}
	}
	for _, email := range []string{"ada@anywhere.test", "ada@example.org"} {
		if _, err := (&signin.Rules{EmailDomains: []string{signin.AnyDomain}}).Admit(signin.Person{Email: email, EmailVerified: true}); err != nil {
			t.Errorf("%q: %v", email, err)
		}
	}
}

func TestGroupsAndRoles(t *testing.T) {
	rules := signin.Rules{
		SyncGroups: true, GroupMapping: map[string]string{"/staff/dev": "backend", "/staff/ops": "data/ops", "gone": ""},
		GroupFilter: regexp.MustCompile(`^(backend|data/.*|plain)$`),
		SyncRoles:   true, RoleMapping: map[string][]v1alpha1.SiteRole{"platform": {v1alpha1.SiteRoleTemplateAdmin, v1alpha1.SiteRoleAuditor}, "watch": {v1alpha1.SiteRoleAuditor}},
	}
	p := signin.Person{Email: "ada@example.org", EmailVerified: true,
		Groups: []string{"/staff/dev", "/staff/ops", "gone", "plain", "other", "owner"}, Roles: []string{"platform", "watch", "owner", "Owner"}}
	a, err := rules.Admit(p)
	if err != nil {
		t.Fatal(err)
	}
	wantGroups := []signin.Group{{Raw: "/staff/dev", Name: "backend", Mapped: true}, {Raw: "/staff/ops", Name: "data/ops", Mapped: true}, {Raw: "plain", Name: "plain"}}
	if diff := cmp.Diff(wantGroups, a.Groups); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]v1alpha1.SiteRole{v1alpha1.SiteRoleAuditor, v1alpha1.SiteRoleTemplateAdmin}, a.Roles); diff != "" {
		t.Error("V 32: a role that no mapping names gives nothing: " + diff)
	}
	for group, want := range map[string]bool{"backend": true, "plain": true, "/staff/dev": false, "Backend": false, "back": false, "other": true} {
		rules.AllowedGroups = []string{group}
		if _, err := rules.Admit(p); (err == nil) != want || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("where %q is allowed: %v", group, err)
		}
	}
	rules.AllowedGroups = []string{"backend"}
	if _, err := rules.Admit(signin.Person{Email: "ada@example.org", EmailVerified: true}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("who is in no group: %v", err)
	}
}

func TestUsername(t *testing.T) {
	for wish, want := range map[string]string{
		"ada": "ada", "Ada.Lovelace": "Ada-Lovelace", "ada@example.org": "ada", "ada--x__y": "ada-x-y", "-ada-": "ada", "": "user", "@": "user",
		"älter": "lter", "日本": "user", "../../etc": "etc", "a b\tc": "a-b-c", "0123456789012345678901234567890-x": "0123456789012345678901234567890",
	} {
		if have := signin.Username(wish, 32); have != want {
			t.Errorf("%q becomes %q, want %q", wish, have, want)
		}
	}
}
