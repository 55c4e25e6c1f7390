// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/outbound"
)

// discoverEvery is how old what the provider says of itself may be.
const discoverEvery = time.Hour

// OIDCConfig says which provider is asked, as whom, and which of its claims mean what.
type OIDCConfig struct {
	// IssuerURL is the provider, as its tokens name it.
	IssuerURL string
	// ClientID and Secret are what the provider knows this deployment by; Secret is read each time, as it may be rotated.
	ClientID string
	Secret   func() (string, error)
	// Scopes are what is asked for; "openid" always is.
	Scopes []string
	// AuthURLParams go with the browser's request, such as access_type=offline.
	AuthURLParams map[string]string
	// IgnoreUserInfo takes the ID token's claims alone; else what it lacks is asked for.
	IgnoreUserInfo bool
	// EmailField, UsernameField, GroupsField and RolesField are the names of claims; empty ones of the last two are not read.
	EmailField, UsernameField, GroupsField, RolesField string
}

// OIDC is an OpenID Connect provider.
type OIDC struct {
	config OIDCConfig
	client *http.Client
	now    func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	known  *discovered
	at     time.Time
}

// discovered is what a provider says of itself.
type discovered struct {
	*oidc.Provider
	// style is how it wants to be told the client's secret. The library would find that out by trying twice, and send a
	// code or a refresh token twice, which many providers take for theft.
	style oauth2.AuthStyle
}

// reservedParams are what this package says itself.
var reservedParams = []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "request", "request_uri"}

