// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/testing/idp"
)

const oidcCallback = "/api/v2/users/oidc/callback"

// later moves a server's clock.
type later struct{ by atomic.Int64 }

func (l *later) now() time.Time { return time.Now().Add(time.Duration(l.by.Load())) }

// trusting is a replica at which people sign in with the provider, by further flags.
func trusting(p *idp.Provider, clock *later, flags ...string) *running {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "secret")
	Expect(os.WriteFile(file, []byte(idp.ClientSecret), 0o600)).To(Succeed())
	return start(func(o *apiserver.Options) {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.SignIn.AddFlags(f)
		Expect(f.Parse(append([]string{"--oidc-issuer-url=" + p.URL, "--oidc-client-id=" + idp.ClientID, "--oidc-client-secret-file=" + file}, flags...))).To(Succeed())
		if clock != nil {
			o.Now = clock.now
		}
	})
}

// address is one that nobody else has.
func address() string {
	n := number.Add(1)
	return fmt.Sprintf("198.18.%d.%d", n/256%256, n%256)
}

// browser is somebody's, at one replica.
type browser struct {
	at      *running
	cookies map[string]string
	address string
}

func newBrowser(at *running) *browser {
	return &browser{at: at, cookies: map[string]string{}, address: address()}
}

// get opens a path of the site, with the browser's cookies, and keeps those that come.
func (b *browser) get(ctx context.Context, path string) answer {
	GinkgoHelper()
	d := sessionAt(b.at, "").with("X-Forwarded-For", b.address)
	var sent []string
	for name, value := range b.cookies {
		sent = append(sent, name+"="+value)
	}
	if len(sent) > 0 {
		d = d.with("Cookie", strings.Join(sent, "; "))
	}
	a := ask(ctx, d, "GET", path, nil)
	b.keep(a)
	return a
}

// keep keeps the cookies of an answer.
func (b *browser) keep(a answer) {
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

// there follows a redirection to the provider, and gives the path and query by which the provider leads back.
func there(a answer) string {
	GinkgoHelper()
	Expect(a.Status).To(Equal(http.StatusTemporaryRedirect), string(a.Body))
	away := &http.Client{CheckRedirect: noRedirect}
	response, err := away.Get(a.Header.Get("Location"))
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	back, err := url.Parse(response.Header.Get("Location"))
	Expect(err).NotTo(HaveOccurred())
	Expect(back.Host).To(Equal("berth.test"), a.Header.Get("Location"))
	return back.RequestURI()
}

// signIn goes to the provider and back.
func (b *browser) signIn(ctx context.Context) answer {
	GinkgoHelper()
	return b.get(ctx, there(b.get(ctx, oidcCallback+"?redirect=/workspaces")))
}

func (b *browser) me(ctx context.Context) (codersdk.User, int) {
	GinkgoHelper()
	var u codersdk.User
	a := b.get(ctx, "/api/v2/users/me")
	if a.Status == http.StatusOK {
		a.JSON(&u)
	}
	return u, a.Status
}

// known are the claims of somebody whose address is verified.
func known(subject, email string) idp.Claims {
	return idp.Claims{"sub": subject, "email": email, "email_verified": true, "preferred_username": subject}
}

// signInByPassword signs in with the password that specs give.
func signInByPassword(ctx context.Context, at *running, u *person) answer {
	GinkgoHelper()
	d := sessionAt(at, "").with("X-Forwarded-For", address())
	return ask(ctx, d, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: u.Spec.Email, Password: "a long enough one"})
}

// meAt is the status of asking one replica for the own account.
func meAt(ctx context.Context, at *running, token string) int {
	GinkgoHelper()
	return me(ctx, sessionAt(at, token))
}
