// SPDX-License-Identifier: Apache-2.0

package externalauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/testing/idp"
)

func secret() (string, error) { return idp.ClientSecret, nil }

// of is a provider of the host, changed.
func of(t *testing.T, g *idp.GitHost, change func(*externalauth.Config)) *externalauth.Provider {
	t.Helper()
	c := externalauth.Config{Type: externalauth.GitHub, ClientID: idp.ClientID, Secret: secret, AuthURL: g.URL + "/login/oauth/authorize"}
	if change != nil {
		change(&c)
	}
	p, err := externalauth.New(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signsIn goes to the host and back.
func signsIn(t *testing.T, p *externalauth.Provider, verifier string) (code string) {
	t.Helper()
	there, err := p.Begin("the state", verifier, "https://berth.test/back")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(there)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := url.Parse(response.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != "the state" {
		t.Fatalf("%s leads to %q: %v", there, back, err)
	}
	return back.Query().Get("code")
}

func TestCodeFlowAndRefresh(t *testing.T) {
	for name, change := range map[string]func(*externalauth.Config){
		"GitHub": nil,
		"another service": func(c *externalauth.Config) {
			c.Type, c.TokenURL, c.Regex = "forge", strings.Replace(c.AuthURL, "authorize", "access_token", 1), `git\.acme\.test`
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := idp.NewGitHost(t)
			g.Say(idp.GitHostAnswer{Lifetime: 3600, Standard: change != nil})
			p := of(t, g, change)
			if _, err := p.Exchange(t.Context(), signsIn(t, p, "one verifier"), "another verifier", "https://berth.test/back"); !errors.Is(err, externalauth.ErrRefused) {
				t.Errorf("another verifier: %v", err)
			}
			p.ExtraTokenKeys = []string{"instance", "absent"}
			first, err := p.Exchange(t.Context(), signsIn(t, p, "v"), "v", "https://berth.test/back")
			if err != nil || first.Access == "" || first.Refresh == "" || time.Until(first.ExpiresAt) < 59*time.Minute {
				t.Fatalf("%+v, %v", first, err)
			}
			if diff := cmp.Diff(map[string]any{"instance": map[string]any{"region": "eu"}}, first.Extra); diff != "" {
				t.Error(diff)
			}
			second, err := p.Refresh(t.Context(), first.Refresh)
			if err != nil || second.Access == first.Access || second.Refresh == first.Refresh {
				t.Fatalf("%+v, %v", second, err)
			}
			if _, err := p.Refresh(t.Context(), first.Refresh); !errors.Is(err, externalauth.ErrRefused) {
				t.Errorf("a spent token: %v", err)
			}
			for _, status := range []int{500, 429, 404} {
				g.Say(idp.GitHostAnswer{Status: status})
				if _, err := p.Refresh(t.Context(), "x"); errors.Is(err, externalauth.ErrRefused) || !fault.Is(err, fault.Unavailable) {
					t.Errorf("status %d: %v", status, err)
				}
			}
		})
	}
}

// A client that is set up wrongly is no reason to think that what people have is bad.
func TestWrongClientIsNoRefusal(t *testing.T) {
	g := idp.NewGitHost(t)
	p := of(t, g, func(c *externalauth.Config) { c.Secret = func() (string, error) { return "rotated", nil } })
	if _, err := p.Refresh(t.Context(), "x"); errors.Is(err, externalauth.ErrRefused) || !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestDeviceFlow(t *testing.T) {
	g := idp.NewGitHost(t)
	p := of(t, g, func(c *externalauth.Config) { c.DeviceFlow, c.Secret = true, nil })
	d, err := p.Device(t.Context())
	if err != nil || d.VerificationURI != "https://git.example/login/device" || d.ExpiresIn != 900 || d.Interval != 5 {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = p.DeviceToken(t.Context(), d.DeviceCode)
	if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || f.Detail != "authorization_pending" {
		t.Errorf("before the code was given: %v", err)
	}
	g.Enter(d.UserCode)
	if got, err := p.DeviceToken(t.Context(), d.DeviceCode); err != nil || got.Access == "" || got.Refresh != "" || !got.ExpiresAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	for _, code := range []string{d.DeviceCode, "", "made up", strings.Repeat("x", 5000)} {
		if _, err := p.DeviceToken(t.Context(), code); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", code, err)
		}
	}
	if _, err := of(t, g, nil).Device(t.Context()); !fault.Is(err, fault.Invalid) {
		t.Errorf("without the flow: %v", err)
	}
}

func TestValidateInstallationsRevoke(t *testing.T) {
	g := idp.NewGitHost(t)
	p := of(t, g, nil)
	token, err := p.Exchange(t.Context(), signsIn(t, p, "v"), "v", "https://berth.test/back")
	if err != nil {
		t.Fatal(err)
	}
	who, err := p.Validate(t.Context(), token.Access)
	want := &externalauth.Person{Login: "octo-cat", Name: "Octo Cat", AvatarURL: "https://avatars.example/583231", ProfileURL: "https://git.example/octo-cat"}
	if diff := cmp.Diff(want, who); diff != "" || err != nil {
		t.Error(diff, err)
	}
	all, installable, err := p.Installations(t.Context(), token.Access)
	if diff := cmp.Diff([]externalauth.Installation{{ID: 7, ConfigureURL: "https://git.example/settings/installations/7",
		Account: externalauth.Person{Login: "acme", ProfileURL: "https://git.example/acme"}}}, all); diff != "" || !installable || err != nil {
		t.Error(diff, installable, err)
	}
	g.Say(idp.GitHostAnswer{Status: http.StatusBadGateway})
	if _, err := p.Validate(t.Context(), token.Access); err == nil || errors.Is(err, externalauth.ErrRefused) {
		t.Errorf("a host that is not well: %v", err)
	}
	g.Say(idp.GitHostAnswer{})
	if err := p.Revoke(t.Context(), token); err != nil {
		t.Error(err)
	}
	if _, err := p.Validate(t.Context(), token.Access); !errors.Is(err, externalauth.ErrRefused) {
		t.Errorf("a revoked token: %v", err)
	}
	standard := of(t, g, func(c *externalauth.Config) {
		c.Type, c.TokenURL, c.RevokeURL = "forge", g.URL+"/login/oauth/access_token", g.URL+"/revoke"
	})
	if err := standard.Revoke(t.Context(), externalauth.Token{Access: "a", Refresh: "r"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{token.Access, "r"}, g.Revoked()); diff != "" {
		t.Error(diff)
	}
}

// GitHub answers 403 to who asks too often, which says nothing of the token.
func TestRateLimitIsNoRefusal(t *testing.T) {
	limited := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if limited {
			w.Header().Set("X-RateLimit-Remaining", "0")
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	p := of(t, idp.NewGitHost(t), func(c *externalauth.Config) { c.ValidateURL = server.URL })
	if _, err := p.Validate(t.Context(), "x"); err == nil || errors.Is(err, externalauth.ErrRefused) {
		t.Error(err)
	}
	limited = false
	if _, err := p.Validate(t.Context(), "x"); !errors.Is(err, externalauth.ErrRefused) {
		t.Error(err)
	}
}

// Secrets go to the host that was meant, and stand in no error.
func TestAdvisory_V22_V8_NoSecretFollowsARedirectOrStandsInAnError(t *testing.T) {
	var stolen string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = r.PostFormValue("refresh_token") + r.Header.Get("Authorization")
	}))
	defer thief.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	p := of(t, idp.NewGitHost(t), func(c *externalauth.Config) {
		c.TokenURL, c.ValidateURL, c.RevokeURL = server.URL, server.URL, server.URL
	})
	_, refresh := p.Refresh(t.Context(), "canary-refresh")
	_, validate := p.Validate(t.Context(), "canary-access")
	revoke := p.Revoke(t.Context(), externalauth.Token{Access: "canary-access"})
	for name, err := range map[string]error{"refresh": refresh, "validate": validate, "revoke": revoke} {
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := f.Error() + f.Cause.Error(); strings.Contains(text, "canary") || strings.Contains(text, idp.ClientSecret) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if stolen != "" {
		t.Errorf("another host got %q", stolen)
	}
}
