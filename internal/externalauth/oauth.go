// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/outbound"
)

const (
	// maxToken and maxExtra are how long what is kept of an answer may be: a person has several links, and one place for all.
	maxToken, maxExtra = 16 << 10, 4 << 10
	// maxLifetime is what longer lifetimes count as.
	maxLifetime = 10 * 365 * 24 * time.Hour
	// maxCode is how long a code may be.
	maxCode = 2048

	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

// Begin is where a browser is to go. The verifier stays behind; the provider sees its digest (PKCE).
func (p *Provider) Begin(state, verifier, redirectURL string) (string, error) {
	u, err := url.Parse(p.AuthURL)
	if err != nil || p.AuthURL == "" {
		return "", fault.New(fault.Invalid, "People sign in to %s by a device's code, not here.", p.DisplayName)
	}
	sum := sha256.Sum256([]byte(verifier))
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": p.ClientID, "redirect_uri": redirectURL, "state": state,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "scope": strings.Join(p.Scopes, " "),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Exchange takes the code with which a browser came back.
func (p *Provider) Exchange(ctx context.Context, code, verifier, redirectURL string) (Token, error) {
	return p.token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirectURL}})
}

// Refresh gives a new Token for a refresh token, which may be spent then. An error that is ErrRefused says that the provider
// does not take it. A provider that gives no new refresh token lets the old one stand.
func (p *Provider) Refresh(ctx context.Context, refreshToken string) (Token, error) {
	t, err := p.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
	if err == nil && t.Refresh == "" {
		t.Refresh = refreshToken
	}
	return t, err
}

// Device begins to sign in by a device's code.
func (p *Provider) Device(ctx context.Context) (Device, error) {
	if !p.DeviceFlow {
		return Device{}, noDevice(p)
	}
	form := url.Values{"client_id": {p.ClientID}}
	if len(p.Scopes) > 0 {
		form.Set("scope", strings.Join(p.Scopes, " "))
	}
	said, status, err := p.post(ctx, p.DeviceCodeURL, form, "")
	if err != nil {
		return Device{}, err
	}
	if failed := said.failed(status); failed != nil {
		return Device{}, unreachable(failed)
	}
	d := Device{DeviceCode: said.text("device_code"), UserCode: said.text("user_code"), VerificationURI: said.text("verification_uri"),
		ExpiresIn: int(said.seconds("expires_in") / time.Second), Interval: int(said.seconds("interval") / time.Second)}
	if d.DeviceCode == "" || len(d.DeviceCode) > maxCode || d.UserCode == "" || len(d.UserCode) > maxCode || outbound.CheckURL(d.VerificationURI) != nil {
		return Device{}, unreachable(errors.New("the device endpoint's answer holds no code, or leads to what is no https URL"))
	}
	if d.Interval == 0 {
		d.Interval = 5 // RFC 8628, section 3.2
	}
	return d, nil
}

// DeviceToken is what a device's code has come to. While the person has not given the code to the provider it is an Invalid
// fault, whose detail says so in the words of RFC 8628.
func (p *Provider) DeviceToken(ctx context.Context, deviceCode string) (Token, error) {
	if !p.DeviceFlow {
		return Token{}, noDevice(p)
	}
	if deviceCode == "" || len(deviceCode) > maxCode {
		return Token{}, fault.On("device_code", "must be what the provider gave this device")
	}
	return p.token(ctx, url.Values{"grant_type": {deviceGrant}, "device_code": {deviceCode}})
}

func noDevice(p *Provider) error {
	return fault.New(fault.Invalid, "People sign in to %s in a browser, not by a device's code.", p.DisplayName)
}

