// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
	"github.com/berth-dev/berth/internal/testing/idp"
)

func secret(text string) func() (string, error) { return func() (string, error) { return text, nil } }

// newOIDC is a client of the provider.
func newOIDC(t *testing.T, issuer string, change ...func(*signin.OIDCConfig)) *signin.OIDC {
	t.Helper()
	c := signin.OIDCConfig{
		IssuerURL: issuer, ClientID: idp.ClientID, Secret: secret(idp.ClientSecret), Scopes: []string{"openid", "email"},
		EmailField: "email", UsernameField: "preferred_username", GroupsField: "groups",
	}
	for _, f := range change {
		f(&c)
	}
	o, err := signin.NewOIDC(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func newFlow() signin.Flow {
	return signin.Flow{State: "a state", Nonce: "a nonce", Verifier: strings.Repeat("v", 43), RedirectURL: "https://berth.test/callback"}
}

// code goes where a browser goes, and gives what the provider sends back.
func code(t *testing.T, p signin.Provider, f signin.Flow) string {
	t.Helper()
	to, err := p.Begin(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := browser.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	back, err := url.Parse(response.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != f.State {
		t.Fatalf("the provider leads to %q: %v", response.Header.Get("Location"), err)
	}
	return back.Query().Get("code")
}

func TestOIDCSaysWhoItIs(t *testing.T) {
	p := idp.New(t)
	p.Say(idp.Answer{Refresh: true, Claims: idp.Claims{
		"sub": "ada-1", "email": "ada@example.org", "email_verified": true, "preferred_username": "ada", "name": "Ada", "groups": []string{"dev"},
	}})
	o, f := newOIDC(t, p.URL), newFlow()
	g, err := o.Finish(t.Context(), f, code(t, o, f))
	if err != nil {
		t.Fatal(err)
	}
	want := signin.Person{Email: "ada@example.org", EmailVerified: true, Username: "ada", Name: "Ada", Groups: []string{"dev"}}
	want.Identity.Issuer, want.Identity.Subject = p.URL, "ada-1"
	if diff := cmp.Diff(want, g.Person); diff != "" {
		t.Error(diff)
	}
	if left := time.Until(g.ExpiresAt); g.RefreshToken == "" || left < 59*time.Minute || left > time.Hour {
		t.Errorf("refresh token %q, %s left", g.RefreshToken, left)
	}
	again, err := o.Refresh(t.Context(), g.RefreshToken)
	if err != nil || again.Person.Identity != want.Identity || again.RefreshToken == g.RefreshToken {
		t.Errorf("refreshed to %+v: %v", again, err)
	}
	if _, err := o.Refresh(t.Context(), g.RefreshToken); !errors.Is(err, signin.ErrEnded) {
		t.Errorf("a spent refresh token gives %v", err)
	}
	f.Verifier = strings.Repeat("w", 43)
	if _, err := o.Finish(t.Context(), f, code(t, newOIDC(t, p.URL), newFlow())); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("another's code, without its verifier, gives %v", err)
	}
}

// Whatever does not prove who somebody is, nobody is let in by.
func TestAdvisory_V49_TokensAreVerified(t *testing.T) {
	p := idp.New(t)
	public, err := x509.MarshalPKIXPublicKey(p.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	none := func(c idp.Claims) string {
		encode := func(v any) string {
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(data)
		}
		return encode(idp.Claims{"alg": "none", "typ": "JWT", "kid": "key-1"}) + "." + encode(c) + "."
	}
	hmac := func(key []byte) func(idp.Claims) string {
		return func(c idp.Claims) string { return idp.Sign(jose.HS256, key, "key-1", c) }
	}
	encrypted := func(c idp.Claims) string {
		e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: p.Key.Public()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.Encrypt([]byte(idp.Sign(jose.RS256, p.Key, "key-1", c)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := data.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	hour := time.Hour.Seconds()
	now := float64(time.Now().Unix())
	for name, a := range map[string]idp.Answer{
		"no algorithm":               {Sign: none},
		"HMAC with the public key":   {Sign: hmac(public)},
		"HMAC with it as PEM":        {Sign: hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
		"HMAC with the secret":       {Sign: hmac([]byte(idp.ClientSecret))},
		"another key":                {Sign: func(c idp.Claims) string { return idp.Sign(jose.RS256, other, "key-1", c) }},
		"a key that is not known":    {Sign: func(c idp.Claims) string { return idp.Sign(jose.RS256, other, "key-2", c) }},
		"encrypted":                  {Sign: encrypted},
		"no token":                   {Sign: func(idp.Claims) string { return "" }},
		"no JWT":                     {Sign: func(idp.Claims) string { return "a.b.c" }},
		"another audience":           {Claims: idp.Claims{"aud": "other"}},
		"no audience":                {Claims: idp.Claims{"aud": nil}},
		"two audiences, no party":    {Claims: idp.Claims{"aud": []string{idp.ClientID, "other"}}},
		"another party":              {Claims: idp.Claims{"aud": []string{idp.ClientID, "other"}, "azp": "other"}},
		"another issuer":             {Claims: idp.Claims{"iss": "https://evil.example"}},
		"an issuer with a slash":     {Claims: idp.Claims{"iss": p.URL + "/"}},
		"expired":                    {Claims: idp.Claims{"exp": now - hour}},
		"never valid":                {Claims: idp.Claims{"exp": nil}},
		"not valid yet":              {Claims: idp.Claims{"nbf": now + hour}},
		"another nonce":              {Claims: idp.Claims{"nonce": "of another sign-in"}},
		"no nonce":                   {Claims: idp.Claims{"nonce": nil}},
		"no subject":                 {Claims: idp.Claims{"sub": nil}},
		"another access token":       {Claims: idp.Claims{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
		"user info of somebody else": {UserInfo: idp.Claims{"sub": "somebody else"}},
		"user info of nobody":        {UserInfo: idp.Claims{}},
	} {
		t.Run(name, func(t *testing.T) {
			p.Say(a)
			o, f := newOIDC(t, p.URL), newFlow()
			g, err := o.Finish(t.Context(), f, code(t, o, f))
			if !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%+v, %v", g, err)
			}
			if f, ok := fault.As(err); ok && f.Cause != nil && strings.Contains(f.Cause.Error(), "access") && strings.Contains(f.Cause.Error(), "eyJ") {
				t.Errorf("the log would hold a token: %v", f.Cause)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	p := idp.New(t)
	huge := slices.Repeat([]string{"a group of a name of some length"}, 10_001)
	for name, c := range map[string]struct {
		claims, info idp.Claims
		want         signin.Person
		wantKind     fault.Kind
	}{
		"nothing":              {},
		"one group":            {claims: idp.Claims{"groups": "dev"}, want: signin.Person{Groups: []string{"dev"}}},
		"no group":             {claims: idp.Claims{"groups": []string{}}, want: signin.Person{Groups: []string{}}},
		"groups of other type": {claims: idp.Claims{"groups": idp.Claims{"dev": true}}, wantKind: fault.Forbidden},
		"a group that is none": {claims: idp.Claims{"groups": []any{"dev", 1}}, wantKind: fault.Forbidden},
		"too many groups":      {claims: idp.Claims{"groups": huge}, wantKind: fault.Forbidden},
		"an address that is a list": {
			claims: idp.Claims{"email": []string{"ada@example.org"}}, wantKind: fault.Forbidden,
		},
		"user info adds what is missing": {
			claims: idp.Claims{"preferred_username": "ada"}, info: idp.Claims{"sub": "somebody", "email": "ada@example.org", "email_verified": true, "preferred_username": "x"},
			want: signin.Person{Email: "ada@example.org", EmailVerified: true, Username: "ada"},
		},
		"V 2: the verification of another address": {
			claims: idp.Claims{"email": "boss@example.org"}, info: idp.Claims{"sub": "somebody", "email": "ada@example.org", "email_verified": true},
			want: signin.Person{Email: "boss@example.org"},
		},
		"a picture that is a script": {claims: idp.Claims{"picture": "javascript:alert(1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			p.Say(idp.Answer{Claims: c.claims, UserInfo: c.info})
			o, f := newOIDC(t, p.URL), newFlow()
			g, err := o.Finish(t.Context(), f, code(t, o, f))
			if c.wantKind != 0 {
				if !fault.Is(err, c.wantKind) {
					t.Errorf("%+v, %v", g, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.want.Identity.Issuer, c.want.Identity.Subject = p.URL, "somebody"
			if diff := cmp.Diff(c.want, g.Person); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdvisory_V2_OnlyTrueIsVerified(t *testing.T) {
	p := idp.New(t)
	for name, c := range map[string]struct {
		value any
		want  bool
	}{
		"true": {true, true}, "false": {false, false}, "a text": {"true", false}, "1": {1, false}, "0": {0, false}, "absent": {nil, false},
		"null": {json.RawMessage("null"), false}, "a list": {[]bool{true}, false}, "an object": {idp.Claims{"v": true}, false}, "capitals": {"TRUE", false},
	} {
		t.Run(name, func(t *testing.T) {
			p.Say(idp.Answer{Claims: idp.Claims{"email": "ada@example.org", "email_verified": c.value}})
			o, f := newOIDC(t, p.URL), newFlow()
			g, err := o.Finish(t.Context(), f, code(t, o, f))
			if err != nil || g.Person.EmailVerified != c.want {
				t.Fatalf("%+v, %v", g, err)
			}
			_, err = (&signin.Rules{}).Admit(g.Person)
			if let := err == nil; let != c.want {
				t.Errorf("let in: %v: %v", let, err)
			}
		})
	}
}

// A provider that an outsider speaks for, or that leads elsewhere, is not believed.
func TestAdvisory_V24_ProvidersProveThemselves(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	leads := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer leads.Close()
	untrusted := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer untrusted.Close()
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 2<<20))
	}))
	defer huge.Close()
	posing := idp.New(t)
	poser := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = ""
		http.Redirect(w, r, posing.URL+r.URL.Path, http.StatusFound)
	}))
	defer poser.Close()
	for name, issuer := range map[string]string{"an untrusted certificate": untrusted.URL, "a redirect to another host": leads.URL,
		"a huge answer": huge.URL, "another's configuration": poser.URL} {
		if to, err := newOIDC(t, issuer).Begin(t.Context(), newFlow()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %q, %v", name, to, err)
		}
	}
	if asked != 0 {
		t.Errorf("%d requests reached whom they should not", asked)
	}
	for _, issuer := range []string{"http://login.example.org", "ftp://login.example.org", "//login.example.org", "", "https://user:password@login.example.org"} {
		if _, err := signin.NewOIDC(signin.OIDCConfig{IssuerURL: issuer, ClientID: "x"}, time.Now); err == nil {
			t.Errorf("%q is taken", issuer)
		}
	}
	for _, param := range []string{"state", "nonce", "redirect_uri", "code_challenge", "request"} {
		if _, err := signin.NewOIDC(signin.OIDCConfig{IssuerURL: "https://x.example", ClientID: "x", AuthURLParams: map[string]string{param: "y"}}, time.Now); err == nil {
			t.Errorf("the parameter %s can be chosen", param)
		}
	}
}

// A provider that is down when it is first needed is asked again.
func TestProviderMayComeLater(t *testing.T) {
	p := idp.New(t)
	up := false
	gate := httptest.NewUnstartedServer(nil)
	gate.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(idp.Claims{"issuer": gate.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys"})
	})
	gate.Start()
	defer gate.Close()
	o := newOIDC(t, gate.URL)
	if _, err := o.Begin(context.Background(), newFlow()); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	up = true
	if _, err := o.Begin(context.Background(), newFlow()); err != nil {
		t.Error(err)
	}
}
