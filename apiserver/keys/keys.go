// SPDX-License-Identifier: Apache-2.0

// Package keys makes, shows and ends API keys: further sessions, and the long-lived tokens that people make for their
// programs; and the key by which a person's workspaces reach git. What hands out or makes a key is served at /api/v2 only, or a short-lived Kubernetes identity would become a long-lived
// token. Keeping keys is internal/credentials' business.
package keys

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// sessionLifetime is how long a session lives after its last use that was made by a signed-in person for another client,
// such as a command line that has just been shown to a browser.
const sessionLifetime = 7 * 24 * time.Hour

// Handlers serves keys.
type Handlers struct {
	// Store is where people are found.
	Store *store.Store
	// Credentials keeps keys.
	Credentials *credentials.Store
	// MaxLifetime is how long a token may live at most.
	MaxLifetime time.Duration
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	user, key := httpapi.ByName("user", h.find), h.ofPath("keyid", byID)
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/users/{user}/keys", Tag: "Users", Door: httpapi.SessionDirect, Status: 201,
			Do: httpapi.On(user, authz.Create, h.createSession)},
		{Method: "GET", Path: "/api/v2/users/{user}/keys/{keyid}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(key, authz.Read, h.show)},
		{Method: "DELETE", Path: "/api/v2/users/{user}/keys/{keyid}", Tag: "Users", Door: httpapi.Session, Status: 204,
			Do: httpapi.On(key, authz.Delete, h.remove)},
		{Method: "GET", Path: "/api/v2/users/{user}/keys/tokens", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.tokens)},
		{Method: "POST", Path: "/api/v2/users/{user}/keys/tokens", Tag: "Users", Door: httpapi.SessionDirect, Status: 201,
			Do: httpapi.On(user, authz.Create, h.createToken)},
		{Method: "GET", Path: "/api/v2/users/{user}/keys/tokens/tokenconfig", Tag: "General", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(user, authz.Read, h.config)},
		{Method: "GET", Path: "/api/v2/users/{user}/keys/tokens/{keyname}", Tag: "Users", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.ofPath("keyname", byName), authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/users/{user}/gitsshkey", Tag: "Users", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.On(user, authz.Read, h.gitKey)},
		{Method: "PUT", Path: "/api/v2/users/{user}/gitsshkey", Tag: "Users", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.On(user, authz.Update, h.rotateGitKey)},
	}
}

// find takes an id, a username or "me". What it finds stands for all keys of that person.
func (h *Handlers) find(ctx context.Context, text string) (*v1alpha1.User, authz.Object, error) {
	u, err := h.Store.UserOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return u, authz.KeyObject(u.Name), nil
}

func byID(k credentials.Key, id string) bool { return k.ID == id }

func byName(k credentials.Key, name string) bool { return !k.Session && k.Name == name }

// ofPath is a Load of the one key of the path's user that the path's other part names.
func (h *Handlers) ofPath(part string, is func(credentials.Key, string) bool) httpapi.Load[credentials.Key] {
	return func(r *http.Request) (credentials.Key, authz.Object, error) {
		u, rights, err := h.find(r.Context(), r.PathValue("user"))
		if err != nil {
			return credentials.Key{}, rights, err
		}
		keys, err := h.Credentials.Keys(r.Context(), ids.Of(u))
		if err != nil {
			return credentials.Key{}, rights, err
		}
		for _, k := range keys {
			if is(k, r.PathValue(part)) {
				return k, rights, nil
			}
		}
		return credentials.Key{}, rights, fault.New(fault.NotFound, "")
	}
}

func (h *Handlers) show(_ context.Context, k credentials.Key, _ httpapi.None) (codersdk.APIKey, error) {
	return shown(k), nil
}

func (h *Handlers) remove(ctx context.Context, k credentials.Key, _ httpapi.None) (httpapi.None, error) {
	return httpapi.None{}, h.Credentials.Revoke(ctx, k.User, k.ID)
}

// tokens lists the person's tokens, or with include_all those of everybody whose keys the caller may see.
func (h *Handlers) tokens(ctx context.Context, u *v1alpha1.User, q httpapi.Query) ([]codersdk.APIKeyWithOwner, error) {
	all := q.Bool("include_all")
	if err := q.Err(); err != nil {
		return nil, err
	}
	list := make([]codersdk.APIKeyWithOwner, 0)
	if !all || !authz.From(ctx).Can(authz.Read, authz.KeyObject("")) {
		keys, err := h.Credentials.Keys(ctx, ids.Of(u))
		return appendTokens(list, u, keys), err
	}
	keys, err := h.Credentials.AllKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		owner, err := h.Store.UserByID(ctx, k.User)
		if fault.Is(err, fault.NotFound) {
			continue // it is going with its User
		}
		if err != nil {
			return nil, err
		}
		list = appendTokens(list, owner, []credentials.Key{k})
	}
	return list, nil
}

func appendTokens(list []codersdk.APIKeyWithOwner, owner *v1alpha1.User, keys []credentials.Key) []codersdk.APIKeyWithOwner {
	for _, k := range keys {
		if !k.Session {
			list = append(list, codersdk.APIKeyWithOwner{APIKey: shown(k), Username: owner.WireName()})
		}
	}
	return list
}

func (h *Handlers) config(context.Context, *v1alpha1.User, httpapi.None) (codersdk.TokenConfig, error) {
	return codersdk.TokenConfig{MaxTokenLifetime: h.MaxLifetime}, nil
}

func shown(k credentials.Key) codersdk.APIKey {
	wire := codersdk.APIKey{
		ID: k.ID, UserID: k.User, LastUsed: k.UsedAt, ExpiresAt: k.ExpiresAt, CreatedAt: k.CreatedAt, UpdatedAt: k.CreatedAt,
		LoginType: codersdk.LoginTypeToken, Scope: codersdk.APIKeyScope(k.Scope), TokenName: k.Name,
		LifetimeSeconds: int64(k.Lifetime / time.Second),
	}
	if k.UsedAt.After(k.CreatedAt) {
		wire.UpdatedAt = k.UsedAt
	}
	if k.Session {
		wire.LoginType = loginTypes[k.LoginType]
	}
	return wire
}

var loginTypes = map[v1alpha1.LoginType]codersdk.LoginType{
	v1alpha1.LoginTypePassword: codersdk.LoginTypePassword,
	v1alpha1.LoginTypeOIDC:     codersdk.LoginTypeOIDC,
	v1alpha1.LoginTypeGitHub:   codersdk.LoginTypeGithub,
}
