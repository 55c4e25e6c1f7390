// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
)

const (
	// askEvery is how often a provider is asked again about one person, at most; it is later where its word holds longer.
	askEvery = 10 * time.Minute
	// askFor is how long that may take.
	askFor = 20 * time.Second
	// askAgain is when it is asked again after it did not answer, and patience how long a session goes on without its answer.
	askAgain = time.Minute
	patience = time.Hour
)

type linkOf = credentials.Link

// Fresh verifies tokens as Keys does, and lets none go on whose identity provider does not vouch for its person any more:
// a session that has a refresh token behind it is asked about once the provider's word is over. The person's groups and
// roles follow what the provider says then.
type Fresh struct {
	// Keys verifies tokens.
	Keys authn.Keys
	// Handlers are those of the sign-in.
	*Handlers
	// Log learns what went wrong at a provider.
	Log *slog.Logger
}

// Verify finds the key that a token is.
func (f *Fresh) Verify(ctx context.Context, token string) (credentials.Key, error) {
	key, err := f.Keys.Verify(ctx, token)
	if err != nil || !key.Linked {
		return key, err
	}
	l, ok, err := f.Credentials.Link(ctx, key.User)
	if err != nil {
		return credentials.Key{}, err
	}
	if !ok {
		return credentials.Key{}, ended()
	}
	now := f.Now()
	if now.Before(l.DueAt) || now.Before(l.AskedAt.Add(askAgain)) {
		return key, f.overdue(l, now)
	}
	mine, err := f.Credentials.BeginRefresh(ctx, key.User, l)
	if err != nil || !mine {
		return key, f.overdue(l, now) // another asks, or the next request does
	}
	asking, cancel := asked(ctx)
	defer cancel()
	return key, f.refresh(asking, key, l, now)
}

// overdue ends a session whose provider has not answered for too long.
func (f *Fresh) overdue(l linkOf, now time.Time) error {
	if now.After(l.DueAt.Add(patience)) {
		return ended()
	}
	return nil
}

// refresh asks the provider again, and ends what it vouched for when it does not any more.
func (f *Fresh) refresh(ctx context.Context, key credentials.Key, l linkOf, now time.Time) error {
	user, err := f.Store.UserByID(ctx, key.User)
	if err != nil {
		return nil // whoever asked finds that out too
	}
	provider := f.Providers.Of(key.LoginType)
	if provider == nil || user.Spec.LoginType != key.LoginType {
		return errors.Join(ended(), f.Credentials.EndLinked(ctx, user, key.User, l))
	}
	grant, err := provider.Asks.Refresh(ctx, l.RefreshToken)
	var admitted signin.Admitted
	if err == nil && grant.Person.Identity != l.Identity {
		err = fault.New(fault.Forbidden, "The identity provider speaks of somebody else.")
	}
	if err == nil {
		admitted, err = provider.Rules.Admit(grant.Person)
	}
	switch {
	case err == nil:
	case errors.Is(err, signin.ErrEnded), fault.Is(err, fault.Forbidden):
		f.Log.Info("a sign-in ended at the identity provider", "user", user.Name, "reason", fault.Cause(err))
		return errors.Join(ended(), f.Credentials.EndLinked(ctx, user, key.User, l))
	default:
		f.Log.Warn("the identity provider was asked in vain", "user", user.Name, "error", fault.Cause(err))
		return f.overdue(l, now)
	}
	if err := f.Credentials.EndRefresh(ctx, user, key.User, l, link(grant, now)); err != nil {
		return err
	}
	return f.follow(ctx, provider, user, admitted)
}

// ended is the answer to a session that a provider does not vouch for any more.
func ended() error {
	return fault.New(fault.Unauthenticated, "Your sign-in at the identity provider has ended. Sign in again.")
}

// follow makes the account what the provider says of it: its address, groups and roles. What git holds stays as git has it.
func (h *Handlers) follow(ctx context.Context, provider *Provider, u *v1alpha1.User, a signin.Admitted) error {
	if u.Spec.Email != a.Email {
		changed, err := h.Store.ReaddressUser(ctx, u, a.Email, func(u *v1alpha1.User) error {
			u.Spec.Email = a.Email
			return nil
		})
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
		if err == nil {
			u = changed
		}
	}
	if provider.Rules.SyncGroups {
		groups, err := h.groups(ctx, u, a)
		if err != nil {
			return err
		}
		if err := h.Store.SetBrought(ctx, u, groups); err != nil {
			return err
		}
	}
	if !provider.Rules.SyncRoles {
		return nil
	}
	_, err := h.Store.ChangeStanding(ctx, u, func(u *v1alpha1.User) error {
		if !sameRoles(u.Spec.Roles, a.Roles) {
			u.Spec.Roles = a.Roles
		}
		return nil
	})
	// Git holds the roles, or the last owner stays one. That somebody else wrote at the same time has a cause, and is told.
	if f, ok := fault.As(err); ok && f.Cause == nil && (f.Kind == fault.Conflict || f.Kind == fault.Invalid) {
		return nil
	}
	return err
}
