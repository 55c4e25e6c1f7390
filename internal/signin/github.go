// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/outbound"
)

const (
	// GitHubURL is GitHub itself; an enterprise has its own.
	GitHubURL    = "https://github.com"
	gitHubAPIURL = "https://api.github.com"
	// pageSize and maxPages bound how many organizations of a person are looked at.
	pageSize, maxPages = 100, 10
)

// GitHubConfig says which GitHub is asked, as whom, and who may come in.
type GitHubConfig struct {
	// BaseURL is GitHubURL, or an enterprise's own.
	BaseURL string
	// ClientID and Secret are what GitHub knows this deployment by; Secret is read each time, as it may be rotated.
	ClientID string
	Secret   func() (string, error)
	// AllowedOrgs lets in active members of one of these organizations, AllowedTeams those of one of these teams, written as
	// ORGANIZATION/SLUG; where both are given, who is both. AllowEveryone lets in whoever has an account there.
	AllowedOrgs, AllowedTeams []string
	AllowEveryone             bool
}

// GitHub is GitHub, or an enterprise's own.
type GitHub struct {
	config GitHubConfig
	api    string
	client *http.Client
}

// NewGitHub is a provider that is not asked anything yet.
func NewGitHub(c GitHubConfig) (*GitHub, error) {
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	api := c.BaseURL + "/api/v3"
	if c.BaseURL == "" || c.BaseURL == GitHubURL {
		c.BaseURL, api = GitHubURL, gitHubAPIURL
	}
	if err := outbound.CheckURL(c.BaseURL); err != nil {
		return nil, fmt.Errorf("enterprise base URL: %w", err)
	}
	lists := len(c.AllowedOrgs) + len(c.AllowedTeams)
	switch {
	case c.ClientID == "":
		return nil, errors.New("client id: is required")
	case lists == 0 && !c.AllowEveryone:
		return nil, errors.New("allowed organizations or teams: name those whose members may sign in, or allow everyone who has an account at GitHub")
	case lists > 0 && c.AllowEveryone:
		return nil, errors.New("allow everyone: contradicts the lists of allowed organizations and teams")
	}
	for _, team := range c.AllowedTeams {
		if org, slug, ok := strings.Cut(team, "/"); !ok || org == "" || slug == "" || strings.Contains(slug, "/") {
			return nil, fmt.Errorf("allowed team %q: want ORGANIZATION/SLUG", team)
		}
	}
	return &GitHub{config: c, api: api, client: outbound.Client()}, nil
}

// Issuer is the provider, as accounts are linked to it.
func (g *GitHub) Issuer() string { return g.config.BaseURL }

// Begin is where the browser is to go.
func (g *GitHub) Begin(_ context.Context, f Flow) (string, error) {
	return g.oauth("", f.RedirectURL).AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier)), nil
}

// Finish is who the person is that comes back with a code.
func (g *GitHub) Finish(ctx context.Context, f Flow, code string) (Grant, error) {
	secret, err := g.config.Secret()
	if err != nil {
		return Grant{}, unreachable(err)
	}
	token, err := g.oauth(secret, f.RedirectURL).Exchange(g.context(ctx), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return Grant{}, exchangeError(err)
	}
	return g.grant(ctx, token)
}