// token asks the token endpoint once. Sending a code or a refresh token twice is taken for theft by many providers.
func (p *Provider) token(ctx context.Context, form url.Values) (Token, error) {
	secret := ""
	if p.Secret != nil {
		var err error
		if secret, err = p.Secret(); err != nil {
			return Token{}, unreachable(err)
		}
	}
	said, status, err := p.post(ctx, p.TokenURL, form, secret)
	if err != nil {
		return Token{}, err
	}
	if failed := said.failed(status); failed != nil {
		return Token{}, p.tokenFault(said.text("error"), status, failed)
	}
	t := Token{Access: said.text("access_token"), Refresh: said.text("refresh_token")}
	if t.Access == "" || len(t.Access) > maxToken || len(t.Refresh) > maxToken {
		return Token{}, unreachable(errors.New("the token endpoint's answer holds no token, or one too long to keep"))
	}
	if lives := said.seconds("expires_in"); lives > 0 {
		t.ExpiresAt = p.now().Add(lives).UTC()
	}
	if p.NoRefresh {
		t.Refresh = ""
	}
	t.Extra = p.extra(said)
	return t, nil
}

// extra are the further fields that the deployment asks for, as long as they are not too much to keep.
func (p *Provider) extra(said answer) map[string]any {
	extra, left := map[string]any{}, maxExtra
	for _, key := range p.ExtraTokenKeys {
		raw := said[key]
		var value any
		if left -= len(key) + len(raw); len(raw) == 0 || left < 0 || json.Unmarshal(raw, &value) != nil {
			continue
		}
		extra[key] = value
	}
	if len(extra) == 0 {
		return nil
	}
	return extra
}

// tokenFault is what an error of the token endpoint means.
func (p *Provider) tokenFault(code string, status int, cause error) error {
	switch code {
	case "authorization_pending", "slow_down":
		f := fault.New(fault.Invalid, "Nobody has given the device's code to %s yet.", p.DisplayName)
		f.Detail = code
		return f
	case "expired_token", "access_denied":
		f := fault.New(fault.Invalid, "%s does not take the device's code any more. Begin again.", p.DisplayName)
		f.Detail = code
		return f
	case "invalid_grant", "bad_verification_code", "bad_refresh_token", "incorrect_device_code":
		return refused(cause)
	}
	return unreachable(cause) // the client is set up wrongly, or the provider is not well: what is kept may still be good
}

// post sends a form as this client, and reads the answer's JSON. Without a secret only the client's id goes along.
func (p *Provider) post(ctx context.Context, to string, form url.Values, secret string) (answer, int, error) {
	inHeader := secret != "" && !p.secretInForm()
	if !inHeader {
		form.Set("client_id", p.ClientID)
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, 0, unreachable(plain(err))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if inHeader {
		r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(secret)) // RFC 6749, section 2.3.1
	}
	response, err := p.do(r)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	said := answer{}
	err = json.NewDecoder(response.Body).Decode(&said)
	if err != nil && !errors.Is(err, io.EOF) && response.StatusCode == http.StatusOK {
		return nil, 0, unreachable(errors.New("the answer is no JSON object"))
	}
	return said, response.StatusCode, nil
}

// secretInForm tells how a provider wants to be told the client's secret, as it documents it; the others must take it in
// the header. Trying both would send a code twice.
func (p *Provider) secretInForm() bool {
	switch p.Type {
	case GitHub, GitLab, Gitea, AzureDevOps, BitbucketServer:
		return true
	}
	return false
}

// do asks, with what every request has.
func (p *Provider) do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "berth")
	response, err := p.client.Do(r)
	if err != nil {
		return nil, unreachable(plain(err))
	}
	return response, nil
}

// plain is an error of a request without its URL, whose query may hold what is secret.
func plain(err error) error {
	var lost *url.Error
	if errors.As(err, &lost) {
		return lost.Err
	}
	return err
}

// answer is a JSON object as a provider sent it.
type answer map[string]json.RawMessage

func (a answer) text(key string) string {
	var text string
	if json.Unmarshal(a[key], &text) != nil {
		return ""
	}
	return text
}

// seconds reads a number, which some providers send as text.
func (a answer) seconds(key string) time.Duration {
	raw := strings.Trim(string(a[key]), `"`)
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil || !(n > 0) {
		return 0
	}
	if n >= maxLifetime.Seconds() {
		return maxLifetime
	}
	return time.Duration(n * float64(time.Second))
}

// failed is nil for a success. GitHub answers status 200 to what it refuses.
func (a answer) failed(status int) error {
	code := a.text("error")
	if status == http.StatusOK && code == "" {
		return nil
	}
	return fmt.Errorf("the provider says %.64q, status %d", code, status)
}
