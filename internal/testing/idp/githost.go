// SPDX-License-Identifier: Apache-2.0

package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// GitHost is a git host of an enterprise, in which octo-cat is signed in. Its paths and answers are those that GitHub
// documents for apps whose tokens expire; as RFC 6749 has it, it takes each code and each refresh token once, and when one
// comes again it ends all that was given, since somebody must have stolen it.
type GitHost struct {
	// URL is its base.
	URL string

	mu        sync.Mutex
	say       GitHostAnswer
	number    int
	codes     map[string]request
	devices   map[string]bool // by device code: whether the person has given the user code
	access    map[string]bool
	refresh   string
	spent     map[string]bool
	refreshes int
	reused    int
	revoked   []string
	waiting   chan struct{} // not nil: refreshes wait for it
}

// GitHostAnswer is what the host says from now on.
type GitHostAnswer struct {
	// Lifetime is that of an access token, in seconds; zero gives tokens that do not end, and no refresh tokens.
	Lifetime int
	// Status answers every request to the API, and to the token endpoint, with this status where it is not zero.
	Status int
	// Standard says that what is refused is answered as RFC 6749 has it, and not with status 200 as GitHub does.
	Standard bool
}

// NewGitHost is one until the test ends.
func NewGitHost(t testing.TB) *GitHost {
	t.Helper()
	g := &GitHost{codes: map[string]request{}, devices: map[string]bool{}, access: map[string]bool{}, spent: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", g.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", g.token)
	mux.HandleFunc("POST /login/device/code", g.device)
	mux.HandleFunc("GET /api/v3/user", g.api(func() any {
		return Claims{"login": "octo-cat", "id": 583231, "name": "Octo Cat", "avatar_url": "https://avatars.example/583231", "html_url": "https://git.example/octo-cat"}
	}))
	mux.HandleFunc("GET /api/v3/user/installations", g.api(func() any {
		return Claims{"total_count": 1, "installations": []Claims{{"id": 7, "html_url": "https://git.example/settings/installations/7",
			"account": Claims{"login": "acme", "html_url": "https://git.example/acme", "avatar_url": "javascript:alert(1)"}}}}
	}))
	mux.HandleFunc("DELETE /api/v3/applications/{client}/token", g.revoke)
	mux.HandleFunc("POST /revoke", g.revoke)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// Say sets what the host says from now on.
func (g *GitHost) Say(a GitHostAnswer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.say = a
}

// Hold lets refreshes wait, after they have taken effect, until the function that it gives is called.
func (g *GitHost) Hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gate := make(chan struct{})
	g.waiting = gate
	return sync.OnceFunc(func() { close(gate) })
}

// Refreshed is how often a refresh token was taken, and Reused how often one came that was spent.
func (g *GitHost) Refreshed() (refreshed, reused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refreshes, g.reused
}

// Revoked are the tokens that it was told are not needed any more.
func (g *GitHost) Revoked() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string{}, g.revoked...)
}

// Forget ends every token, as when the person takes the app's access away.
func (g *GitHost) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.access)
	g.refresh = ""
}

// Enter is the person's giving of a device's user code.
func (g *GitHost) Enter(userCode string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.devices["device-"+strings.TrimPrefix(userCode, "USER-")] = true
}

func (g *GitHost) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
		http.Error(w, "not a request for a code with PKCE and a state", http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.number++
	code := "code-" + strconv.Itoa(g.number)
	g.codes[code] = request{challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (g *GitHost) token(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	status, body, gate := g.grant(r)
	g.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
	}
	write(w, status, body)
}

// grant is the answer to a request for tokens.
func (g *GitHost) grant(r *http.Request) (int, Claims, chan struct{}) {
	refuse := func(code string) (int, Claims, chan struct{}) {
		if g.say.Standard {
			return http.StatusBadRequest, Claims{"error": code}, nil
		}
		return http.StatusOK, Claims{"error": code, "error_description": "…"}, nil
	}
	if g.say.Status != 0 {
		return g.say.Status, Claims{}, nil
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	device := r.PostFormValue("grant_type") == "urn:ietf:params:oauth:grant-type:device_code"
	if id != ClientID || secret != ClientSecret && (!device || secret != "") {
		return refuse("incorrect_client_credentials")
	}
	var gate chan struct{}
	switch {
	case device:
		entered, known := g.devices[r.PostFormValue("device_code")]
		if !known {
			return refuse("incorrect_device_code")
		}
		if !entered {
			return refuse("authorization_pending")
		}
		delete(g.devices, r.PostFormValue("device_code"))
	case r.PostFormValue("grant_type") == "refresh_token":
		given := r.PostFormValue("refresh_token")
		if g.spent[given] {
			g.reused++
			clear(g.access)
			g.refresh = ""
		}
		if given == "" || given != g.refresh {
			return refuse("bad_refresh_token")
		}
		g.refreshes++
		g.spent[given] = true
		clear(g.access) // the access token goes with the refresh token that it came with
		gate = g.waiting
	default:
		code := r.PostFormValue("code")
		was, ok := g.codes[code]
		delete(g.codes, code)
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != was.challenge || r.PostFormValue("redirect_uri") != was.redirect {
			return refuse("bad_verification_code")
		}
	}
	g.number++
	access := "ghu_canary-access-" + strconv.Itoa(g.number)
	g.access[access] = true
	body := Claims{"access_token": access, "token_type": "bearer", "scope": "", "instance": Claims{"region": "eu"}}
	if g.say.Lifetime != 0 {
		g.refresh = "ghr_canary-refresh-" + strconv.Itoa(g.number)
		body["refresh_token"], body["expires_in"] = g.refresh, g.say.Lifetime
	}
	return http.StatusOK, body, gate
}

func (g *GitHost) device(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.PostFormValue("client_id") != ClientID {
		write(w, http.StatusNotFound, Claims{"error": "Not Found"})
		return
	}
	g.number++
	n := strconv.Itoa(g.number)
	g.devices["device-"+n] = false
	write(w, http.StatusOK, Claims{"device_code": "device-" + n, "user_code": "USER-" + n, "verification_uri": "https://git.example/login/device", "expires_in": 900, "interval": 5})
}

// api answers who shows a token.
func (g *GitHost) api(body func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case g.say.Status != 0:
			http.Error(w, "unicorn", g.say.Status)
		case !ok || !g.access[token] || r.Header.Get("User-Agent") == "":
			write(w, http.StatusUnauthorized, Claims{"message": "Bad credentials"})
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body()) // a client that left misses nothing
		}
	}
}

func (g *GitHost) revoke(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if unescape(id) != ClientID || secret != ClientSecret && unescape(secret) != ClientSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := r.PostFormValue("token")
	if r.Method == http.MethodDelete {
		var body struct {
			AccessToken string `json:"access_token"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body) // an empty token is refused below
		token = body.AccessToken
	}
	if token == "" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	g.revoked = append(g.revoked, token)
	delete(g.access, token)
	w.WriteHeader(http.StatusNoContent)
}
