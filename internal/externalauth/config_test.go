// SPDX-License-Identifier: Apache-2.0

package externalauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/externalauth"
)

func TestTypesKnowTheirURLs(t *testing.T) {
	for name, c := range map[string]struct {
		config                            externalauth.Config
		auth, token, validate, revoke, dc string
		matches                           string
	}{
		"GitHub": {externalauth.Config{Type: "github"}, "https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token",
			"https://api.github.com/user", "https://api.github.com/applications/id/token", "https://github.com/login/device/code", "https://github.com/acme/x"},
		"an enterprise's GitHub": {externalauth.Config{Type: "github", AuthURL: "https://git.acme.test/login/oauth/authorize"}, "https://git.acme.test/login/oauth/authorize",
			"https://git.acme.test/login/oauth/access_token", "https://git.acme.test/api/v3/user", "https://git.acme.test/api/v3/applications/id/token",
			"https://git.acme.test/login/device/code", "https://git.acme.test"},
		"GitLab": {externalauth.Config{Type: "gitlab"}, "https://gitlab.com/oauth/authorize", "https://gitlab.com/oauth/token",
			"https://gitlab.com/oauth/token/info", "https://gitlab.com/oauth/revoke", "https://gitlab.com/oauth/authorize_device", "https://gitlab.com/x"},
		"Gitea": {externalauth.Config{Type: "gitea", AuthURL: "https://tea.test/login/oauth/authorize", ValidateURL: "https://tea.test/api/v1/user"},
			"https://tea.test/login/oauth/authorize", "https://tea.test/login/oauth/access_token", "https://tea.test/api/v1/user", "", "", "tea.test/x"},
		"Bitbucket": {externalauth.Config{Type: "bitbucket-cloud"}, "https://bitbucket.org/site/oauth2/authorize", "https://bitbucket.org/site/oauth2/access_token",
			"https://api.bitbucket.org/2.0/user", "", "", "https://ada@bitbucket.org/x"},
		"Azure DevOps": {externalauth.Config{Type: "azure-devops-entra", AuthURL: "https://login.test/t/authorize", TokenURL: "https://login.test/t/token"},
			"https://login.test/t/authorize", "https://login.test/t/token", "", "", "", "https://dev.azure.com/acme"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.ClientID, c.config.Secret = "id", secret
			p, err := externalauth.New(c.config, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]string{"auth": {p.AuthURL, c.auth}, "token": {p.TokenURL, c.token}, "validate": {p.ValidateURL, c.validate},
				"revoke": {p.RevokeURL, c.revoke}, "device": {p.DeviceCodeURL, c.dc}} {
				if pair[0] != pair[1] {
					t.Errorf("%s: %s, want %s", what, pair[0], pair[1])
				}
			}
			if !p.Matches(c.matches) || p.ID != c.config.Type || p.DisplayName == "" {
				t.Errorf("%s is not one of %+v's", c.matches, p.Config)
			}
		})
	}
}

// What is given to one host is not asked for by the name of another.
func TestOnlyTheHostsOwnURLsMatch(t *testing.T) {
	for _, regex := range []string{"", `github\.com`, `^(https?://)?github\.com(/.*)?$`, `https://github\.com`, `gitlab\.com|github\.com`} {
		p, err := externalauth.New(externalauth.Config{Type: "github", ClientID: "id", Secret: secret, Regex: regex}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]bool{
			"https://github.com": true, "https://github.com/": true, "https://github.com/acme/x.git": true, "https://ada@github.com/acme": true,
			"": false, "https://github.com.evil.test/x": false, "https://evil.test/github.com": false, "https://evil.test/https://github.com/": false,
			"https://evil.test/?x=github.com": false, "https://evil.test#github.com": false, "https://evil-github.com": false, "https://github.com@evil.test/": false,
			"https://evil.test\\github.com": false, "https://evil.test/\nhttps://github.com": false, "https://githubXcom": false, "https://github.com:8443/": false,
			"ssh://github.com": false, "https://github.com/" + strings.Repeat("x", 3000): false, "https://gitlab.com.evil.test": false, "https://github.com?@evil.test": false,
		} {
			if have := p.Matches(text); have != want {
				t.Errorf("%q of %.40q: %v, want %v", regex, text, have, want)
			}
		}
	}
}

func TestWrongConfigsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*externalauth.Config)
		want   string
	}{
		"no client":                 {func(c *externalauth.Config) { c.ClientID = "" }, "client_id"},
		"no secret":                 {func(c *externalauth.Config) { c.Secret = nil }, "client_secret_file"},
		"a plain auth URL":          {func(c *externalauth.Config) { c.AuthURL = "http://git.acme.test/x" }, "https"},
		"a plain token URL":         {func(c *externalauth.Config) { c.TokenURL = "http://git.acme.test/x" }, "token_url"},
		"a plain validate URL":      {func(c *externalauth.Config) { c.ValidateURL = "http://169.254.169.254/" }, "validate_url"},
		"a user in a URL":           {func(c *externalauth.Config) { c.RevokeURL = "https://a:b@git.acme.test/" }, "revoke_url"},
		"another scheme":            {func(c *externalauth.Config) { c.DeviceCodeURL = "file:///etc/passwd" }, "device_code_url"},
		"a script for an icon":      {func(c *externalauth.Config) { c.DisplayIcon = "javascript:alert(1)" }, "display_icon"},
		"an id that leads out":      {func(c *externalauth.Config) { c.ID = "../x" }, "id"},
		"a type of other letters":   {func(c *externalauth.Config) { c.Type = "Git Hub" }, "type"},
		"a regex that is none":      {func(c *externalauth.Config) { c.Regex = "(" }, "regex"},
		"a regex that closes ours":  {func(c *externalauth.Config) { c.Regex = "x)|(?:.*" }, "regex"},
		"an unknown type, no URLs":  {func(c *externalauth.Config) { c.Type = "forge" }, "auth_url"},
		"no place for the device":   {func(c *externalauth.Config) { c.Type, c.DeviceFlow = "bitbucket-cloud", true }, "device_code_url"},
		"Bitbucket's own, no place": {func(c *externalauth.Config) { c.Type = "bitbucket-server" }, "auth_url"},
	} {
		config := externalauth.Config{Type: "github", ClientID: "id", Secret: secret}
		c.change(&config)
		if _, err := externalauth.New(config, time.Now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to name %s", name, err, c.want)
		}
	}
}
