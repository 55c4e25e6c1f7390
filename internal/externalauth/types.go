// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// The types that are known by name.
const (
	GitHub          = "github"
	GitLab          = "gitlab"
	Gitea           = "gitea"
	BitbucketCloud  = "bitbucket-cloud"
	BitbucketServer = "bitbucket-server"
	AzureDevOps     = "azure-devops-entra"
)

// known is what is known of a type. Its URLs are paths below the host where people sign in, or below its API, which starts
// with "api:"; a path that starts with "https:" is whole.
type known struct {
	home             string // where the service itself is; empty where every installation is somebody's own
	api              func(home string) string
	name, icon       string
	auth, token      string
	validate, revoke string
	device           string
	installations    string
	scopes           []string
	host             string // of git, where it is another than the one where people sign in
}

// apiPrefix stands before a path below the API.
const apiPrefix = "api:"

func knownType(t string) known {
	switch t {
	case GitHub:
		return known{home: "https://github.com", name: "GitHub", icon: "/icon/github.svg", auth: "/login/oauth/authorize", token: "/login/oauth/access_token",
			device: "/login/device/code", validate: "api:/user", installations: "api:/user/installations", revoke: "api:/applications/{client_id}/token",
			scopes: []string{"repo", "workflow"}, api: gitHubAPI}
	case GitLab:
		return known{home: "https://gitlab.com", name: "GitLab", icon: "/icon/gitlab.svg", auth: "/oauth/authorize", token: "/oauth/token",
			device: "/oauth/authorize_device", validate: "/oauth/token/info", revoke: "/oauth/revoke", scopes: []string{"write_repository"}}
	case Gitea:
		return known{home: "https://gitea.com", name: "Gitea", icon: "/icon/gitea.svg", auth: "/login/oauth/authorize", token: "/login/oauth/access_token",
			validate: "/login/oauth/userinfo", scopes: []string{"read:user", "write:repository"}}
	case BitbucketCloud:
		return known{home: "https://bitbucket.org", name: "Bitbucket", icon: "/icon/bitbucket.svg", auth: "/site/oauth2/authorize", token: "/site/oauth2/access_token",
			validate: "https://api.bitbucket.org/2.0/user", scopes: []string{"account", "repository:write"}}
	case BitbucketServer:
		return known{name: "Bitbucket", icon: "/icon/bitbucket.svg", auth: "/rest/oauth2/latest/authorize", token: "/rest/oauth2/latest/token",
			validate: "/rest/api/latest/inbox/pull-requests/count", scopes: []string{"PUBLIC_REPOS", "REPO_READ", "REPO_WRITE"}}
	case AzureDevOps:
		return known{name: "Azure DevOps", icon: "/icon/azure-devops.svg", host: "dev.azure.com",
			scopes: []string{"499b84ac-1321-427f-aa17-267ca6975798/.default", "offline_access"}}
	}
	return known{}
}

// gitHubAPI is GitHub's API, or that of an enterprise's own GitHub.
func gitHubAPI(home string) string {
	if home == "https://github.com" {
		return "https://api.github.com"
	}
	return home + "/api/v3"
}

// fill fills in what the type knows. One whose auth_url is on another host than the service's own is somebody's own
// installation, whose other URLs are looked for on that host.
func (c *Config) fill() error {
	k := knownType(c.Type)
	home := k.home
	if c.AuthURL != "" {
		u, err := url.Parse(c.AuthURL)
		if err != nil || u.Host == "" {
			return fmt.Errorf("auth_url %q: want https://HOST/PATH", c.AuthURL)
		}
		home = u.Scheme + "://" + u.Host
	}
	at := func(into *string, path string) {
		switch api, below := strings.CutPrefix(path, apiPrefix); {
		case *into != "" || path == "" || home == "":
		case below && k.api != nil:
			*into = k.api(home) + strings.ReplaceAll(api, "{client_id}", url.PathEscape(c.ClientID))
		case strings.HasPrefix(path, "https:"):
			*into = path
		default:
			*into = home + path
		}
	}
	at(&c.AuthURL, k.auth)
	at(&c.TokenURL, k.token)
	at(&c.ValidateURL, k.validate)
	at(&c.RevokeURL, k.revoke)
	at(&c.DeviceCodeURL, k.device)
	at(&c.AppInstallationsURL, k.installations)
	if c.Scopes == nil {
		c.Scopes = k.scopes
	}
	if c.DisplayName == "" {
		c.DisplayName = k.name
	}
	if c.DisplayIcon == "" {
		c.DisplayIcon = k.icon
	}
	if c.Regex == "" && k.name != "" {
		host := k.host
		if u, err := url.Parse(home); err == nil && host == "" {
			host = u.Host
		}
		if host != "" {
			c.Regex = regexp.QuoteMeta(host)
		}
	}
	return nil
}
