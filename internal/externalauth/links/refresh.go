// SPDX-License-Identifier: Apache-2.0

package links

import (
	"context"
	"errors"
	"time"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// found is a link, and whether there is one.
type found struct {
	link credentials.External
	ok   bool
}

// fresh is a person's link, refreshed where it is about to end. While the provider can't be asked it is the old one, for as
// long as that is good, and then a fault.Unavailable.
func (l *Links) fresh(ctx context.Context, account *v1alpha1.User, p *externalauth.Provider) (credentials.External, bool, error) {
	link, ok, err := l.Keys.External(ctx, ids.Of(account), p.ID)
	if err != nil || !ok || !l.due(link, p) {
		return link, ok, err
	}
	// One asks for all that wait in this process, so it does not end with the request that happened to be first. Nor is it a
	// deed of whoever asks: the context is none of theirs.
	done := l.refreshing.DoChan(account.Name+"/"+p.ID, func() (any, error) {
		asking, cancel := context.WithTimeout(context.Background(), 2*claimFor)
		defer cancel()
		link, ok, err := l.refreshed(asking, account, p)
		return found{link, ok}, err
	})
	select {
	case r := <-done:
		f, _ := r.Val.(found)
		return f.link, f.ok, r.Err
	case <-time.After(waitFor):
		if link.ExpiresAt.After(l.Now()) {
			return link, true, nil
		}
		return credentials.External{}, false, fault.New(fault.Unavailable, "The sign-in at %s is being refreshed. Try again in a moment.", p.DisplayName)
	case <-ctx.Done():
		return credentials.External{}, false, ctx.Err()
	}
}

// due tells whether a link is to be refreshed.
func (l *Links) due(link credentials.External, p *externalauth.Provider) bool {
	return p.Refreshes() && link.Refresh != "" && !link.ExpiresAt.IsZero() && !link.ExpiresAt.After(l.Now().Add(early))
}

// refreshed is a link after somebody has refreshed it: this process, or another that was quicker.
func (l *Links) refreshed(ctx context.Context, account *v1alpha1.User, p *externalauth.Provider) (credentials.External, bool, error) {
	var claim string // another's, and since when it is known here
	var since time.Time
	for {
		link, ok, err := l.Keys.External(ctx, ids.Of(account), p.ID)
		if err != nil || !ok || !l.due(link, p) {
			return link, ok, err
		}
		switch {
		case link.Claim == "" || link.Claim == claim && l.Now().Sub(since) >= claimFor:
			beginning, cancel := context.WithTimeout(ctx, beginFor)
			mine, began, err := l.Keys.BeginExternalRefresh(beginning, ids.Of(account), p.ID, link)
			cancel()
			if err != nil {
				return credentials.External{}, false, err
			}
			if began {
				return l.refresh(account, p, mine)
			}
		case link.Claim != claim:
			claim, since = link.Claim, l.Now()
		}
		select {
		case <-ctx.Done():
			return credentials.External{}, false, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// refresh asks the provider for a new token, and keeps what it says.
func (l *Links) refresh(account *v1alpha1.User, p *externalauth.Provider, was credentials.External) (credentials.External, bool, error) {
	asking, cancel := context.WithTimeout(context.Background(), askFor)
	token, asked := p.Refresh(asking, was.Refresh)
	cancel()
	now := was
	switch {
	case asked == nil:
		now = linkOf(token)
		now.UpdatedAt = l.Now().UTC()
	case errors.Is(asked, externalauth.ErrRefused):
		l.Log.Info("an external sign-in has ended at its provider", "user", account.Name, "provider", p.ID, "reason", fault.Cause(asked))
		now.Refresh, now.Refused = "", true
	default:
		l.Log.Warn("an external provider was asked in vain", "provider", p.ID, "error", fault.Cause(asked))
	}
	// the token before may be spent, so what came is kept whoever still waits
	keeping, cancel := context.WithTimeout(context.Background(), keepFor)
	defer cancel()
	if err := l.Keys.EndExternalRefresh(keeping, ids.Of(account), p.ID, was, now); err != nil {
		return credentials.External{}, false, err
	}
	if now.Refused != was.Refused {
		l.note(keeping, account)
	}
	if asked != nil && !now.Refused && !was.ExpiresAt.After(l.Now()) {
		return now, true, asked
	}
	return l.Keys.External(keeping, ids.Of(account), p.ID)
}
