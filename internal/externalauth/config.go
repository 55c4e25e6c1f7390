// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/berth-dev/berth/internal/outbound"
)

// Config is one provider, as a deployment names it.
type Config struct {
	// ID is what templates call it; absent means Type.
	ID string
	// Type is one of those that are known by name, or any other word for a service that has all its URLs here.
	Type string
	// ClientID and Secret are what the provider knows this deployment by. Secret is read each time, as it may be rotated;
	// nil is a public client, which only the device flow allows.
	ClientID string
	Secret   func() (string, error)
	// AuthURL and TokenURL are the two ends of the code flow, DeviceCodeURL is that of the device flow.
	AuthURL, TokenURL, DeviceCodeURL string
	// ValidateURL answers 200 to a token that is good; absent means that nobody can ask.
	ValidateURL string
	// RevokeURL is told of tokens that are not needed any more; absent means nobody is.
	RevokeURL string
	// DeviceFlow offers the device flow in place of the browser's.
	DeviceFlow bool
	// NoRefresh leaves refresh tokens alone.
	NoRefresh bool
	// Scopes are asked for, ExtraTokenKeys are kept of the provider's answer.
	Scopes, ExtraTokenKeys []string
	// Regex is what the git URLs of this provider look like. It must match all of a URL but for a https:// before it and a
	// path after it, so that no other host's URL is taken for this one's by holding its name.
	Regex string
	// AppInstallURL is where people install the deployment's app, AppInstallationsURL lists where they did.
	AppInstallURL, AppInstallationsURL string
	// DisplayName and DisplayIcon are what people see.
	DisplayName, DisplayIcon string
}

// Provider is a provider that can be asked.
type Provider struct {
	Config
	pattern *regexp.Regexp
	client  *http.Client
	now     func() time.Time
}

var (
	idForm   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
	typeForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
)

// New is a provider that is not asked anything yet: it may be down when this process starts.
func New(c Config, now func() time.Time) (*Provider, error) {
	if !typeForm.MatchString(c.Type) {
		return nil, fmt.Errorf("type %q: want github, gitlab, gitea, bitbucket-cloud, bitbucket-server, azure-devops-entra or another word of small letters", c.Type)
	}
	if c.ID == "" {
		c.ID = c.Type
	}
	if !idForm.MatchString(c.ID) {
		return nil, fmt.Errorf("id %q: want at most 64 letters, digits, dots, hyphens and underscores", c.ID)
	}
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.ID, err)
	}
	p := &Provider{Config: c, client: outbound.Client(), now: now}
	if c.Regex != "" {
		pattern, err := regexp.Compile(c.Regex)
		if err == nil {
			pattern, err = regexp.Compile(`^(?:https://)?(?:` + c.Regex + `)(?:/.*)?$`)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: regex: %w", c.ID, err)
		}
		p.pattern = pattern
	}
	return p, nil
}

// complete fills in what the type knows, and says what is missing or wrong.
func (c *Config) complete() error {
	if err := c.fill(); err != nil {
		return err
	}
	if c.DisplayName == "" {
		c.DisplayName = c.ID
	}
	switch {
	case c.ClientID == "":
		return errors.New("client_id: is required")
	case c.TokenURL == "" || !c.DeviceFlow && c.AuthURL == "":
		return fmt.Errorf("auth_url and token_url: are required, as nothing is known of the type %s", c.Type)
	case c.DeviceFlow && c.DeviceCodeURL == "":
		return errors.New("device_code_url: is required where the device flow is offered")
	case !c.DeviceFlow && c.Secret == nil:
		return errors.New("client_secret_file: is required; only the device flow does without")
	}
	for name, text := range map[string]string{"auth_url": c.AuthURL, "token_url": c.TokenURL, "validate_url": c.ValidateURL, "revoke_url": c.RevokeURL,
		"device_code_url": c.DeviceCodeURL, "app_install_url": c.AppInstallURL, "app_installations_url": c.AppInstallationsURL} {
		if text == "" {
			continue
		}
		if err := outbound.CheckURL(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.DisplayIcon != "" && !strings.HasPrefix(c.DisplayIcon, "/") && outbound.CheckURL(c.DisplayIcon) != nil {
		return fmt.Errorf("display_icon %q: want a path of this site or a https URL", c.DisplayIcon)
	}
	return nil
}

// maxURL is how long a URL may be that an agent asks for.
const maxURL = 2048

// Matches tells whether a git URL is one of the provider's. A user's name in it says nothing of the host, and is left out.
func (p *Provider) Matches(text string) bool {
	if p.pattern == nil || len(text) > maxURL {
		return false
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) {
		return false
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text // or a host with a port would be taken for a scheme
	}
	if u, err := url.Parse(text); err != nil {
		return false
	} else if u.User != nil {
		u.User = nil
		text = u.String()
	}
	return p.pattern.MatchString(text)
}

// Username is what git is to send beside the token as its password.
func (p *Provider) Username() string {
	switch p.Type {
	case GitHub:
		return "x-access-token"
	case BitbucketCloud, BitbucketServer:
		return "x-token-auth"
	}
	return "oauth2"
}

// Refreshes tells whether tokens are refreshed where the provider gave what that needs.
func (p *Provider) Refreshes() bool { return !p.NoRefresh }

// Validates tells whether the provider can be asked if a token is good.
func (p *Provider) Validates() bool { return p.ValidateURL != "" }
