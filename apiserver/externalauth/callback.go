// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"crypto/subtle"
	"net/http"
	"net/url"

	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

const (
	// flowCookie holds a sign-in on its way. It is not that of signing in to Berth, which may be on its way beside it.
	flowCookie = "external_auth_state"
	signsIn    = "x"
)

func callbackPath(provider string) string {
	return "/external-auth/" + url.PathEscape(provider) + "/callback"
}

// callback signs the caller in to a provider: it leads there who comes without a code, and believes who comes back with one
// to the browser and the account that set out.
func (h *Handlers) callback(r *http.Request) (httpapi.Redirection, error) {
	p, rights, err := h.own(r)
	if err != nil {
		return httpapi.Redirection{}, fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
	}
	if err := httpapi.Allow(r.Context(), authz.Update, rights); err != nil {
		return httpapi.Redirection{}, err
	}
	cookies := httpapi.ShortCookies{Secure: h.Secure}
	if q := r.URL.Query(); q.Get("code") == "" && q.Get("error") == "" {
		return h.setOut(r, p, cookies)
	}
	to, err := h.comeBack(r, p, cookies.Sent(r, flowCookie))
	to.Cookies = append(to.Cookies, cookies.Set(flowCookie, "", 0)) // it is spent either way
	return to, err
}

// setOut leads to the provider.
func (h *Handlers) setOut(r *http.Request, p *externalauth.Provider, cookies httpapi.ShortCookies) (httpapi.Redirection, error) {
	to := r.URL.Query().Get("redirect")
	if to == "" {
		to = "/api/v2/external-auth/" + url.PathEscape(p.ID) // which shows what came of it
	}
	if !httpapi.LocalPath(to) {
		return httpapi.Redirection{}, fault.On("redirect", "must be a path of this site, such as /workspaces")
	}
	f := httpapi.NewFlow(signsIn, to)
	there, err := p.Begin(h.state(r, p, f), h.verifier(r, p, f), h.AccessURL+callbackPath(p.ID))
	if err != nil {
		return httpapi.Redirection{}, err
	}
	return httpapi.Redirection{To: there, Cookies: []*http.Cookie{cookies.Set(flowCookie, f.String(), httpapi.FlowLifetime)}}, nil
}

// comeBack keeps what the provider gives for the code.
func (h *Handlers) comeBack(r *http.Request, p *externalauth.Provider, sent string) (httpapi.Redirection, error) {
	none, q := httpapi.Redirection{}, r.URL.Query()
	f, ok := httpapi.ReadFlow(sent, signsIn)
	if !ok || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(h.state(r, p, f))) != 1 {
		return none, fault.New(fault.Forbidden, "This sign-in was not begun in this browser by this account, or too long ago. Begin again.")
	}
	if q.Get("error") != "" || len(q["code"]) != 1 {
		return none, fault.New(fault.Forbidden, "%s has not signed you in.", p.DisplayName)
	}
	t, err := p.Exchange(r.Context(), q.Get("code"), h.verifier(r, p, f), h.AccessURL+callbackPath(p.ID))
	if err != nil {
		return none, err
	}
	return httpapi.Redirection{To: f.To}, h.Links.Link(r.Context(), account(r.Context()), p, t)
}

// state and verifier are a flow's for one provider and one account: whoever else signs in to this browser meanwhile is not
// given what this account was to get.
func (h *Handlers) state(r *http.Request, p *externalauth.Provider, f httpapi.Flow) string {
	return f.Part("external state", h.place(r, p))
}

func (h *Handlers) verifier(r *http.Request, p *externalauth.Provider, f httpapi.Flow) string {
	return f.Part("external verifier", h.place(r, p))
}

func (h *Handlers) place(r *http.Request, p *externalauth.Provider) string {
	return h.AccessURL + callbackPath(p.ID) + "\x00" + ids.Of(account(r.Context())).String()
}
