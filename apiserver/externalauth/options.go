// SPDX-License-Identifier: Apache-2.0

package externalauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/internal/externalauth"
)

// maxProviders is how many one deployment may have: a person may be signed in to all.
const maxProviders = 16

// Options say to which external providers people may sign in. The zero value is none.
type Options struct{ providers providersValue }

// option is one provider, in the words of the API's deployment config.
type option struct {
	ID                  string   `json:"id"`
	Type                string   `json:"type"`
	ClientID            string   `json:"client_id"`
	ClientSecretFile    string   `json:"client_secret_file"`
	AuthURL             string   `json:"auth_url"`
	TokenURL            string   `json:"token_url"`
	ValidateURL         string   `json:"validate_url"`
	RevokeURL           string   `json:"revoke_url"`
	DeviceCodeURL       string   `json:"device_code_url"`
	DeviceFlow          bool     `json:"device_flow"`
	NoRefresh           bool     `json:"no_refresh"`
	Scopes              []string `json:"scopes"`
	ExtraTokenKeys      []string `json:"extra_token_keys"`
	Regex               string   `json:"regex"`
	AppInstallURL       string   `json:"app_install_url"`
	AppInstallationsURL string   `json:"app_installations_url"`
	DisplayName         string   `json:"display_name"`
	DisplayIcon         string   `json:"display_icon"`
}

// AddFlags gives the options their flag.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.Var(&o.providers, "external-auth-providers", `JSON list of the git hosts and other services to which people may sign in for their workspaces: `+
		`[{"id":"github","type":"github","client_id":"Iv1.0123","client_secret_file":"/etc/berth/external-auth/github/secret"}]`)
}

// Providers are the providers that the options ask for. What is wrong with them is said by the flag. accessURL is where
// people reach the server, to which providers send them back.
func (o *Options) Providers(accessURL string, now func() time.Time) ([]*externalauth.Provider, error) {
	const flag = "--external-auth-providers"
	switch {
	case len(o.providers) > maxProviders:
		return nil, fmt.Errorf("%s: %d are more than the %d that there may be", flag, len(o.providers), maxProviders)
	case len(o.providers) > 0 && accessURL == "":
		return nil, errors.New("--access-url: is required where people sign in to external providers, which send them back there")
	}
	all, seen := []*externalauth.Provider{}, map[string]bool{}
	for _, c := range o.providers {
		secret, err := secretOf(c.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: client_secret_file: %w", flag, c.ID, err)
		}
		p, err := externalauth.New(externalauth.Config{
			ID: c.ID, Type: c.Type, ClientID: c.ClientID, Secret: secret, AuthURL: c.AuthURL, TokenURL: c.TokenURL, ValidateURL: c.ValidateURL,
			RevokeURL: c.RevokeURL, DeviceCodeURL: c.DeviceCodeURL, DeviceFlow: c.DeviceFlow, NoRefresh: c.NoRefresh, Scopes: c.Scopes,
			ExtraTokenKeys: c.ExtraTokenKeys, Regex: c.Regex, AppInstallURL: c.AppInstallURL, AppInstallationsURL: c.AppInstallationsURL,
			DisplayName: c.DisplayName, DisplayIcon: c.DisplayIcon,
		}, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		if seen[p.ID] {
			return nil, fmt.Errorf("%s: two are called %s", flag, p.ID)
		}
		seen[p.ID] = true
		all = append(all, p)
	}
	return all, nil
}

// secretOf reads a secret from its file whenever it is needed; that it can be read now is found out at once. It is nil where
// no file is named.
func secretOf(file string) (func() (string, error), error) {
	if file == "" {
		return nil, nil
	}
	read := func() (string, error) {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		secret := strings.TrimSpace(string(data))
		if secret == "" {
			return "", fmt.Errorf("%s is empty", file)
		}
		return secret, nil
	}
	_, err := read()
	return read, err
}

// providersValue is a flag whose text is a JSON list.
type providersValue []option

// Set reads the text; "" is none.
func (v *providersValue) Set(text string) error {
	*v = nil
	if text == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields() // a secret that is written into the flag by mistake, among others
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("want one JSON list")
	}
	return nil
}

// String is the value as JSON.
func (v *providersValue) String() string {
	if v == nil || len(*v) == 0 {
		return ""
	}
	text, err := json.Marshal(*v)
	if err != nil {
		return ""
	}
	return string(text)
}

// Type is what help calls the value.
func (*providersValue) Type() string { return "json" }
