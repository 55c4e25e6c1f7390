// SPDX-License-Identifier: Apache-2.0

package codersdk

import "time"

// ExternalAuth is how the caller stands with an external provider.
type ExternalAuth struct {
	Authenticated bool `json:"authenticated"`
	// Device says that people sign in by a device's code.
	Device      bool   `json:"device"`
	DisplayName string `json:"display_name"`
	// User is who the caller is there; null where nobody knows.
	User *ExternalAuthUser `json:"user"`
	// AppInstallable says that the deployment's client is an app, Installations where it is installed.
	AppInstallable bool                          `json:"app_installable"`
	Installations  []ExternalAuthAppInstallation `json:"installations"`
	AppInstallURL  string                        `json:"app_install_url"`
}

// ExternalAuthUser is somebody at an external provider.
type ExternalAuthUser struct {
	Login      string `json:"login"`
	AvatarURL  string `json:"avatar_url"`
	ProfileURL string `json:"profile_url"`
	Name       string `json:"name"`
}

// ExternalAuthAppInstallation is where an app is installed at a provider.
type ExternalAuthAppInstallation struct {
	ID           int64            `json:"id"`
	Account      ExternalAuthUser `json:"account"`
	ConfigureURL string           `json:"configure_url"`
}

// ExternalAuthDevice is how to sign in by a device's code.
type ExternalAuthDevice struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	// ExpiresIn and Interval are in seconds.
	ExpiresIn int `json:"expires_in"`
	Interval  int `json:"interval"`
}

// ExternalAuthDeviceExchange asks what a device's code has come to.
type ExternalAuthDeviceExchange struct {
	DeviceCode string `json:"device_code"`
}

// ListUserExternalAuthResponse is where people can sign in, and where the caller has.
type ListUserExternalAuthResponse struct {
	Providers []ExternalAuthLinkProvider `json:"providers"`
	Links     []ExternalAuthLink         `json:"links"`
}

// ExternalAuthLinkProvider is an external provider of the deployment.
type ExternalAuthLinkProvider struct {
	ID            string `json:"id"`
	Type          string `json:"type"`
	Device        bool   `json:"device"`
	DisplayName   string `json:"display_name"`
	DisplayIcon   string `json:"display_icon"`
	AllowRefresh  bool   `json:"allow_refresh"`
	AllowValidate bool   `json:"allow_validate"`
}

// ExternalAuthLink is that the caller has signed in to a provider. It holds no token.
type ExternalAuthLink struct {
	ProviderID      string    `json:"provider_id"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	HasRefreshToken bool      `json:"has_refresh_token"`
	// Expires is the zero time where the token has no end that is known.
	Expires       time.Time `json:"expires"`
	Authenticated bool      `json:"authenticated"`
	// ValidateError is why it is not authenticated.
	ValidateError string `json:"validate_error"`
}
