// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// User is an account.
type User struct {
	ID uuid.UUID `json:"id"`
	// Username is what people type and what stands in URLs; it can be changed, and is unique without regard to case.
	Username string `json:"username"`
	// Name is the person's full name; left out when unknown.
	Name string `json:"name,omitempty"`
	// Email is unique without regard to case.
	Email string `json:"email"`
	// AvatarURL is the address of a picture, or "".
	AvatarURL string    `json:"avatar_url"`
	CreatedAt time.Time `json:"created_at"`
	// LastSeenAt is when the person last used the API or a workspace, at most an hour too old; the zero time before
	// the first use.
	LastSeenAt time.Time  `json:"last_seen_at"`
	Status     UserStatus `json:"status"`
	LoginType  LoginType  `json:"login_type"`
	// ThemePreference is the dashboard theme that the person chose, or "" for the system's.
	ThemePreference string `json:"theme_preference"`
	// OrganizationIDs lists the organizations of which the user is a member.
	OrganizationIDs []uuid.UUID `json:"organization_ids"`
	// Roles lists the deployment-wide roles, without the member role that everybody has.
	Roles []Role `json:"roles"`
}

// MinimalUser is a user where only who it is matters, such as the author of a template version.
type MinimalUser struct {
	ID        uuid.UUID `json:"id"`
	Username  string    `json:"username"`
	AvatarURL string    `json:"avatar_url"`
}

// Role is a role as it is shown beside a user.
type Role struct {
	// Name is the key by which requests name the role, such as template-admin.
	Name string `json:"name"`
	// DisplayName is the role's name for people.
	DisplayName string `json:"display_name"`
}

// UserStatus says whether an account can be used.
type UserStatus string

// The statuses of an account.
const (
	// UserStatusActive is an account in use.
	UserStatusActive UserStatus = "active"
	// UserStatusDormant is an account that nobody has used yet, or not for a long time; logging in wakes it.
	UserStatusDormant UserStatus = "dormant"
	// UserStatusSuspended is an account that an administrator has locked.
	UserStatusSuspended UserStatus = "suspended"
)

// LoginType says how an account, or a key, proves who it is.
type LoginType string

// The ways to log in.
const (
	// LoginTypeUnknown is sent where no way is recorded.
	LoginTypeUnknown LoginType = ""
	// LoginTypePassword is an e-mail address and a password kept by the server.
	LoginTypePassword LoginType = "password"
	// LoginTypeGithub is a login through GitHub.
	LoginTypeGithub LoginType = "github"
	// LoginTypeOIDC is a login through the OpenID Connect provider.
	LoginTypeOIDC LoginType = "oidc"
	// LoginTypeToken is a long-lived key that a person made; only keys have it, never accounts.
	LoginTypeToken LoginType = "token"
	// LoginTypeNone is an account that cannot log in; others make its keys.
	LoginTypeNone LoginType = "none"
)

// CreateFirstUserRequest makes the first account of a deployment, which becomes its owner. It needs no login and is
// refused with 409 once there is an owner.
type CreateFirstUserRequest struct {
	Email    string `json:"email"`
	Username string `json:"username"`
	Password string `json:"password"`
	// Trial asks for a trial licence. It is accepted because clients send it, and has no effect.
	Trial bool `json:"trial"`
}

// CreateFirstUserResponse names the account that was made and the organization it belongs to.
type CreateFirstUserResponse struct {
	UserID         uuid.UUID `json:"user_id"`
	OrganizationID uuid.UUID `json:"organization_id"`
}

// LoginWithPasswordRequest asks for a session.
type LoginWithPasswordRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// LoginWithPasswordResponse carries the new session's token. It is shown this once and stored only hashed.
type LoginWithPasswordResponse struct {
	SessionToken string `json:"session_token"`
}
