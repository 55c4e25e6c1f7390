// SPDX-License-Identifier: Apache-2.0

package podtoken_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/berth-dev/berth/internal/podtoken"
)

const issuer = "https://kubernetes.default.svc"

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// made are keys that take long to make.
var made = sync.OnceValue(func() (all struct{ rsa, other *rsa.PrivateKey }) {
	all.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	all.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	return all
})

// signer is a key of a cluster and its name.
type signer struct {
	kid string
	alg jose.SignatureAlgorithm
	key any
}

// authority is a cluster's word on tokens: its issuer, its keys, and what it answers when it is asked about one.
type authority struct {
	mu            sync.Mutex
	now           time.Time
	issuer        string
	keys          []jose.JSONWebKey
	unreadable    error
	review        func(token string) (authenticationv1.TokenReviewStatus, error)
	reads, asked  int
	wantsAudience string
}

func (a *authority) Get(_ context.Context, path string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	if a.unreadable != nil {
		return nil, a.unreadable
	}
	switch path {
	case "/.well-known/openid-configuration":
		return json.Marshal(map[string]string{"issuer": a.issuer, "jwks_uri": "https://unreachable.invalid/openid/v1/jwks"})
	case "/openid/v1/jwks":
		return json.Marshal(jose.JSONWebKeySet{Keys: a.keys})
	}
	return nil, errors.New("no such path: " + path)
}

func (a *authority) Review(_ context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	a.asked++
	a.wantsAudience = audience
	if a.review == nil {
		return authenticationv1.TokenReviewStatus{}, nil
	}
	return a.review(token)
}

func (a *authority) clock() time.Time { return a.now }

func newAuthority(signers ...signer) (*authority, *podtoken.Verifier) {
	a := &authority{now: start, issuer: issuer}
	for _, s := range signers {
		a.add(s)
	}
	return a, podtoken.New(a, "berth", a.clock)
}

func (a *authority) add(s signer) {
	k := jose.JSONWebKey{Key: s.key, KeyID: s.kid, Algorithm: string(s.alg), Use: "sig"}
	a.keys = append(a.keys, k.Public())
}

// claims are those of a good token, changed.
func claims(change ...func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:acme:berth-workspace", "aud": []string{"berth"},
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(time.Hour).Unix(), "jti": "1",
		"kubernetes.io": map[string]any{
			"namespace": "acme", "pod": map[string]any{"name": "slot", "uid": "uid-1"}, "serviceaccount": map[string]any{"name": "berth-workspace", "uid": "sa"},
		},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func set(key string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if value == nil {
			delete(c, key)
			return
		}
		c[key] = value
	}
}

// sign makes a token, with more headers.
func (s signer) sign(t testing.TB, claims map[string]any, headers map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("typ", "JWT")
	if s.kid != "" {
		options.WithHeader("kid", s.kid)
	}
	for name, value := range headers {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := by.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ours() signer { return signer{"k1", jose.RS256, made().rsa} }
