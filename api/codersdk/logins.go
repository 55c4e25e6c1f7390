// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// AuthMethods says which ways to sign in a deployment offers.
type AuthMethods struct {
	Password AuthMethod     `json:"password"`
	Github   AuthMethod     `json:"github"`
	OIDC     OIDCAuthMethod `json:"oidc"`
}

// AuthMethod is one way to sign in.
type AuthMethod struct {
	Enabled bool `json:"enabled"`
}

// OIDCAuthMethod is the way by an OpenID Connect provider.
type OIDCAuthMethod struct {
	AuthMethod
	// SignInText is what the button says, and IconURL its picture; each may be "".
	SignInText string `json:"signInText"`
	IconURL    string `json:"iconUrl"`
}

// ConvertLoginRequest asks to sign in another way from now on.
type ConvertLoginRequest struct {
	// ToType is oidc or github.
	ToType LoginType `json:"to_type"`
	// Password is the account's present one.
	Password string `json:"password"`
}

// OAuthConversionResponse begins the change: the next sign-in at the provider, by the same browser, ends it.
type OAuthConversionResponse struct {
	// StateString is given back as the query parameter oidc_merge_state of the provider's callback.
	StateString string `json:"state_string"`
	// ExpiresAt is when it is of no use any more.
	ExpiresAt time.Time `json:"expires_at"`
	ToType    LoginType `json:"to_type"`
	UserID    uuid.UUID `json:"user_id"`
}
