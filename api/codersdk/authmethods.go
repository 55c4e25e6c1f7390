// SPDX-License-Identifier: Apache-2.0

package codersdk

// AuthMethods says in which ways people may sign in.
type AuthMethods struct {
	Password AuthMethod     `json:"password"`
	Github   AuthMethod     `json:"github"`
	OIDC     OIDCAuthMethod `json:"oidc"`
}

// AuthMethod says whether people may sign in in one way.
type AuthMethod struct {
	Enabled bool `json:"enabled"`
}

// OIDCAuthMethod says whether people may sign in with OpenID Connect, and what the button for it looks like.
type OIDCAuthMethod struct {
	AuthMethod
	SignInText string `json:"signInText"`
	IconURL    string `json:"iconUrl"`
}
