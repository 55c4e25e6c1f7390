// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// GetUsersResponse is a page of accounts.
type GetUsersResponse struct {
	Users []User `json:"users"`
	// Count is how many there are on all pages.
	Count int `json:"count"`
}

// CreateUserRequest makes an account.
type CreateUserRequest struct {
	Email    string `json:"email"`
	Username string `json:"username"`
	// Password is for accounts that log in with one, and absent for others.
	Password string `json:"password,omitempty"`
	// UserLoginType is password when absent.
	UserLoginType LoginType `json:"login_type,omitempty"`
	// DisableLogin is an older way to ask for the login type none.
	DisableLogin bool `json:"disable_login,omitempty"`
	// OrganizationID is the default organization's when absent.
	OrganizationID *uuid.UUID `json:"organization_id,omitempty"`
}

// UpdateUserProfileRequest changes what an account is called.
type UpdateUserProfileRequest struct {
	Username string `json:"username"`
	// Name stays when it is absent.
	Name *string `json:"name,omitempty"`
}

// UpdateUserPasswordRequest changes a password.
type UpdateUserPasswordRequest struct {
	// OldPassword is needed for one's own.
	OldPassword string `json:"old_password,omitempty"`
	Password    string `json:"password"`
}

// UpdateUserAppearanceSettingsRequest changes how the dashboard looks to a person.
type UpdateUserAppearanceSettingsRequest struct {
	ThemePreference string `json:"theme_preference"`
}

// UserLoginType says how an account logs in.
type UserLoginType struct {
	LoginType LoginType `json:"login_type"`
}

// UserRoles are the names of an account's roles.
type UserRoles struct {
	Roles []string `json:"roles"`
	// OrganizationRoles are by organization; a member without a role has an empty list.
	OrganizationRoles map[uuid.UUID][]string `json:"organization_roles"`
}

// UpdateRoles replaces roles. The role that everybody has need not be named.
type UpdateRoles struct {
	Roles []string `json:"roles"`
}

// AssignableRoles is a role, and whether who asks may give it.
type AssignableRoles struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Assignable  bool   `json:"assignable"`
}

// OrganizationMember is what an account is in an organization.
type OrganizationMember struct {
	UserID         uuid.UUID `json:"user_id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	Roles          []Role    `json:"roles"`
}

// UserQuietHoursScheduleResponse is when a person's day ends: templates may stop workspaces then.
type UserQuietHoursScheduleResponse struct {
	// RawSchedule is a cron line with its time zone.
	RawSchedule string `json:"raw_schedule"`
	// UserSet is whether the person chose it.
	UserSet bool `json:"user_set"`
	// UserCanSet is whether people may choose it.
	UserCanSet bool `json:"user_can_set"`
	// Time is HH:mm in Timezone.
	Time     string `json:"time"`
	Timezone string `json:"timezone"`
	// Next is when quiet hours begin next.
	Next time.Time `json:"next"`
}

// UpdateUserQuietHoursScheduleRequest sets quiet hours; "" goes back to the default.
type UpdateUserQuietHoursScheduleRequest struct {
	// Schedule is a cron line of one minute and one hour, such as CRON_TZ=Europe/Zurich 30 23 * * *.
	Schedule string `json:"schedule"`
}
