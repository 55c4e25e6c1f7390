// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// CodeLifetime is how long a code for an app's host is worth anything: a browser is led there at once.
	CodeLifetime = time.Minute
	// codeEvery and codeFor are how a code is looked for that another process made a moment ago.
	codeEvery, codeFor = 50 * time.Millisecond, time.Second
)

// IssueCode makes a code by which whoever has the key of the id begins a session at one host of apps, and there alone. The
// code is worth that once, for CodeLifetime, and as long as the key lives; it tells nothing to who reads it, so nothing need
// be encrypted, and no process need share a key with another. The account's id must be the one on the wire.
func (s *Store) IssueCode(ctx context.Context, account *v1alpha1.User, id uuid.UUID, parent, host string, lifetime time.Duration) (string, error) {
	t, code := newToken(), ""
	err := s.insist(ctx, id, func(ctx context.Context) error {
		secret, err := s.get(ctx, id)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		now := s.now().UTC()
		from, ok := readKey(keyPrefix+parent, secret.Data[keyPrefix+parent])
		if !ok || from.Scope != ScopeAll || from.Parent != "" || from.over(secret, now) {
			return fault.New(fault.Unauthenticated, "Your session has ended. Sign in again.")
		}
		// It is a session for spent: where there are too many it is among the first to go.
		value, err := json.Marshal(keptKey{Digest: t.digest(), CreatedAt: now, ExpiresAt: now.Add(CodeLifetime), Lifetime: int64(lifetime / time.Second),
			LoginType: from.LoginType, Session: true, Scope: ScopeApplicationConnect, NotAfter: from.NotAfter, Linked: from.Linked,
			Host: host, Parent: parent, Code: true})
		if err != nil {
			return fmt.Errorf("encoding a code: %w", err)
		}
		fields := map[string][]byte{keyPrefix + t.id: value}
		for _, field := range spent(secret, now) {
			fields[field] = nil
		}
		code = t.String()
		return s.patch(ctx, id, fields, secret.ResourceVersion)
	})
	return code, err
}

// RedeemCode begins the session that a code stands for at the host, and gives its token, which opens the app at that host and
// nothing else. The code is spent by the same write, so of several who show it one gets a session. A code that is none, is
// spent, is too old, or is for another host is a fault.Forbidden, always of the same words. Before anything is written, admit
// says whether the code's user may come in; its error is given back.
func (s *Store) RedeemCode(ctx context.Context, text, host string, admit func(context.Context, uuid.UUID) error) (string, Key, error) {
	t, ok := parseToken(text)
	if !ok {
		return "", Key{}, unredeemed()
	}
	user, err := s.userOfCode(ctx, t, host)
	if err != nil {
		return "", Key{}, err
	}
	if err := admit(ctx, user); err != nil {
		return "", Key{}, err
	}
	made, begun := newToken(), keptKey{}
	err = s.insist(ctx, user, func(ctx context.Context) error {
		secret, err := s.get(ctx, user)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		now := s.now().UTC()
		if begun, ok = readCode(secret, t, host, now); !ok {
			return unredeemed()
		}
		begun.Digest, begun.Code, begun.CreatedAt, begun.UsedAt = made.digest(), false, now, now
		begun.slideTo(now.Add(time.Duration(begun.Lifetime) * time.Second))
		value, err := json.Marshal(begun)
		if err != nil {
			return fmt.Errorf("encoding a key: %w", err)
		}
		return s.patch(ctx, user, map[string][]byte{keyPrefix + t.id: nil, keyPrefix + made.id: value}, secret.ResourceVersion)
	})
	if err != nil {
		return "", Key{}, err
	}
	return made.String(), key(made.id, user, begun), nil
}

// userOfCode finds whose code it is. One that is not there may be on its way from the process that made it.
func (s *Store) userOfCode(ctx context.Context, t token, host string) (uuid.UUID, error) {
	found := uuid.Nil
	err := wait.PollUntilContextTimeout(ctx, codeEvery, codeFor, true, func(ctx context.Context) (bool, error) {
		var secrets corev1.SecretList
		if err := s.client.List(ctx, &secrets, client.InNamespace(s.namespace), client.MatchingFields{KeyIndex: t.id}); err != nil {
			return false, wrap(err, "looking up a code")
		}
		for i := range secrets.Items {
			if _, ok := readCode(&secrets.Items[i], t, host, s.now()); ok {
				found, ok = userOf(&secrets.Items[i])
				return ok, nil
			}
		}
		if len(secrets.Items) > 0 {
			return false, unredeemed()
		}
		return false, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = unredeemed()
	}
	return found, err
}

// readCode reads a code that is worth something at the host.
func readCode(secret *corev1.Secret, t token, host string, now time.Time) (keptKey, bool) {
	k, ok := readKey(keyPrefix+t.id, secret.Data[keyPrefix+t.id])
	if !ok || !k.Code || subtle.ConstantTimeCompare(k.Digest, t.digest()) != 1 || k.Host != host || k.over(secret, now) {
		return keptKey{}, false
	}
	return k, true
}

// unredeemed says no more than that: what a code was for is nobody's business who has only found it.
func unredeemed() error {
	return fault.New(fault.Forbidden, "This way into the app has been used, is of another app, or is too old. Open the app again.")
}
