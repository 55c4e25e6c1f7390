// SPDX-License-Identifier: Apache-2.0

package idp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// GitHub is one of an enterprise, in which octo-cat is signed in. It speaks as the documentation of GitHub's REST API and OAuth apps says.
type GitHub struct {
	// URL is its base.
	URL string

	mu sync.Mutex
	// answers are bodies by path; a path that is not there answers 404, as GitHub does for what is not shown.
	answers map[string]any
	broken  bool
}

// NewGitHub is one until the test ends.
func NewGitHub(t testing.TB) *GitHub {
	t.Helper()
	o := &GitHub{answers: map[string]any{
		"/api/v3/user": Claims{"login": "octo-cat", "id": 583231, "name": "Octo Cat", "avatar_url": "https://avatars.example/583231", "type": "User"},
		"/api/v3/user/emails": []Claims{
			{"email": "old@example.org", "verified": true, "primary": false},
			{"email": "octo@example.org", "verified": true, "primary": true, "visibility": "private"},
		},
		"/api/v3/user/memberships/orgs":                        []Claims{{"state": "active", "role": "member", "organization": Claims{"login": "Acme"}}, {"state": "pending", "organization": Claims{"login": "wanted"}}},
		"/api/v3/orgs/acme/teams/backend/memberships/octo-cat": Claims{"state": "active", "role": "member"},
		"/api/v3/orgs/acme/teams/invited/memberships/octo-cat": Claims{"state": "pending", "role": "member"},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"good"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		body := Claims{"access_token": "gho_1", "scope": "read:org,read:user,user:email", "token_type": "bearer"}
		switch {
		case r.PostFormValue("client_id") != ClientID || r.PostFormValue("client_secret") != ClientSecret:
			body = Claims{"error": "incorrect_client_credentials", "error_description": "…"} // with status 200, as documented
		case r.PostFormValue("code") != "good" || r.PostFormValue("code_verifier") == "":
			body = Claims{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body) // a client that left misses nothing
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
	o.URL = server.URL
	return o
}

// Say answers a path of the API so from now on.
func (o *GitHub) Say(path string, body any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[path] = body
}

// Break makes the API answer nothing useful from now on.
func (o *GitHub) Break() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = true
}
