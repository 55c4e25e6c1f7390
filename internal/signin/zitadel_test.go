// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
)

// A provider that somebody else wrote and certified: a person types a name and a password there, and comes back.
func TestARealProvider(t *testing.T) {
	const back = "http://berth.test/api/v2/users/oidc/callback"
	storage.RegisterClients(storage.WebClient("real", "its secret", back))
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	server.Config.Handler = exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), nil, false)
	server.Start()
	defer server.Close()

	o := newOIDC(t, issuer, func(c *signin.OIDCConfig) {
		c.ClientID, c.Secret, c.Scopes = "real", secret("its secret"), []string{"openid", "profile", "email", "offline_access"}
	})
	f := newFlow()
	f.RedirectURL = back
	there, err := o.Begin(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	got := typeIn(t, there, "test-user2", "verysecure", back)
	if got.Get("state") != f.State {
		t.Fatalf("it comes back with %v", got)
	}
	stolen := f
	stolen.Verifier = strings.Repeat("w", 43)
	if _, err := o.Finish(t.Context(), stolen, got.Get("code")); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("who stole a code gets %v", err)
	}
	got = typeIn(t, there, "test-user2", "verysecure", back)
	g, err := o.Finish(t.Context(), f, got.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	want := signin.Person{Email: "test-user2@zitadel.ch", EmailVerified: true, Username: "test-user2", Name: "Test User2"}
	want.Identity.Issuer, want.Identity.Subject = issuer, "id2"
	if diff := cmp.Diff(want, g.Person); diff != "" {
		t.Error(diff)
	}
	again, err := o.Refresh(t.Context(), g.RefreshToken)
	if err != nil || again.Person.Identity != want.Identity {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err := o.Refresh(t.Context(), g.RefreshToken); !errors.Is(err, signin.ErrEnded) {
		t.Errorf("a refresh token that was spent gives %v", err)
	}
}

// typeIn is a person with a browser at the provider; it gives what the browser is sent back with.
func typeIn(t *testing.T, there, name, password, back string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var home url.Values
	browser := &http.Client{Jar: jar, CheckRedirect: func(to *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(to.URL.String(), back) {
			home = to.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(there)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Body.Close() }()
	form := url.Values{"username": {name}, "password": {password}, "id": {page.Request.URL.Query().Get("authRequestID")}}
	sent, err := browser.PostForm(page.Request.URL.Scheme+"://"+page.Request.URL.Host+"/login/username", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sent.Body.Close() }()
	if home == nil {
		t.Fatalf("the browser stays at %s with status %d", sent.Request.URL, sent.StatusCode)
	}
	return home
}
