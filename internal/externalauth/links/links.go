// SPDX-License-Identifier: Apache-2.0

// Package links joins people to external providers: what a provider gave with a sign-in is kept with the person's other
// credentials, refreshed before it ends, and shown as what it is once the provider does not take it any more. Several
// processes may do so at once: of all of them one asks the provider, and what came of it is kept whatever else is written.
//
// It speaks with providers by internal/externalauth, and keeps links by internal/credentials.
package links

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

const (
	// early is how long before its end a token is refreshed.
	early = time.Minute
	// claimFor is how long the others leave a refresh to who began it, each by its own clock and from when it first saw that
	// one began, as no two clocks are the same. It is longer than whoever begins needs: beginFor to claim it, askFor to ask, and
	// keepFor to keep what came.
	claimFor, beginFor, askFor, keepFor = 2 * time.Minute, 10 * time.Second, 20 * time.Second, time.Minute
	// waitFor is how long who needs the token waits for a refresh.
	waitFor = 15 * time.Second
	// lookEvery is how often is looked whether another has refreshed.
	lookEvery = 100 * time.Millisecond
)

// Links are the providers of a deployment, and who is signed in to them. Nil has none.
type Links struct {
	// Providers are all, in the deployment's order.
	Providers []*externalauth.Provider
	// Keys keeps links.
	Keys *credentials.Store
	// Note writes down to which providers a person is signed in, where those may see it who may not see links.
	Note func(ctx context.Context, account *v1alpha1.User, providers []string) error
	// Log is told what people are not.
	Log *slog.Logger
	// Now tells the time.
	Now func() time.Time

	refreshing singleflight.Group
}

// State is how a person stands with a provider.
type State struct {
	// Link is what is kept, and Linked whether anything is.
	Link   credentials.External
	Linked bool
	// Authenticated says that the provider takes the token, or that it can't be asked about tokens and the token has not ended.
	Authenticated bool
	// Person is whose it is at the provider; nil where nobody knows.
	Person *externalauth.Person
	// Problem is why it is not Authenticated though it is Linked, for the person.
	Problem string
	// Usable says that the token may be good: it is Authenticated, or the provider could not be asked and took it before.
	Usable bool
}

// Provider is the provider of the id; nil when there is none.
func (l *Links) Provider(id string) *externalauth.Provider {
	return l.find(func(p *externalauth.Provider) bool { return p.ID == id })
}

// Matching is the first provider whose git URLs look like this one; nil when there is none.
func (l *Links) Matching(url string) *externalauth.Provider {
	return l.find(func(p *externalauth.Provider) bool { return p.Matches(url) })
}

func (l *Links) find(is func(*externalauth.Provider) bool) *externalauth.Provider {
	if l == nil {
		return nil
	}
	if i := slices.IndexFunc(l.Providers, is); i >= 0 {
		return l.Providers[i]
	}
	return nil
}

// Link keeps what a provider gave with a person's sign-in.
func (l *Links) Link(ctx context.Context, account *v1alpha1.User, p *externalauth.Provider, t externalauth.Token) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askFor)
	defer cancel() // the code is spent: what it gave is kept even when nobody waits any more
	if err := l.Keys.LinkExternal(ctx, account, ids.Of(account), p.ID, linkOf(t)); err != nil {
		return err
	}
	l.note(ctx, account)
	return nil
}

// Unlink forgets a person's link, also to a provider that the deployment has no more, and tells the provider. It is a
// fault.NotFound when there is neither a link nor such a provider.
func (l *Links) Unlink(ctx context.Context, account *v1alpha1.User, provider string) error {
	p := l.Provider(provider)
	was, found, err := l.Keys.UnlinkExternal(ctx, ids.Of(account), provider)
	if err != nil {
		return err
	}
	if !found && p == nil {
		return fault.New(fault.NotFound, "")
	}
	l.note(ctx, account)
	if !found || p == nil {
		return nil
	}
	// It is forgotten here in any case; a provider that is not well is no reason to keep it.
	if err := p.Revoke(ctx, externalauth.Token{Access: was.Access, Refresh: was.Refresh}); err != nil {
		l.Log.Warn("an external token that is forgotten could not be revoked", "user", account.Name, "provider", p.ID, "error", fault.Cause(err))
	}
	return nil
}

