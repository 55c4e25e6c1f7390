// SPDX-License-Identifier: Apache-2.0

package codersdk

// Where a request may carry its session token, and what every answer carries about the server.
const (
	// SessionTokenHeader is the request header that carries a session token. An Authorization header with the Bearer
	// scheme does as well.
	SessionTokenHeader = "Coder-Session-Token"

	// SessionTokenName is the name of the cookie, and of the query parameter, that carries a session token.
	SessionTokenName = "coder_session_token"

	// BuildVersionHeader is the header in which every answer tells the server's version. Clients compare it with their
	// own and warn when the two are too far apart.
	BuildVersionHeader = "X-Coder-Build-Version"

	// BypassRatelimitHeader is the request header by which an owner asks not to be bound by limits of how often to ask.
	BypassRatelimitHeader = "X-Coder-Bypass-Ratelimit"
)
