// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
	"github.com/berth-dev/berth/internal/testing/idp"
)

// octocat is a GitHub of an enterprise, which speaks as the documentation of GitHub's REST API and OAuth apps says.
type octocat struct {
	url string

	mu sync.Mutex
	// answers are bodies by path; a path that is not there answers 404, as GitHub does for what is not shown.
	answers map[string]any
	broken  bool
}

func newOctocat(t *testing.T) *octocat {
	o := &octocat{answers: map[string]any{
		"/api/v3/user": idp.Claims{"login": "octo-cat", "id": 583231, "name": "Octo Cat", "avatar_url": "https://avatars.example/583231", "type": "User"},
		"/api/v3/user/emails": []idp.Claims{
			{"email": "old@example.org", "verified": true, "primary": false},
			{"email": "octo@example.org", "verified": true, "primary": true, "visibility": "private"},
		},
		"/api/v3/user/memberships/orgs":                        []idp.Claims{{"state": "active", "role": "member", "organization": idp.Claims{"login": "Acme"}}, {"state": "pending", "organization": idp.Claims{"login": "wanted"}}},
		"/api/v3/orgs/acme/teams/backend/memberships/octo-cat": idp.Claims{"state": "active", "role": "member"},
		"/api/v3/orgs/acme/teams/invited/memberships/octo-cat": idp.Claims{"state": "pending", "role": "member"},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"good"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		body := idp.Claims{"access_token": "gho_1", "scope": "read:org,read:user,user:email", "token_type": "bearer"}
		switch {
		case r.PostFormValue("client_id") != "app" || r.PostFormValue("client_secret") != "app's secret":
			body = idp.Claims{"error": "incorrect_client_credentials", "error_description": "…"} // with status 200, as documented
		case r.PostFormValue("code") != "good" || r.PostFormValue("code_verifier") == "":
			body = idp.Claims{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	})
	mux.HandleFunc("GET /api/v3/", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		body, ok := o.answers[r.URL.Path]
		switch {
		case o.broken:
			http.Error(w, "unicorn", http.StatusBadGateway)
		case r.Header.Get("Authorization") != "Bearer gho_1" || r.Header.Get("User-Agent") == "":
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		case !ok:
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
		default:
			_ = json.NewEncoder(w).Encode(body)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func (o *octocat) sayInstead(path string, body any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[path] = body
}

func gitHub(t *testing.T, o *octocat, change func(*signin.GitHubConfig)) *signin.GitHub {
	t.Helper()
	c := signin.GitHubConfig{BaseURL: o.url + "/", ClientID: "app", Secret: secret("app's secret")}
	change(&c)
	g, err := signin.NewGitHub(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGitHubSaysWhoItIs(t *testing.T) {
	o := newOctocat(t)
	g, f := gitHub(t, o, func(c *signin.GitHubConfig) { c.AllowEveryone = true }), newFlow()
	grant, err := g.Finish(t.Context(), f, code(t, g, f))
	if err != nil {
		t.Fatal(err)
	}
	want := signin.Person{Email: "octo@example.org", EmailVerified: true, Username: "octo-cat", Name: "Octo Cat", AvatarURL: "https://avatars.example/583231"}
	want.Identity.Issuer, want.Identity.Subject = o.url, "583231"
	if diff := cmp.Diff(signin.Grant{Person: want}, grant); diff != "" {
		t.Error(diff)
	}
	o.sayInstead("/api/v3/user/emails", []idp.Claims{{"email": "octo@example.org", "verified": false, "primary": true}, {"email": "boss@example.org", "verified": true}})
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
			g := gitHub(t, newOctocat(t), func(config *signin.GitHubConfig) { config.AllowedOrgs, config.AllowedTeams = c.orgs, c.teams })
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
	o := newOctocat(t)
	everyone := func(c *signin.GitHubConfig) { c.AllowEveryone = true }
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "spent"); !fault.Is(err, fault.Unauthenticated) || !errors.Is(err, signin.ErrEnded) {
		t.Errorf("a code that is spent: %v", err)
	}
	_, err := gitHub(t, o, func(c *signin.GitHubConfig) { c.AllowEveryone, c.Secret = true, secret("wrong") }).Finish(t.Context(), newFlow(), "good")
	if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong secret of ours: %v", err)
	}
	o.sayInstead("/api/v3/user", idp.Claims{"message": "strange"})
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "good"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	o.broken = true
	if _, err := gitHub(t, o, everyone).Finish(t.Context(), newFlow(), "good"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("broken: %v", err)
	}
}
