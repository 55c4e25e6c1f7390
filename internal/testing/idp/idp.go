// SPDX-License-Identifier: Apache-2.0

// Package idp has identity providers for tests: GitHub as it documents itself, and an OpenID Connect provider that says whatever a test wants, as hostile ones do too. It signs in
// the one person it is told of, without asking, and is strict about what a client must send: its secret, PKCE and the refresh
// token that was given last.
package idp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What a client has to be.
const (
	ClientID     = "berth"
	ClientSecret = "the client's secret, of 32 bytes or more"
	keyID        = "key-1"
)

// Claims are what a token says.
type Claims = map[string]any

// Provider is one that listens on loopback.
type Provider struct {
	// URL is the issuer.
	URL string
	// Key signs, and is published.
	Key *rsa.PrivateKey

	mu        sync.Mutex
	answer    Answer
	codes     map[string]request
	refresh   string
	refreshed int
	number    int
}

// Answer is what the provider says next.
type Answer struct {
	// Claims go over those that every ID token has; a nil value takes one away.
	Claims Claims
	// UserInfo is what the user info endpoint says; nil means that there is none.
	UserInfo Claims
	// Lifetime is the ID token's; zero means an hour.
	Lifetime time.Duration
	// Refresh says that refresh tokens are given.
	Refresh bool
	// RefreshError refuses to refresh, with that code of OAuth; "unavailable" answers status 503.
	RefreshError string
	// Sign makes the ID token of its claims; nil signs with the provider's key.
	Sign func(Claims) string
	// Now is the time that tokens are made at; nil means time.Now.
	Now func() time.Time
}

type request struct{ nonce, challenge, redirect string }

// New is a provider until the test ends.
func New(t testing.TB) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{Key: key, codes: map[string]request{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /userinfo", p.userInfo)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Say sets what the provider says from now on.
func (p *Provider) Say(a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = a
}

// Refreshed is how often the provider was asked to refresh.
func (p *Provider) Refreshed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshed
}

// Sign signs claims as a JWT by an algorithm with a key.
func Sign(algorithm jose.SignatureAlgorithm, key any, id string, c Claims) string {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		panic(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(data)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	about := Claims{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}, "userinfo_endpoint": p.URL + "/userinfo",
	}
	if p.answer.UserInfo == nil {
		delete(about, "userinfo_endpoint")
	}
	write(w, http.StatusOK, about)
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		http.Error(w, "not a request for a code with PKCE and a nonce", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.number++
	code := "code-" + strconv.Itoa(p.number)
	p.codes[code] = request{nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || secret != ClientSecret {
		write(w, http.StatusUnauthorized, Claims{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	nonce := ""
	if r.PostFormValue("grant_type") == "refresh_token" {
		p.refreshed++
		switch {
		case p.answer.RefreshError == "unavailable":
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		case p.answer.RefreshError != "":
			write(w, http.StatusBadRequest, Claims{"error": p.answer.RefreshError})
			return
		case p.refresh == "" || r.PostFormValue("refresh_token") != p.refresh:
			write(w, http.StatusBadRequest, Claims{"error": "invalid_grant"})
			return
		}
	} else {
		code := r.PostFormValue("code")
		was, ok := p.codes[code]
		delete(p.codes, code)
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != was.challenge || r.PostFormValue("redirect_uri") != was.redirect {
			write(w, http.StatusBadRequest, Claims{"error": "invalid_grant"})
			return
		}
		nonce = was.nonce
	}
	body := Claims{"access_token": "access", "token_type": "Bearer", "id_token": p.idToken(nonce), "expires_in": 300}
	if p.answer.Refresh {
		p.number++
		p.refresh = "refresh-" + strconv.Itoa(p.number)
		body["refresh_token"] = p.refresh
	}
	write(w, http.StatusOK, body)
}

func (p *Provider) idToken(nonce string) string {
	now, lifetime := time.Now, p.answer.Lifetime
	if p.answer.Now != nil {
		now = p.answer.Now
	}
	if lifetime == 0 {
		lifetime = time.Hour
	}
	c := Claims{"iss": p.URL, "aud": ClientID, "sub": "somebody", "iat": now().Unix(), "exp": now().Add(lifetime).Unix(), "nonce": nonce}
	maps.Copy(c, p.answer.Claims)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
	if p.answer.Sign != nil {
		return p.answer.Sign(c)
	}
	return Sign(jose.RS256, p.Key, keyID, c)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.Key.Public(), KeyID: keyID, Algorithm: "RS256", Use: "sig"}}})
}

func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer access" {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	write(w, http.StatusOK, p.answer.UserInfo)
}

func unescape(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return ""
	}
	return plain
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left misses nothing
}
