// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	externalPrefix = "external-"
	// maxExternal is how many links one person may have, and maxExternalSize how long one may be: all stand in one Secret.
	maxExternal, maxExternalSize = 16, 40 << 10
)

// External is what a git host, or another external provider, gave with a person's latest sign-in there.
type External struct {
	// Access opens the provider in the person's name, and Refresh gets a new Access; empty when there is none.
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
	// ExpiresAt is when Access ends; zero when nobody knows.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Extra are further fields of what the provider gave.
	Extra map[string]any `json:"extra,omitempty"`
	// CreatedAt is when the person first signed in there, UpdatedAt when this was given.
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Claim names whoever has set out to refresh it; empty when that has ended.
	Claim string `json:"claim,omitempty"`
	// Refused says that the provider did not take it when it was last asked.
	Refused bool `json:"refused,omitempty"`

	version string // of the Secret that it was read from
}

// External is the user's link to the provider; it is false when there is none.
func (s *Store) External(ctx context.Context, user uuid.UUID, provider string) (External, bool, error) {
	all, err := s.Externals(ctx, user)
	l, ok := all[provider]
	return l, ok, err
}

// Externals are the user's links, by provider.
func (s *Store) Externals(ctx context.Context, user uuid.UUID) (map[string]External, error) {
	secret, err := s.get(ctx, user)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	return readExternals(secret), nil
}

func readExternals(secret *corev1.Secret) map[string]External {
	all := map[string]External{}
	for field, value := range secret.Data {
		provider, is := strings.CutPrefix(field, externalPrefix)
		var l External
		// One that can't be read opens nothing; a new sign-in replaces it.
		if is && json.Unmarshal(value, &l) == nil && l.Access != "" {
			l.version = secret.ResourceVersion
			all[provider] = l
		}
	}
	return all
}

// LinkExternal keeps what a provider gave with a sign-in, in place of what it gave before. The account's
// id must be the one on the wire.
func (s *Store) LinkExternal(ctx context.Context, account *v1alpha1.User, id uuid.UUID, provider string, l External) error {
	return s.insist(ctx, id, func(ctx context.Context) error {
		secret, err := s.get(ctx, id)
		absent := apierrors.IsNotFound(err)
		if err != nil && !absent {
			return err
		}
		all := readExternals(secret)
		before, known := all[provider]
		if !known && len(all) >= maxExternal {
			return fault.New(fault.Conflict, "You are signed in to %d external providers, as many as one account may be. Sign out of one first.", len(all))
		}
		l.CreatedAt, l.UpdatedAt = s.now().UTC(), s.now().UTC()
		if known {
			l.CreatedAt = before.CreatedAt
		}
		value, err := encodeExternal(l)
		if err != nil {
			return err
		}
		fields := map[string][]byte{externalPrefix + provider: value}
		if absent {
			return s.create(ctx, account, id, fields)
		}
		return s.patch(ctx, id, fields, secret.ResourceVersion)
	})
}

// UnlinkExternal forgets a link, and gives what it was; it is false when there was none.
func (s *Store) UnlinkExternal(ctx context.Context, id uuid.UUID, provider string) (External, bool, error) {
	var was External
	var found bool
	err := s.insist(ctx, id, func(ctx context.Context) error {
		secret, err := s.get(ctx, id)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		was, found = readExternals(secret)[provider]
		if _, there := secret.Data[externalPrefix+provider]; !there {
			return nil
		}
		return s.patch(ctx, id, map[string][]byte{externalPrefix + provider: nil}, secret.ResourceVersion)
	})
	return was, found, err
}

// BeginExternalRefresh says that the provider is about to be asked for a new token, and gives the link with that claim. Only
// one of several who have read the same link may ask: it is false for the others, as many providers take a refresh token but
// once. When the claim of one who never ends it is over, the caller judges.
func (s *Store) BeginExternalRefresh(ctx context.Context, user uuid.UUID, provider string, l External) (External, bool, error) {
	l.Claim = uuid.NewString()
	value, err := encodeExternal(l)
	if err != nil {
		return External{}, false, err
	}
	began, err := s.first(ctx, user, externalPrefix+provider, value, l.version)
	return l, began, err
}

// EndExternalRefresh keeps what came of it: another token, or was without its claim, or that the provider refused. Where the
// person has signed in anew or out meanwhile, that stands and nothing is written; where somebody else has claimed it since,
// only another token is, since then theirs is the spent one. It goes on in the face of other writes to the Secret and of
// errors until the context ends, since what is not kept here is lost: the token before is spent.
func (s *Store) EndExternalRefresh(ctx context.Context, user uuid.UUID, provider string, was, l External) error {
	l.CreatedAt, l.Claim = was.CreatedAt, ""
	value, err := encodeExternal(l)
	if err != nil {
		return err
	}
	stands := func(now External) bool {
		if l.Access != was.Access { // a refusal of the token that this one was given for says nothing about this one
			return now.Access == was.Access && (now.Refresh == was.Refresh || now.Refused)
		}
		return now.Access == was.Access && now.Claim == was.Claim
	}
	for {
		last := s.insist(ctx, user, func(ctx context.Context) error {
			secret, err := s.get(ctx, user)
			if err != nil {
				return client.IgnoreNotFound(err)
			}
			now, ok := readExternals(secret)[provider]
			if !ok || !stands(now) {
				return nil
			}
			return s.patch(ctx, user, map[string][]byte{externalPrefix + provider: value}, secret.ResourceVersion)
		})
		if last == nil || apierrors.IsNotFound(last) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("a refreshed token could not be kept"), last)
		case <-time.After(rewriteEvery):
		}
	}
}

// MarkExternal notes whether the provider takes the link, where that is not what stands there. Nothing is written when the
// link is another one by now.
func (s *Store) MarkExternal(ctx context.Context, user uuid.UUID, provider string, was External, refused bool) error {
	if was.Refused == refused {
		return nil
	}
	return s.insist(ctx, user, func(ctx context.Context) error {
		secret, err := s.get(ctx, user)
		if err != nil {
			return client.IgnoreNotFound(err)
		}
		now, ok := readExternals(secret)[provider]
		if !ok || now.Access != was.Access || now.Refused == refused {
			return nil
		}
		now.Refused = refused
		value, err := encodeExternal(now)
		if err != nil {
			return err
		}
		return s.patch(ctx, user, map[string][]byte{externalPrefix + provider: value}, secret.ResourceVersion)
	})
}

// SignedInTo are the providers whose links are good, as far as is known, in order.
func SignedInTo(links map[string]External) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(links)) {
		if !links[name].Refused {
			names = append(names, name)
		}
	}
	return names
}

func encodeExternal(l External) ([]byte, error) {
	value, err := json.Marshal(l)
	if err != nil {
		return nil, errors.New("a link can't be encoded") // the error could quote it
	}
	if len(value) > maxExternalSize {
		return nil, fmt.Errorf("a link has %d bytes, more than can be kept", len(value))
	}
	return value, nil
}
