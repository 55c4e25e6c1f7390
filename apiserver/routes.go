// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"log/slog"
	"slices"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/agentapi"
	"github.com/berth-dev/berth/apiserver/apps"
	"github.com/berth-dev/berth/apiserver/auditlog"
	"github.com/berth-dev/berth/apiserver/authcheck"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/builds"
	"github.com/berth-dev/berth/apiserver/entitlements"
	"github.com/berth-dev/berth/apiserver/externalauth"
	"github.com/berth-dev/berth/apiserver/files"
	"github.com/berth-dev/berth/apiserver/groups"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/keys"
	"github.com/berth-dev/berth/apiserver/login"
	"github.com/berth-dev/berth/apiserver/organizations"
	"github.com/berth-dev/berth/apiserver/quotas"
	"github.com/berth-dev/berth/apiserver/root"
	"github.com/berth-dev/berth/apiserver/scim"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/templates"
	"github.com/berth-dev/berth/apiserver/users"
	"github.com/berth-dev/berth/apiserver/versions"
	"github.com/berth-dev/berth/apiserver/workspaces"
	"github.com/berth-dev/berth/internal/apphost"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/examples"
	"github.com/berth-dev/berth/internal/externalauth/links"
	kept "github.com/berth-dev/berth/internal/files"
)

// Deps is what the handlers work with. The zero value is enough to list the routes.
type Deps struct {
	// Store reads and writes objects.
	Store *store.Store
	// Credentials keeps passwords and keys.
	Credentials *credentials.Store
	// Files keeps archives.
	Files *kept.Files
	// MaxTokenLifetime is how long a token may live at most.
	MaxTokenLifetime time.Duration
	// Attempts bounds how often a wrong password is given.
	Attempts *httpapi.Attempts
	// SessionLifetime is how long a session lives after its last use.
	SessionLifetime time.Duration
	// NoPasswords says that only owners sign in with a password.
	NoPasswords bool
	// Noter is told who was there.
	Noter authn.Noter
	// Providers are where else than here people sign in.
	Providers login.Providers
	// Auditor holds the audit log.
	Auditor *auditlog.Auditor
	// External are the external providers that workspaces use, and who is signed in to them.
	External *links.Links
	// SCIM says that an identity provider may keep accounts.
	SCIM bool
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
	// Apps are the hosts of apps.
	Apps apphost.Wildcard
	// Secure says that they do so by https.
	Secure bool
	// Replica names this process among the API servers.
	Replica string
	// Log takes what no answer says.
	Log *slog.Logger
	// Now tells the time.
	Now func() time.Time
}

// Routes lists every route of the API: the tables of all packages.
func Routes(d Deps) []httpapi.Route {
	return slices.Concat(
		(&root.Handlers{AccessURL: d.AccessURL}).Routes(),
		d.login().Routes(),
		(&users.Handlers{Store: d.Store, Credentials: d.Credentials, Attempts: d.Attempts, ByProvider: d.Providers.SetRoles, Now: d.Now}).Routes(),
		(&keys.Handlers{Store: d.Store, Credentials: d.Credentials, MaxLifetime: d.MaxTokenLifetime}).Routes(),
		(&organizations.Handlers{Store: d.Store}).Routes(),
		(&groups.Handlers{Store: d.Store, Now: d.Now}).Routes(),
		(&scim.Handlers{Store: d.Store, Credentials: d.Credentials, Now: d.Now}).Routes(),
		(&authcheck.Handlers{Store: d.Store}).Routes(),
		(&auditlog.Handlers{Auditor: d.Auditor, Store: d.Store}).Routes(),
		(&entitlements.Handlers{Store: d.Store, Settings: d.features(), Now: d.Now}).Routes(),
		(&quotas.Handlers{Store: d.Store}).Routes(),
		(&templates.Handlers{Store: d.Store, Now: d.Now}).Routes(),
		(&versions.Handlers{Store: d.Store, Files: d.Files, Example: examples.Archive, External: d.External, AccessURL: d.AccessURL, Now: d.Now}).Routes(),
		(&files.Handlers{Store: d.Store, Files: d.Files}).Routes(),
		(&workspaces.Handlers{Store: d.Store, External: d.External, Now: d.Now}).Routes(),
		(&builds.Handlers{Store: d.Store, External: d.External, Now: d.Now}).Routes(),
		(&externalauth.Handlers{Links: d.External, AccessURL: d.AccessURL, Secure: d.Secure}).Routes(),
		d.apps().Routes(),
		(&agentapi.Handlers{Store: d.Store, External: d.External, AccessURL: d.AccessURL, Replica: d.Replica, Log: d.Log, Now: d.Now}).Routes(),
	)
}

// features are the settings that turn features on.
func (d Deps) features() entitlements.Settings {
	s := entitlements.Settings{SCIM: d.SCIM, RoleSync: d.Providers.SetRoles(v1alpha1.LoginTypeOIDC) || d.Providers.SetRoles(v1alpha1.LoginTypeGitHub)}
	if d.External != nil {
		s.ExternalProviders = len(d.External.Providers)
	}
	return s
}

// apps are the handlers of apps.
func (d Deps) apps() *apps.Handlers {
	return &apps.Handlers{Store: d.Store, Credentials: d.Credentials, Hosts: d.Apps, Lifetime: d.SessionLifetime, Secure: d.Secure}
}

// login are the handlers of signing in.
func (d Deps) login() *login.Handlers {
	return &login.Handlers{
		Store: d.Store, Credentials: d.Credentials, Attempts: d.Attempts, Noter: d.Noter, Providers: d.Providers,
		Lifetime: d.SessionLifetime, NoPasswords: d.NoPasswords,
		AccessURL: d.AccessURL, Secure: d.Secure, Now: d.Now,
	}
}