// NewOIDC is a provider that is not asked anything yet: it may be down when this process starts.
func NewOIDC(c OIDCConfig, now func() time.Time) (*OIDC, error) {
	if err := outbound.CheckURL(c.IssuerURL); err != nil {
		return nil, fmt.Errorf("issuer URL: %w", err)
	}
	if c.ClientID == "" {
		return nil, errors.New("client id: is required")
	}
	for name := range c.AuthURLParams {
		if slices.Contains(reservedParams, name) {
			return nil, fmt.Errorf("auth URL parameter %s: can't be chosen", name)
		}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	return &OIDC{config: c, client: outbound.Client(), now: now}, nil
}

// Issuer is the provider, as accounts are linked to it.
func (o *OIDC) Issuer() string { return o.config.IssuerURL }

// Begin is where the browser is to go.
func (o *OIDC) Begin(ctx context.Context, f Flow) (string, error) {
	p, err := o.provider(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	for _, name := range slices.Sorted(maps.Keys(o.config.AuthURLParams)) {
		options = append(options, oauth2.SetAuthURLParam(name, o.config.AuthURLParams[name]))
	}
	return o.oauth(p, "", f.RedirectURL).AuthCodeURL(f.State, options...), nil
}

// Finish is who the person is that comes back with a code.
func (o *OIDC) Finish(ctx context.Context, f Flow, code string) (Grant, error) {
	p, err := o.provider(ctx)
	if err != nil {
		return Grant{}, err
	}
	secret, err := o.config.Secret()
	if err != nil {
		return Grant{}, unreachable(err)
	}
	token, err := o.oauth(p, secret, f.RedirectURL).Exchange(o.context(ctx), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return Grant{}, exchangeError(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Grant{}, unproven(errors.New("the token endpoint gave no ID token"))
	}
	proof, err := o.verify(ctx, p, raw, token.AccessToken)
	if err != nil {
		return Grant{}, err
	}
	if f.Nonce == "" || subtle.ConstantTimeCompare([]byte(proof.Nonce), []byte(f.Nonce)) != 1 {
		return Grant{}, unproven(errors.New("the ID token is another sign-in's: its nonce differs"))
	}
	return o.grant(ctx, p, token, proof)
}

// Refresh asks again. A provider that gives no new ID token is asked for the person's claims by the access token.
func (o *OIDC) Refresh(ctx context.Context, refreshToken string) (Grant, error) {
	p, err := o.provider(ctx)
	if err != nil {
		return Grant{}, err
	}
	secret, err := o.config.Secret()
	if err != nil {
		return Grant{}, unreachable(err)
	}
	token, err := o.oauth(p, secret, "").TokenSource(o.context(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	if err != nil {
		return Grant{}, exchangeError(err)
	}
	var proof *oidc.IDToken
	if raw, _ := token.Extra("id_token").(string); raw != "" {
		if proof, err = o.verify(ctx, p, raw, token.AccessToken); err != nil {
			return Grant{}, err
		}
	}
	return o.grant(ctx, p, token, proof)
}

// verify believes an ID token that the provider signed for this deployment and that has not expired.
func (o *OIDC) verify(ctx context.Context, p *discovered, raw, accessToken string) (*oidc.IDToken, error) {
	proof, err := p.Verifier(&oidc.Config{ClientID: o.config.ClientID, Now: o.now}).Verify(o.context(ctx), raw)
	if err != nil {
		return nil, unproven(err)
	}
	var party struct {
		Authorized string `json:"azp"`
	}
	if err := proof.Claims(&party); err != nil {
		return nil, unproven(err)
	}
	if party.Authorized != "" && party.Authorized != o.config.ClientID || party.Authorized == "" && len(proof.Audience) > 1 {
		return nil, unproven(errors.New("the ID token was given to another client"))
	}
	if proof.AccessTokenHash != "" {
		if err := proof.VerifyAccessToken(accessToken); err != nil {
			return nil, unproven(err)
		}
	}
	return proof, nil
}

// grant joins what the ID token and the provider's user info say. proof may be nil after a refresh.
func (o *OIDC) grant(ctx context.Context, p *discovered, token *oauth2.Token, proof *oidc.IDToken) (Grant, error) {
	g := Grant{RefreshToken: token.RefreshToken, ExpiresAt: token.Expiry}
	claimed, subject := claims{}, ""
	if proof != nil {
		g.ExpiresAt, subject = proof.Expiry, proof.Subject
		if err := proof.Claims(&claimed); err != nil {
			return Grant{}, unproven(err)
		}
	}
	if p.UserInfoEndpoint() != "" && (proof == nil || !o.config.IgnoreUserInfo) {
		more, about, err := o.userInfo(ctx, p, token)
		if err != nil {
			return Grant{}, err
		}
		if about == "" || proof != nil && about != subject {
			return Grant{}, unproven(errors.New("the user info is about somebody else than the ID token"))
		}
		subject = about
		claimed = claimed.with(more, o.config.EmailField)
	}
	if subject == "" {
		return Grant{}, unproven(errors.New("the provider gave neither an ID token nor user info"))
	}
	var err error
	g.Person, err = o.person(claimed)
	g.Person.Identity = v1alpha1.LinkedIdentity{Issuer: o.config.IssuerURL, Subject: subject}
	return g, err
}

func (o *OIDC) userInfo(ctx context.Context, p *discovered, token *oauth2.Token) (claims, string, error) {
	info, err := p.UserInfo(o.context(ctx), oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, "", unreachable(fmt.Errorf("user info: %w", err))
	}
	more := claims{}
	if err := info.Claims(&more); err != nil {
		return nil, "", unproven(err)
	}
	return more, info.Subject, nil
}

// oauth is the client that the provider knows.
func (o *OIDC) oauth(p *discovered, secret, redirectURL string) *oauth2.Config {
	end := p.Endpoint()
	end.AuthStyle = p.style
	return &oauth2.Config{
		ClientID: o.config.ClientID, ClientSecret: secret, Endpoint: end, RedirectURL: redirectURL, Scopes: o.config.Scopes,
	}
}

func (o *OIDC) context(ctx context.Context) context.Context { return oidc.ClientContext(ctx, o.client) }

// provider is what the provider says of itself: asked for when it is first needed, and again now and then.
func (o *OIDC) provider(ctx context.Context) (*discovered, error) {
	o.mu.Lock()
	known, fresh := o.known, o.now().Sub(o.at) < discoverEvery
	o.mu.Unlock()
	if known != nil && fresh {
		return known, nil
	}
	// One asks for all that wait, so it does not end with the request that happened to be first.
	found, err, _ := o.asking.Do("", func() (any, error) { return o.discover(context.WithoutCancel(ctx)) })
	p, ok := found.(*discovered)
	switch {
	case err == nil && ok:
		return p, nil
	case known != nil:
		return known, nil // what it said before is most likely still so
	}
	return nil, unreachable(err)
}

func (o *OIDC) discover(ctx context.Context) (*discovered, error) {
	ctx, cancel := context.WithTimeout(ctx, outbound.Timeout)
	defer cancel()
	found, err := oidc.NewProvider(o.context(ctx), o.config.IssuerURL)
	if err != nil {
		return nil, err
	}
	p := &discovered{Provider: found, style: oauth2.AuthStyleInHeader}
	var ends struct {
		Keys    string   `json:"jwks_uri"`
		Secrets []string `json:"token_endpoint_auth_methods_supported"` // absent means client_secret_basic
	}
	if err := p.Claims(&ends); err != nil {
		return nil, err
	}
	if len(ends.Secrets) > 0 && !slices.Contains(ends.Secrets, "client_secret_basic") {
		p.style = oauth2.AuthStyleInParams
	}
	for name, text := range map[string]string{"authorization": p.Endpoint().AuthURL, "token": p.Endpoint().TokenURL, "jwks": ends.Keys} {
		if err := outbound.CheckURL(text); err != nil {
			return nil, fmt.Errorf("%s endpoint: %w", name, err)
		}
	}
	if text := p.UserInfoEndpoint(); text != "" {
		if err := outbound.CheckURL(text); err != nil {
			return nil, fmt.Errorf("user info endpoint: %w", err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known, o.at = p, o.now()
	return p, nil
}

// claims are what a provider says of a person, as it said it.
type claims map[string]json.RawMessage
