// SPDX-License-Identifier: Apache-2.0

package users

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// The bounds of text, as the schema has them.
const (
	maxName  = 128
	maxTheme = 64
)

// setProfile changes what an account is called. References to it stay: they hold a name that never changes.
func (h *Handlers) setProfile(ctx context.Context, a store.Account, in codersdk.UpdateUserProfileRequest) (codersdk.User, error) {
	var username, name *fault.Error
	if in.Username != a.User.WireName() {
		username = identity.CheckUsername("username", in.Username)
	}
	if in.Name != nil && (utf8.RuneCountInString(*in.Name) > maxName || strings.TrimSpace(*in.Name) != *in.Name || !utf8.ValidString(*in.Name)) {
		name = fault.On("name", "must be at most %d characters, without blanks around them", maxName)
	}
	if f := fault.Join("Validation failed.", username, name); f != nil {
		return codersdk.User{}, f
	}
	u, err := h.Store.RenameUser(ctx, a.User, in.Username, func(u *v1alpha1.User) error {
		if in.Username != u.WireName() {
			u.Spec.Username = v1alpha1.WireName(in.Username)
		}
		if in.Name != nil {
			u.Spec.DisplayName = *in.Name
		}
		return nil
	})
	return h.changed(ctx, u, err)
}

// setAppearance changes how the dashboard looks to a person; "" is as the browser wishes.
func (h *Handlers) setAppearance(ctx context.Context, a store.Account, in codersdk.UpdateUserAppearanceSettingsRequest) (codersdk.User, error) {
	if utf8.RuneCountInString(in.ThemePreference) > maxTheme || !utf8.ValidString(in.ThemePreference) {
		return codersdk.User{}, fault.On("theme_preference", "must be at most %d characters", maxTheme)
	}
	u, err := h.Store.ChangeUser(ctx, a.User, func(u *v1alpha1.User) error {
		u.Spec.ThemePreference = in.ThemePreference
		return nil
	})
	return h.changed(ctx, u, err)
}

// setPassword changes a password: one's own for who knows the old one, and another's for who administers the account.
// Every session and token ends that the old one led to, but for the key that the caller came with.
func (h *Handlers) setPassword(ctx context.Context, a store.Account, in codersdk.UpdateUserPasswordRequest) (httpapi.None, error) {
	none, caller, id := httpapi.None{}, authz.From(ctx), ids.Of(a.User)
	if a.User.Spec.LoginType != v1alpha1.LoginTypePassword {
		return none, fault.New(fault.Invalid, "%s does not sign in with a password.", a.User.WireName())
	}
	if f := credentials.CheckPolicy(in.Password); f != nil {
		return none, f
	}
	if err := h.Store.DeclaredPassword(a.User); err != nil {
		return none, err
	}
	own := caller.User == a.User.Name
	if own {
		// Whoever has found an open session must not find the password by it.
		correct, err := h.Attempts.Try(ctx, a.User.Name)
		if err != nil {
			return none, err
		}
		right, err := h.Credentials.CheckPassword(ctx, id, in.OldPassword)
		if err != nil {
			return none, err
		}
		if !right {
			return none, fault.On("old_password", "is not your password")
		}
		correct()
	}
	same, err := h.Credentials.CheckPassword(ctx, id, in.Password)
	if err != nil {
		return none, err
	}
	if same {
		return none, fault.On("password", "must differ from the old one")
	}
	if own {
		return none, h.Credentials.SetPassword(ctx, a.User, id, in.Password, caller.Key)
	}
	return none, h.Credentials.SetPassword(ctx, a.User, id, in.Password)
}

// remove deletes an account that owns no workspace. Its sessions and keys go with it.
func (h *Handlers) remove(ctx context.Context, a store.Account, _ httpapi.None) (codersdk.User, error) {
	if authz.From(ctx).User == a.User.Name {
		return codersdk.User{}, fault.New(fault.Invalid, "You cannot delete yourself. Ask another owner.")
	}
	owns, err := h.Store.OwnsWorkspaces(ctx, a.User)
	if err != nil {
		return codersdk.User{}, err
	}
	if owns {
		return codersdk.User{}, &httpapi.Refusal{Status: http.StatusExpectationFailed,
			Fault: fault.New(fault.Conflict, "%s has workspaces. Delete them first.", a.User.WireName())}
	}
	return h.view(a), h.Store.DeleteUser(ctx, a.User)
}

// quietHours says when a person's day ends.
func (h *Handlers) quietHours(_ context.Context, a store.Account, _ httpapi.None) (codersdk.UserQuietHoursScheduleResponse, error) {
	return view.QuietHours(a.User, h.Now()), nil
}

// setQuietHours says when a person's day is to end.
func (h *Handlers) setQuietHours(ctx context.Context, a store.Account, in codersdk.UpdateUserQuietHoursScheduleRequest) (codersdk.UserQuietHoursScheduleResponse, error) {
	none := codersdk.UserQuietHoursScheduleResponse{}
	wish, err := schedule.ParseQuietHours(in.Schedule)
	if err != nil {
		return none, err
	}
	u, err := h.Store.ChangeUser(ctx, a.User, func(u *v1alpha1.User) error {
		u.Spec.QuietHours = wish
		return nil
	})
	if err != nil {
		return none, err
	}
	return view.QuietHours(u, h.Now()), nil
}
