// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/berth-dev/berth/internal/outbound"
)

const (
	// maxName and maxURLShown are how long what is only shown may be.
	maxName, maxURLShown = 256, 2048
	// maxInstallations is how many installations of an app are shown.
	maxInstallations = 100
)

// Validate asks whether an access token is still good, and whose it is where the provider tells that; nil where it does not.
// An error that is ErrRefused says that it is not good; any other that nobody knows.
func (p *Provider) Validate(ctx context.Context, access string) (*Person, error) {
	if p.ValidateURL == "" {
		return nil, nil
	}
	response, err := p.get(ctx, p.ValidateURL, access)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode == http.StatusForbidden && !limited(response):
		return nil, refused(fmt.Errorf("the validate URL answers status %d", response.StatusCode))
	default:
		return nil, unreachable(fmt.Errorf("the validate URL answers status %d", response.StatusCode))
	}
	var said wirePerson
	if json.NewDecoder(response.Body).Decode(&said) != nil {
		return nil, nil // it is good, and nobody says whose
	}
	person := said.person()
	if person.Login == "" {
		return nil, nil
	}
	return &person, nil
}

// limited tells whether a refusal is about how often was asked, as GitHub documents it, and not about the token.
func limited(r *http.Response) bool {
	return r.Header.Get("Retry-After") != "" || r.Header.Get("X-RateLimit-Remaining") == "0"
}

// Installations are where the deployment's app is installed, of what the person may see; false where there is no such app.
func (p *Provider) Installations(ctx context.Context, access string) ([]Installation, bool, error) {
	if p.AppInstallationsURL == "" {
		return nil, false, nil
	}
	response, err := p.get(ctx, p.AppInstallationsURL, access)
	if err != nil {
		return nil, false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
		return nil, false, nil // the client is no app that could be installed
	}
	if response.StatusCode != http.StatusOK {
		return nil, false, unreachable(fmt.Errorf("the app installations URL answers status %d", response.StatusCode))
	}
	var said struct {
		Installations []struct {
			ID      int64      `json:"id"`
			HTMLURL string     `json:"html_url"`
			Account wirePerson `json:"account"`
		} `json:"installations"`
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return nil, false, unreachable(errors.New("the app installations URL's answer can't be read"))
	}
	all := []Installation{}
	for _, i := range said.Installations[:min(len(said.Installations), maxInstallations)] {
		all = append(all, Installation{ID: i.ID, Account: i.Account.person(), ConfigureURL: shownURL(i.HTMLURL)})
	}
	return all, true, nil
}

// Revoke tells the provider that a token is not needed any more.
func (p *Provider) Revoke(ctx context.Context, t Token) error {
	if p.RevokeURL == "" {
		return nil
	}
	secret := ""
	if p.Secret != nil {
		var err error
		if secret, err = p.Secret(); err != nil {
			return unreachable(err)
		}
	}
	status := 0
	if p.Type == GitHub { // its documentation has a way of its own
		body, err := json.Marshal(map[string]string{"access_token": t.Access})
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodDelete, p.RevokeURL, bytes.NewReader(body))
		if err != nil {
			return unreachable(plain(err))
		}
		r.SetBasicAuth(p.ClientID, secret)
		r.Header.Set("Content-Type", "application/json")
		response, err := p.do(r)
		if err != nil {
			return err
		}
		status = response.StatusCode
		if err := response.Body.Close(); err != nil {
			return err
		}
	} else {
		// With the refresh token its access tokens go as well (RFC 7009, section 2.1).
		var err error
		if _, status, err = p.post(ctx, p.RevokeURL, url.Values{"token": {cmp.Or(t.Refresh, t.Access)}}, secret); err != nil {
			return err
		}
	}
	if status < 200 || status > 299 {
		return unreachable(fmt.Errorf("the revoke URL answers status %d", status))
	}
	return nil
}

func (p *Provider) get(ctx context.Context, from, access string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, unreachable(plain(err))
	}
	r.Header.Set("Authorization", "Bearer "+access)
	return p.do(r)
}

// wirePerson is somebody in the words of GitHub, of GitLab and Bitbucket, and of OpenID Connect.
type wirePerson struct {
	Login             string `json:"login"`
	Username          string `json:"username"`
	PreferredUsername string `json:"preferred_username"`
	Name              string `json:"name"`
	DisplayName       string `json:"display_name"`
	AvatarURL         string `json:"avatar_url"`
	Picture           string `json:"picture"`
	HTMLURL           string `json:"html_url"`
	WebURL            string `json:"web_url"`
	Profile           string `json:"profile"`
}

// person is what may be shown: what is odd is left out.
func (w wirePerson) person() Person {
	short := func(text string) string {
		if len(text) > maxName {
			return ""
		}
		return text
	}
	return Person{
		Login: short(cmp.Or(w.Login, w.Username, w.PreferredUsername)), Name: short(cmp.Or(w.Name, w.DisplayName)),
		AvatarURL: shownURL(cmp.Or(w.AvatarURL, w.Picture)), ProfileURL: shownURL(cmp.Or(w.HTMLURL, w.WebURL, w.Profile)),
	}
}

func shownURL(text string) string {
	if len(text) > maxURLShown || outbound.CheckURL(text) != nil {
		return ""
	}
	return text
}
