// SPDX-License-Identifier: Apache-2.0

// Package externalauth lets people sign in to the git hosts and other services that their workspaces use in their names, by a
// browser or a device's code, shows how they stand there, and signs them out. Tokens never leave it by these routes: what
// gives one to a workspace's agent is package agentapi. Speaking with providers is internal/externalauth's business, keeping
// what they gave internal/externalauth/links'.
package externalauth

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// perMinute is how often one person may ask for what asks a provider, which bounds how often this deployment may.
const perMinute = 60

// Handlers serves external providers.
type Handlers struct {
	// Links are the providers, and who is signed in to them.
	Links *links.Links
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
	// Secure says that people reach the server by https, so that cookies can be bound to it.
	Secure bool
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/external-auth", Tag: "Git", Door: httpapi.SessionDirect, Status: 200, PerMinute: perMinute,
			Do: httpapi.Visible(h.list)},
		{Method: "GET", Path: "/api/v2/external-auth/{externalauth}", Tag: "Git", Door: httpapi.SessionDirect, Status: 200, PerMinute: perMinute,
			Do: httpapi.On(h.own, authz.Read, h.show)},
		{Method: "DELETE", Path: "/api/v2/external-auth/{externalauth}", Tag: "Git", Door: httpapi.SessionDirect, Status: 200, PerMinute: perMinute,
			Do: httpapi.On(h.kept, authz.Delete, h.unlink)},
		{Method: "GET", Path: "/api/v2/external-auth/{externalauth}/device", Tag: "Git", Door: httpapi.SessionDirect, Status: 200, PerMinute: perMinute,
			Do: httpapi.On(h.own, authz.Read, h.device)},
		{Method: "POST", Path: "/api/v2/external-auth/{externalauth}/device", Tag: "Git", Door: httpapi.SessionDirect, Status: 204, PerMinute: perMinute,
			Do: httpapi.On(h.own, authz.Update, h.exchange)},
		{Method: "GET", Path: "/external-auth/{externalauth}/callback", Tag: "Root", Door: httpapi.SessionDirect, Led: true, Action: authz.Update, Status: 307, PerMinute: perMinute,
			Do: httpapi.Redirect(h.callback)},
		{Method: "GET", Path: "/gitauth/{externalauth}/callback", Tag: "Root", Door: httpapi.SessionDirect, Led: true, Action: authz.Update, Status: 307, PerMinute: perMinute,
			Do: httpapi.Redirect(h.callback)},
	}
}

// own is a Load of the path's provider, with the rights to the caller's own credentials.
func (h *Handlers) own(r *http.Request) (*externalauth.Provider, authz.Object, error) {
	rights := authz.KeyObject(authz.From(r.Context()).User)
	p := h.Links.Provider(r.PathValue("externalauth"))
	if p == nil {
		return nil, rights, fault.New(fault.NotFound, "")
	}
	return p, rights, nil
}

// kept is a Load of the id of a provider that the path names and that the caller is signed in to, or that there is. Who was
// signed in to one that the deployment has no more can still have it forgotten.
func (h *Handlers) kept(r *http.Request) (string, authz.Object, error) {
	p, rights, err := h.own(r)
	if err == nil {
		return p.ID, rights, nil
	}
	if h.Links == nil {
		return "", rights, err
	}
	id := r.PathValue("externalauth")
	_, ok, lost := h.Links.Keys.External(r.Context(), ids.Of(account(r.Context())), id)
	if lost != nil || ok {
		return id, rights, lost
	}
	return "", rights, err
}

func account(ctx context.Context) *v1alpha1.User { return authz.From(ctx).Account }

// list shows all providers, and how the caller stands with each that the caller is signed in to: each is asked.
func (h *Handlers) list(ctx context.Context, _ httpapi.None) (codersdk.ListUserExternalAuthResponse, error) {
	out := codersdk.ListUserExternalAuthResponse{Providers: []codersdk.ExternalAuthLinkProvider{}, Links: []codersdk.ExternalAuthLink{}}
	if h.Links == nil {
		return out, nil
	}
	all, err := h.Links.Keys.Externals(ctx, ids.Of(account(ctx)))
	if err != nil {
		return out, err
	}
	for _, p := range h.Links.Providers {
		out.Providers = append(out.Providers, codersdk.ExternalAuthLinkProvider{
			ID: p.ID, Type: p.Type, Device: p.DeviceFlow, DisplayName: p.DisplayName, DisplayIcon: p.DisplayIcon,
			AllowRefresh: p.Refreshes(), AllowValidate: p.Validates(),
		})
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s := links.State{Link: all[id], Problem: "The deployment has this provider no more."}
		if p := h.Links.Provider(id); p != nil {
			if s, err = h.Links.Check(ctx, account(ctx), p); err != nil {
				return out, err
			}
		}
		out.Links = append(out.Links, codersdk.ExternalAuthLink{
			ProviderID: id, CreatedAt: s.Link.CreatedAt, UpdatedAt: s.Link.UpdatedAt, HasRefreshToken: s.Link.Refresh != "",
			Expires: s.Link.ExpiresAt, Authenticated: s.Authenticated, ValidateError: s.Problem,
		})
	}
	return out, nil
}

// show asks a provider about the caller.
func (h *Handlers) show(ctx context.Context, p *externalauth.Provider, _ httpapi.None) (codersdk.ExternalAuth, error) {
	out := codersdk.ExternalAuth{Device: p.DeviceFlow, DisplayName: p.DisplayName, AppInstallURL: p.AppInstallURL}
	s, err := h.Links.Check(ctx, account(ctx), p)
	if err != nil || !s.Authenticated {
		return out, err
	}
	out.Authenticated = true
	if s.Person != nil {
		person := shown(*s.Person)
		out.User = &person
	}
	all, installable, err := p.Installations(ctx, s.Link.Access)
	if err != nil || !installable {
		return out, err
	}
	out.AppInstallable, out.Installations = true, []codersdk.ExternalAuthAppInstallation{}
	for _, i := range all {
		out.Installations = append(out.Installations, codersdk.ExternalAuthAppInstallation{ID: i.ID, Account: shown(i.Account), ConfigureURL: i.ConfigureURL})
	}
	return out, nil
}

func shown(p externalauth.Person) codersdk.ExternalAuthUser {
	return codersdk.ExternalAuthUser{Login: p.Login, AvatarURL: p.AvatarURL, ProfileURL: p.ProfileURL, Name: p.Name}
}

// unlink signs the caller out of a provider.
func (h *Handlers) unlink(ctx context.Context, id string, _ httpapi.None) (httpapi.None, error) {
	return httpapi.None{}, h.Links.Unlink(ctx, account(ctx), id)
}

// device begins to sign in by a device's code.
func (h *Handlers) device(ctx context.Context, p *externalauth.Provider, _ httpapi.None) (codersdk.ExternalAuthDevice, error) {
	d, err := p.Device(ctx)
	return codersdk.ExternalAuthDevice{DeviceCode: d.DeviceCode, UserCode: d.UserCode, VerificationURI: d.VerificationURI, ExpiresIn: d.ExpiresIn, Interval: d.Interval}, err
}

// exchange keeps what a device's code has come to.
func (h *Handlers) exchange(ctx context.Context, p *externalauth.Provider, in codersdk.ExternalAuthDeviceExchange) (httpapi.None, error) {
	t, err := p.DeviceToken(ctx, in.DeviceCode)
	if err != nil {
		return httpapi.None{}, err
	}
	return httpapi.None{}, h.Links.Link(ctx, account(ctx), p, t)
}
