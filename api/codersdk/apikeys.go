// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// APIKey is what is known of a session or of a token. The secret that proves it is not among it.
type APIKey struct {
	// ID is the first ten characters of the key.
	ID     string    `json:"id"`
	UserID uuid.UUID `json:"user_id"`
	// LastUsed is about a minute too old, an hour at most; the zero time before the first use.
	LastUsed  time.Time `json:"last_used"`
	ExpiresAt time.Time `json:"expires_at"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// LoginType is LoginTypeToken for a token, and for a session how its person had signed in.
	LoginType LoginType   `json:"login_type"`
	Scope     APIKeyScope `json:"scope"`
	// TokenName is what the person calls a token; "" for a session.
	TokenName string `json:"token_name"`
	// LifetimeSeconds is how long it lives: a session after its last use, a token after it was made.
	LifetimeSeconds int64 `json:"lifetime_seconds"`
}

// APIKeyWithOwner is a key in a list that may hold those of several people.
type APIKeyWithOwner struct {
	APIKey
	Username string `json:"username"`
}

// APIKeyScope is what a key opens.
type APIKeyScope string

// The scopes of a key.
const (
	// APIKeyScopeAll opens all that its person may do.
	APIKeyScopeAll APIKeyScope = "all"
	// APIKeyScopeApplicationConnect opens the apps of workspaces, and none of the API.
	APIKeyScopeApplicationConnect APIKeyScope = "application_connect"
)

// CreateTokenRequest asks for a token.
type CreateTokenRequest struct {
	// Lifetime is in nanoseconds; 0 means the default of 30 days.
	Lifetime time.Duration `json:"lifetime"`
	// Scope is APIKeyScopeAll when it is left out.
	Scope APIKeyScope `json:"scope"`
	// TokenName is unique among the person's tokens; one is made up when it is left out.
	TokenName string `json:"token_name"`
}

// GenerateAPIKeyResponse carries a new key. It is shown this once and stored only hashed.
type GenerateAPIKeyResponse struct {
	Key string `json:"key"`
}

// TokenConfig is what tokens may be asked for.
type TokenConfig struct {
	// MaxTokenLifetime is in nanoseconds.
	MaxTokenLifetime time.Duration `json:"max_token_lifetime"`
}
