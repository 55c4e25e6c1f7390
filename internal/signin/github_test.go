// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
	"github.com/berth-dev/berth/internal/testing/idp"
)

func gitHub(t *testing.T, o *idp.GitHub, change func(*signin.GitHubConfig)) *signin.GitHub {
	t.Helper()
	c := signin.GitHubConfig{BaseURL: o.URL + "/", ClientID: idp.ClientID, Secret: secret(idp.ClientSecret)}
	change(&c)
	g, err := signin.NewGitHub(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGitHubSaysWhoItIs(t *testing.T) {
	o := idp.NewGitHub(t)
	g, f := gitHub(t, o, func(c *signin.GitHubConfig) { c.AllowEveryone = true }), newFlow()
	grant, err := g.Finish(t.Context(), f, code(t, g, f))
	if err != nil {
		t.Fatal(err)
	}
	want := signin.Person{Email: "octo@example.org", EmailVerified: true, Username: "octo-cat", Name: "Octo Cat", AvatarURL: "https://avatars.example/583231"}
	want.Identity.Issuer, want.Identity.Subject = o.URL, "583231"
	if diff := cmp.Diff(signin.Grant{Person: want}, grant); diff != "" {
		t.Error(diff)
	}
	o.Say("/api/v3/user/emails", []idp.Claims{{"email": "octo@example.org", "verified": false, "primary": true}, {"email": "boss@example.org", "verified": true}})
	if grant, err := g.Finish(t.Context(), f, "good"); err != nil || grant.Person.Email != "octo@example.org" || grant.Person.EmailVerified {
		t.Errorf("V 2: an address that is not verified comes as %+v, %v", grant.Person, err)
	}
}

func TestGitHubLetsIn(t *testing.T) {
	for name, c := range map[string]struct {
		orgs, teams []string
		want        bool
	}{
		"an organization":              {orgs: []string{"acme"}, want: true},
		"one of several":               {orgs: []string{"other", "ACME"}, want: true},
		"another organization":         {orgs: []string{"acme-inc"}},
		"an invitation":                {orgs: []string{"wanted"}},
		"a team":                       {teams: []string{"acme/backend"}, want: true},
		"an invitation to a team":      {teams: []string{"acme/invited"}},
		"another team":                 {teams: []string{"acme/frontend"}},
		"an organization and its team": {orgs: []string{"acme"}, teams: []string{"acme/frontend", "acme/backend"}, want: true},
		"a team, not the organization": {orgs: []string{"other"}, teams: []string{"acme/backend"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := gitHub(t, idp.NewGitHub(t), func(config *signin.GitHubConfig) { config.AllowedOrgs, config.AllowedTeams = c.orgs, c.teams })
			_, err := g.Finish(t.Context(), newFlow(), "good")
			if (err == nil) != c.want || err != nil && !fault.Is(err, fault.Forbidden) {
				t.Error(err)
			}
		})
	}
}

func TestAdvisory_V32_GitHubLetsInNobodyUnsaid(t *testing.T) {
	for name, c := range map[string]signin.GitHubConfig{
		"nothing":            {ClientID: "app"},
		"everyone and lists": {ClientID: "app", AllowEveryone: true, AllowedOrgs: []string{"acme"}},
		"no client":          {AllowEveryone: true},
		"a team of nobody's": {ClientID: "app", AllowedTeams: []string{"backend"}},
		"http":               {ClientID: "app", AllowEveryone: true, BaseURL: "http://github.example"},
	} {
		if _, err := signin.NewGitHub(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestGitHubRefuses(t *testing.T) {
	o := idp.NewGitHub(t)
	everyone := func(c *signin.GitHubConfig) { c.AllowEveryone = true }
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "spent"); !fault.Is(err, fault.Unauthenticated) || !errors.Is(err, signin.ErrEnded) {
		t.Errorf("a code that is spent: %v", err)
	}
	_, err := gitHub(t, o, func(c *signin.GitHubConfig) { c.AllowEveryone, c.Secret = true, secret("wrong") }).Finish(t.Context(), newFlow(), "good")
	if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong secret of ours: %v", err)
	}
	o.Say("/api/v3/user", idp.Claims{"message": "strange"})
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "good"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	o.Break()
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "good"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("broken: %v", err)
	}
}
