// SPDX-License-Identifier: Apache-2.0

package agentsdk

// ExternalAuthResponse is what an agent gets for an external provider: the owner's token there, or where the owner signs in.
type ExternalAuthResponse struct {
	AccessToken string         `json:"access_token"`
	TokenExtra  map[string]any `json:"token_extra"`
	// URL is where the owner signs in; everything else is empty then.
	URL string `json:"url"`
	// Type is the provider's.
	Type string `json:"type"`
	// Username and Password are what git sends.
	Username string `json:"username"`
	Password string `json:"password"`
}
