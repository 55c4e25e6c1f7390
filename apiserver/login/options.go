// SPDX-License-Identifier: Apache-2.0

package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/signin"
)

// Options say at which identity providers people sign in, in the words of the flags. The zero value is none.
type Options struct {
	oidc   oidcOptions
	gitHub gitHubOptions
}

type oidcOptions struct {
	issuerURL, clientID, secretFile                  string
	scopes, emailDomains, allowedGroups              []string
	authURLParams, groupMapping                      map[string]string
	roleMapping                                      map[string][]string
	defaultRoles                                     []string
	allowSignups, ignoreEmailVerified, ignoreInfo    bool
	emailField, usernameField, groupField, roleField string
	groupFilter                                      string
	signInText, iconURL                              string
}

type gitHubOptions struct {
	clientID, secretFile, baseURL string
	allowedOrgs, allowedTeams     []string
	allowSignups, allowEveryone   bool
}

// AddFlags gives the options flags, which are called as the deployment config of the API calls them.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	c := &o.oidc
	f.StringVar(&c.issuerURL, "oidc-issuer-url", "", "URL of the OpenID Connect provider; empty means none")
	f.StringVar(&c.clientID, "oidc-client-id", "", "what the OpenID Connect provider knows this deployment by")
	f.StringVar(&c.secretFile, "oidc-client-secret-file", "", "file that holds the client's secret; it may be replaced at any time")
	f.StringSliceVar(&c.scopes, "oidc-scopes", []string{"openid", "profile", "email"}, "scopes to ask for; offline_access makes most providers give refresh tokens")
	f.Var(jsonValue[map[string]string]{&c.authURLParams}, "oidc-auth-url-params", `JSON object of parameters to send browsers to the provider with, such as {"access_type":"offline"}`)
	f.StringSliceVar(&c.emailDomains, "oidc-email-domain", nil, "domains whose addresses may sign in; * is every one")
	f.BoolVar(&c.allowSignups, "oidc-allow-signups", false, "make accounts for people who have none; needs --oidc-email-domain or --oidc-allowed-groups")
	f.BoolVar(&c.ignoreEmailVerified, "oidc-ignore-email-verified", false, "believe addresses that the provider has not verified")
	f.BoolVar(&c.ignoreInfo, "oidc-ignore-userinfo", false, "take the ID token's claims alone")
	f.StringVar(&c.emailField, "oidc-email-field", "email", "claim that holds the address")
	f.StringVar(&c.usernameField, "oidc-username-field", "preferred_username", "claim that holds the username a new account gets")
	f.StringVar(&c.groupField, "oidc-group-field", "", "claim that names the person's groups; empty leaves groups alone")
	f.Var(jsonValue[map[string]string]{&c.groupMapping}, "oidc-group-mapping", `JSON object from the provider's groups to Berth's: {"/staff/dev":"backend","/staff/ops":"data/ops"}`)
	f.StringVar(&c.groupFilter, "oidc-group-regex-filter", "", "expression that a group's name must match, after the mapping, to count")
	f.StringSliceVar(&c.allowedGroups, "oidc-allowed-groups", nil, "groups, after the mapping, of which a person must be in one; empty means none is needed")
	f.StringVar(&c.roleField, "oidc-user-role-field", "", "claim that names the person's roles; empty leaves roles alone")
	f.Var(jsonValue[map[string][]string]{&c.roleMapping}, "oidc-user-role-mapping", `JSON object from the provider's roles to Berth's: {"platform":["template-admin"]}; others give nothing`)
	f.StringSliceVar(&c.defaultRoles, "oidc-user-role-default", nil, "roles of everybody who signs in, where roles come from a claim")
	f.StringVar(&c.signInText, "oidc-sign-in-text", "OpenID Connect", "what the sign-in button says")
	f.StringVar(&c.iconURL, "oidc-icon-url", "", "picture on the sign-in button")

	g := &o.gitHub
	f.StringVar(&g.clientID, "oauth2-github-client-id", "", "what GitHub knows this deployment by; empty means no sign-in there")
	f.StringVar(&g.secretFile, "oauth2-github-client-secret-file", "", "file that holds the client's secret; it may be replaced at any time")
	f.StringSliceVar(&g.allowedOrgs, "oauth2-github-allowed-orgs", nil, "organizations at GitHub whose members may sign in")
	f.StringSliceVar(&g.allowedTeams, "oauth2-github-allowed-teams", nil, "teams at GitHub whose members may sign in, as ORGANIZATION/SLUG")
	f.BoolVar(&g.allowEveryone, "oauth2-github-allow-everyone", false, "let in whoever has an account at GitHub")
	f.BoolVar(&g.allowSignups, "oauth2-github-allow-signups", false, "make accounts for people who have none")
	f.StringVar(&g.baseURL, "oauth2-github-enterprise-base-url", "", "URL of an enterprise's own GitHub")
}

// Providers are the identity providers that the options ask for. What is wrong with them is said by the flag. accessURL is
// where people reach the server, to which providers send them back.
func (o *Options) Providers(accessURL string, now func() time.Time) (Providers, error) {
	var p Providers
	if (o.oidc.issuerURL != "" || o.gitHub.clientID != "") && accessURL == "" {
		return p, errors.New("--access-url: is required where people sign in at an identity provider, which sends them back there")
	}
	var err error
	if o.oidc.issuerURL != "" {
		if p.OIDC, err = o.oidc.provider(now); err != nil {
			return p, err
		}
	}
	if o.gitHub.clientID != "" {
		p.GitHub, err = o.gitHub.provider()
	}
	return p, err
}

