// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

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
