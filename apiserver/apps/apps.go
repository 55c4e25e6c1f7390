// SPDX-License-Identifier: Apache-2.0

// Package apps says at which hosts workspaces' apps are, and carries a person's session from the server's own host to one of
// theirs. A browser sends the server's cookie to that host alone, so the app's host gets one of its own: the server leads the
// browser there with a code, and the host takes a session for it, which opens that app and nothing else. Apps themselves are
// not served yet.
package apps

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/apphost"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

const (
	// cookieName is the cookie of a session at an app's host.
	cookieName = "coder_subdomain_app_session_token"
	// codeParameter is the code on the way there.
	codeParameter = "coder_application_connect_api_key"
	// perMinute is how often one person is led to apps; each time something is written.
	perMinute = 60
)

// Handlers serves the hosts of apps.
type Handlers struct {
	// Store is where people are found.
	Store *store.Store
	// Credentials makes codes, and sessions of them.
	Credentials *credentials.Store
	// Hosts are those of apps.
	Hosts apphost.Wildcard
	// Lifetime is how long a session lives after its last use.
	Lifetime time.Duration
	// Secure says that people reach the server by https, so that cookies can be bound to their host.
	Secure bool
}

// Routes is all that this package serves at the server's own host.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/applications/host", Tag: "Applications", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.host)},
		{Method: "GET", Path: "/api/v2/applications/auth-redirect", Tag: "Applications", Door: httpapi.SessionDirect, Led: true, Action: authz.Create, Status: 307, PerMinute: perMinute,
			Do: httpapi.Redirect(h.lead)},
	}
}

func (h *Handlers) host(context.Context, httpapi.None) (codersdk.AppHostResponse, error) {
	return codersdk.AppHostResponse{Host: h.Hosts.Host()}, nil
}

// lead leads the caller's browser back to an app, with a code for the app's host.
func (h *Handlers) lead(r *http.Request) (httpapi.Redirection, error) {
	var none httpapi.Redirection
	caller := authz.From(r.Context())
	if err := httpapi.Allow(r.Context(), authz.Create, authz.KeyObject(caller.User)); err != nil {
		return none, err
	}
	if h.Hosts.Host() == "" {
		return none, fault.New(fault.Invalid, "Apps have no hosts of their own here: the deployment sets no wildcard access URL.")
	}
	given := r.URL.Query()["redirect_uri"]
	if len(given) != 1 {
		return none, fault.On("redirect_uri", "must be given once: the URL of an app")
	}
	to, ok := h.Hosts.URL(given[0])
	if !ok {
		return none, fault.On("redirect_uri", "must be the URL of an app: its host is one name below %s", h.Hosts.Host())
	}
	code, err := h.Credentials.IssueCode(r.Context(), caller.Account, ids.Of(caller.Account), caller.Key, to.Host, h.Lifetime)
	if err != nil {
		return none, err
	}
	to.RawQuery = apphost.With(to.RawQuery, codeParameter, code)
	return httpapi.Redirection{To: to.String()}, nil
}

// Covers tells whether a request for the host is for an app.
func (h *Handlers) Covers(host string) bool { return h.Hosts.Covers(host) }

// Enter takes a session for the code that a request brings, and leads to the same page without it, so that it stands neither
// in the browser's address nor in what the app sees.
func (h *Handlers) Enter(r *http.Request) (httpapi.Redirection, bool, error) {
	var none httpapi.Redirection
	codes := r.URL.Query()[codeParameter]
	app, ok := h.Hosts.App(r.Host)
	if !ok || len(codes) == 0 {
		return none, false, nil
	}
	if len(codes) > 1 {
		return none, true, fault.On(codeParameter, "must be given once")
	}
	token, _, err := h.Credentials.RedeemCode(r.Context(), codes[0], app, h.admit)
	if err != nil {
		return none, true, err
	}
	page := h.Hosts.Page(app, r.URL)
	page.RawQuery = apphost.With(page.RawQuery, codeParameter, "")
	return httpapi.Redirection{To: page.String(), Cookies: []*http.Cookie{h.cookie(token)}}, true, nil
}

// admit refuses whose account is gone or suspended meanwhile.
func (h *Handlers) admit(ctx context.Context, user uuid.UUID) error {
	u, err := h.Store.UserByID(ctx, user)
	if fault.Is(err, fault.NotFound) || err == nil && (u.Spec.Suspended || u.DeletionTimestamp != nil) {
		return authn.Suspended()
	}
	return err
}

// cookie holds a session for as long as the browser runs. It is of this very host: on https by its name as well, so that no
// other app can plant one.
func (h *Handlers) cookie(token string) *http.Cookie {
	c := httpapi.ShortCookies{Secure: h.Secure}.Set(cookieName, token, time.Minute)
	c.MaxAge = 0
	return c
}