// Refresh asks again; only tokens of GitHub Apps that expire can be refreshed.
func (g *GitHub) Refresh(ctx context.Context, refreshToken string) (Grant, error) {
	secret, err := g.config.Secret()
	if err != nil {
		return Grant{}, unreachable(err)
	}
	token, err := g.oauth(secret, "").TokenSource(g.context(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	if err != nil {
		return Grant{}, exchangeError(err)
	}
	return g.grant(ctx, token)
}

func (g *GitHub) oauth(secret, redirectURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: g.config.ClientID, ClientSecret: secret, RedirectURL: redirectURL, Scopes: []string{"read:user", "read:org", "user:email"},
		Endpoint: oauth2.Endpoint{
			AuthURL: g.config.BaseURL + "/login/oauth/authorize", TokenURL: g.config.BaseURL + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

func (g *GitHub) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, g.client)
}

// grant asks GitHub's API about the person whose token it is.
func (g *GitHub) grant(ctx context.Context, token *oauth2.Token) (Grant, error) {
	var user struct {
		ID        int64  `json:"id"`
		Login     string `json:"login"`
		Name      string `json:"name"`
		AvatarURL string `json:"avatar_url"`
	}
	if err := g.get(ctx, token, "/user", &user); err != nil {
		return Grant{}, err
	}
	if user.ID <= 0 || user.Login == "" {
		return Grant{}, unproven(errors.New("GitHub's answer names no user"))
	}
	if err := g.allowed(ctx, token, user.Login); err != nil {
		return Grant{}, err
	}
	p := Person{
		Identity: v1alpha1.LinkedIdentity{Issuer: g.config.BaseURL, Subject: strconv.FormatInt(user.ID, 10)}, Username: user.Login,
	}
	if len(user.Name) <= maxName {
		p.Name = user.Name
	}
	if len(user.AvatarURL) <= maxAvatar && outbound.CheckURL(user.AvatarURL) == nil {
		p.AvatarURL = user.AvatarURL
	}
	var addresses []struct {
		Email             string
		Primary, Verified bool
	}
	if err := g.get(ctx, token, "/user/emails?per_page="+strconv.Itoa(pageSize), &addresses); err != nil {
		return Grant{}, err
	}
	for _, a := range addresses {
		if a.Primary {
			p.Email, p.EmailVerified = a.Email, a.Verified
		}
	}
	return Grant{Person: p, RefreshToken: token.RefreshToken, ExpiresAt: token.Expiry}, nil
}

// allowed is nil for a person whom the deployment's lists let in.
func (g *GitHub) allowed(ctx context.Context, token *oauth2.Token, login string) error {
	if len(g.config.AllowedOrgs) > 0 {
		in, err := g.inOrganization(ctx, token)
		if err != nil {
			return err
		}
		if !in {
			return refused("You are not a member of an organization at GitHub that may sign in.")
		}
	}
	if len(g.config.AllowedTeams) == 0 {
		return nil
	}
	for _, team := range g.config.AllowedTeams {
		in, err := g.inTeam(ctx, token, team, login)
		if in || err != nil {
			return err
		}
	}
	return refused("You are not in a team at GitHub that may sign in.")
}

func (g *GitHub) inOrganization(ctx context.Context, token *oauth2.Token) (bool, error) {
	for page := 1; page <= maxPages; page++ {
		var memberships []struct {
			State        string
			Organization struct{ Login string }
		}
		path := fmt.Sprintf("/user/memberships/orgs?state=active&per_page=%d&page=%d", pageSize, page)
		if err := g.get(ctx, token, path, &memberships); err != nil {
			return false, err
		}
		for _, m := range memberships {
			if m.State == "active" && slices.ContainsFunc(g.config.AllowedOrgs, func(o string) bool { return strings.EqualFold(o, m.Organization.Login) }) {
				return true, nil
			}
		}
		if len(memberships) < pageSize {
			break
		}
	}
	return false, nil
}

func (g *GitHub) inTeam(ctx context.Context, token *oauth2.Token, team, login string) (bool, error) {
	org, slug, _ := strings.Cut(team, "/")
	var membership struct{ State string }
	err := g.get(ctx, token, "/orgs/"+url.PathEscape(org)+"/teams/"+url.PathEscape(slug)+"/memberships/"+url.PathEscape(login), &membership)
	if errors.Is(err, errNotThere) {
		return false, nil
	}
	return err == nil && membership.State == "active", err
}

var errNotThere = errors.New("GitHub has no such thing, or does not show it")

// get reads one answer of GitHub's API.
func (g *GitHub) get(ctx context.Context, token *oauth2.Token, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	request.Header.Set("User-Agent", "berth")
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	response, err := g.client.Do(request)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read, or is of no use
	switch {
	case response.StatusCode == http.StatusNotFound:
		return unproven(errNotThere)
	case response.StatusCode == http.StatusUnauthorized:
		return unproven(errors.Join(ErrEnded, errors.New("GitHub does not take the token")))
	case response.StatusCode != http.StatusOK:
		return unreachable(fmt.Errorf("GitHub answers status %d", response.StatusCode))
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return unreachable(fmt.Errorf("reading GitHub's answer: %w", err))
	}
	return nil
}