// Check tells how a person stands with a provider, by asking it.
func (l *Links) Check(ctx context.Context, account *v1alpha1.User, p *externalauth.Provider) (State, error) {
	link, ok, err := l.fresh(ctx, account, p)
	s := State{Link: link, Linked: ok}
	if err != nil {
		if !fault.Is(err, fault.Unavailable) {
			return State{}, err
		}
		s.Problem = causeless(err)
		return s, nil
	}
	switch {
	case !ok:
		return s, nil
	case ended(link, l.Now()):
		s.Problem = "The sign-in has ended at the provider. Sign in again."
		l.mark(account, p, link, true)
		return s, nil
	}
	person, err := p.Validate(ctx, link.Access)
	switch {
	case err == nil && p.Validates():
		s.Authenticated, s.Usable, s.Person = true, true, person
		l.mark(account, p, link, false)
	case err == nil:
		s.Authenticated, s.Usable = !link.Refused, !link.Refused
	case errors.Is(err, externalauth.ErrRefused):
		s.Problem = "The provider does not take the token any more. Sign in again."
		l.mark(account, p, link, true)
	default:
		s.Problem, s.Usable = causeless(err), !link.Refused
		l.Log.Warn("an external provider was asked in vain", "provider", p.ID, "error", fault.Cause(err))
	}
	return s, nil
}

// SignedIn are those of the named providers to which a person is signed in: as far as the provider says, and while it says
// nothing, as far as is known.
func (l *Links) SignedIn(ctx context.Context, account *v1alpha1.User, needs []v1alpha1.ExternalAuth) ([]string, error) {
	names := []string{}
	for _, need := range needs {
		p := l.Provider(need.Name)
		if p == nil || need.Optional {
			continue
		}
		s, err := l.Check(ctx, account, p)
		if err != nil {
			return nil, err
		}
		if s.Usable {
			names = append(names, need.Name)
		}
	}
	return names, nil
}

// mark notes whether the provider takes a link.
func (l *Links) mark(account *v1alpha1.User, p *externalauth.Provider, link credentials.External, refused bool) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor) // it is no deed of whoever asks
	defer cancel()
	if err := l.Keys.MarkExternal(ctx, ids.Of(account), p.ID, link, refused); err != nil {
		l.Log.Warn("not noted whether an external provider takes a link", "user", account.Name, "provider", p.ID, "error", err)
		return
	}
	l.note(ctx, account)
}

// note writes down where the person is signed in, unless that stands there. What could not be written is by the next look.
func (l *Links) note(ctx context.Context, account *v1alpha1.User) {
	all, err := l.Keys.Externals(ctx, ids.Of(account))
	if err == nil {
		names := slices.DeleteFunc(credentials.SignedInTo(all), func(name string) bool { return l.Provider(name) == nil })
		err = l.Note(ctx, account, names)
	}
	if err != nil {
		l.Log.Warn("not noted to which external providers a person is signed in", "user", account.Name, "error", err)
	}
}

// ended tells whether a token is over and nothing gets a new one.
func ended(link credentials.External, now time.Time) bool {
	return link.Refresh == "" && !link.ExpiresAt.IsZero() && !link.ExpiresAt.After(now)
}

func linkOf(t externalauth.Token) credentials.External {
	return credentials.External{Access: t.Access, Refresh: t.Refresh, ExpiresAt: t.ExpiresAt, Extra: t.Extra}
}

// causeless is what the person learns.
func causeless(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Message
	}
	return "The provider can't be asked."
}