func (c *oidcOptions) provider(now func() time.Time) (*Provider, error) {
	p := &Provider{LoginType: v1alpha1.LoginTypeOIDC, Text: c.signInText, IconURL: c.iconURL}
	p.Rules = signin.Rules{
		EmailDomains: c.emailDomains, IgnoreEmailVerified: c.ignoreEmailVerified, Signups: c.allowSignups,
		SyncGroups: c.groupField != "", GroupMapping: c.groupMapping, AllowedGroups: c.allowedGroups,
		SyncRoles: c.roleField != "", RoleMapping: map[string][]v1alpha1.SiteRole{},
	}
	switch {
	case c.allowSignups && len(c.emailDomains) == 0 && len(c.allowedGroups) == 0:
		return nil, errors.New("--oidc-allow-signups: needs --oidc-email-domain or --oidc-allowed-groups, since nobody is meant " +
			"where nothing is said; --oidc-email-domain=* is everybody whom the provider knows")
	case len(c.allowedGroups) > 0 && c.groupField == "":
		return nil, errors.New("--oidc-allowed-groups: needs --oidc-group-field, the claim that names a person's groups")
	case len(c.defaultRoles) > 0 && c.roleField == "":
		return nil, errors.New("--oidc-user-role-default: needs --oidc-user-role-field")
	}
	for _, d := range c.emailDomains {
		if d == "" || strings.ContainsAny(d, "@ /") || d != signin.AnyDomain && strings.Contains(d, "*") {
			return nil, fmt.Errorf("--oidc-email-domain %q: want a whole domain, such as example.org, or * alone", d)
		}
	}
	var err error
	if c.groupFilter != "" {
		if p.Rules.GroupFilter, err = regexp.Compile(c.groupFilter); err != nil {
			return nil, fmt.Errorf("--oidc-group-regex-filter: %w", err)
		}
	}
	if p.Rules.DefaultRoles, err = readRoles("--oidc-user-role-default", c.defaultRoles); err != nil {
		return nil, err
	}
	for name, roles := range c.roleMapping {
		if p.Rules.RoleMapping[name], err = readRoles("--oidc-user-role-mapping", roles); err != nil {
			return nil, err
		}
	}
	secret, err := secretOf("--oidc-client-secret-file", c.secretFile)
	if err != nil {
		return nil, err
	}
	p.Asks, err = signin.NewOIDC(signin.OIDCConfig{
		IssuerURL: c.issuerURL, ClientID: c.clientID, Secret: secret, Scopes: c.scopes, AuthURLParams: c.authURLParams, IgnoreUserInfo: c.ignoreInfo,
		EmailField: c.emailField, UsernameField: c.usernameField, GroupsField: c.groupField, RolesField: c.roleField,
	}, now)
	if err != nil {
		return nil, fmt.Errorf("--oidc: %w", err)
	}
	return p, nil
}

func (c *gitHubOptions) provider() (*Provider, error) {
	secret, err := secretOf("--oauth2-github-client-secret-file", c.secretFile)
	if err != nil {
		return nil, err
	}
	asks, err := signin.NewGitHub(signin.GitHubConfig{
		BaseURL: c.baseURL, ClientID: c.clientID, Secret: secret,
		AllowedOrgs: c.allowedOrgs, AllowedTeams: c.allowedTeams, AllowEveryone: c.allowEveryone,
	})
	if err != nil {
		return nil, fmt.Errorf("--oauth2-github: %w", err)
	}
	return &Provider{LoginType: v1alpha1.LoginTypeGitHub, Asks: asks, Rules: signin.Rules{Signups: c.allowSignups}}, nil
}

// secretOf reads a secret from its file whenever it is needed; that it can be read now is found out at once.
func secretOf(flag, file string) (func() (string, error), error) {
	read := func() (string, error) {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		secret := strings.TrimSpace(string(data))
		if secret == "" {
			return "", fmt.Errorf("%s: %s is empty", flag, file)
		}
		return secret, nil
	}
	if file == "" {
		return nil, fmt.Errorf("%s: is required", flag)
	}
	_, err := read()
	return read, err
}

// readRoles reads roles as the wire names them.
func readRoles(flag string, names []string) ([]v1alpha1.SiteRole, error) {
	roles, unknown := view.ReadSiteRoles(names)
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("%s: no role is called %s", flag, strings.Join(unknown, ", "))
	}
	return roles, nil
}

// jsonValue is a flag whose text is JSON.
type jsonValue[T any] struct{ into *T }

// Set reads the text; "" is nothing.
func (v jsonValue[T]) Set(text string) error {
	var read T
	if text != "" {
		if err := json.Unmarshal([]byte(text), &read); err != nil {
			return err
		}
	}
	*v.into = read
	return nil
}

// String is the value as JSON.
func (v jsonValue[T]) String() string {
	if v.into == nil {
		return ""
	}
	text, err := json.Marshal(*v.into)
	if err != nil || string(text) == "null" {
		return ""
	}
	return string(text)
}

// Type is what help calls the value.
func (jsonValue[T]) Type() string { return "json" }
