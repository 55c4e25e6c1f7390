// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
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
	// SessionLifetime is how long a session lives after its last use.
	SessionLifetime = 24 * time.Hour
	// maxKeys is how many keys a user may have; the sessions nearest to their end make room.
	maxKeys = 500

	// KeyIndex is the name of the index that finds Secrets by the ids of their keys.
	KeyIndex = "berth.credentials.key"
)

// IndexKeys gives a cache KeyIndex; it must happen before the cache starts.
func IndexKeys(ctx context.Context, to client.FieldIndexer) error {
	return to.IndexField(ctx, &corev1.Secret{}, KeyIndex, func(o client.Object) []string {
		secret, ok := o.(*corev1.Secret)
		if !ok || secret.Labels[LabelKind] != KindUser {
			return nil
		}
		var ids []string
		for field := range secret.Data {
			if id, ok := strings.CutPrefix(field, keyPrefix); ok {
				ids = append(ids, id)
			}
		}
		return ids
	})
}

// Key is what is known of an API key. The secret part is not among it.
type Key struct {
	// ID is the key's first part.
	ID string
	// User is the id of the person whose key it is.
	User uuid.UUID
	// Name is how the person calls a token; a session has none.
	Name string
	// Scope is what it opens.
	Scope Scope
	// Session tells a session, which slides while it is used, from a token.
	Session bool
	// CreatedAt and ExpiresAt bound its life; Lifetime is how long that was meant to be, after the last use for a session.
	CreatedAt, ExpiresAt time.Time
	Lifetime             time.Duration
	// UsedAt is when it was last used, a minute too old or, where many keys are in use, up to an hour; zero before the first
	// use.
	UsedAt time.Time
	// LoginType is how the person had signed in to get it.
	LoginType v1alpha1.LoginType
	// Linked says that it is as good as the user's Link.
	Linked bool
	// Host is the one host of an app that it opens; empty where it is bound to none.
	Host string
}

// Scope is what a key opens.
type Scope string

// The scopes. One that is not known opens as little as the narrowest.
const (
	// ScopeAll opens all that its user may do.
	ScopeAll Scope = "all"
	// ScopeApplicationConnect opens the apps of workspaces, and none of the API.
	ScopeApplicationConnect Scope = "application_connect"
)

// keptKey is a key as its Secret holds it.
type keptKey struct {
	Digest    []byte             `json:"digest"`
	CreatedAt time.Time          `json:"createdAt"`
	ExpiresAt time.Time          `json:"expiresAt"`
	Lifetime  int64              `json:"lifetimeSeconds"`
	LoginType v1alpha1.LoginType `json:"loginType"`
	// Session says that the key came from a login and slides while it is used.
	Session bool      `json:"session"`
	Name    string    `json:"name,omitempty"`
	Scope   Scope     `json:"scope"`
	UsedAt  time.Time `json:"usedAt,omitzero"`
	// NotAfter is an end that no use moves: that of the word of the identity provider which began the session.
	NotAfter time.Time `json:"notAfter,omitzero"`
	// Linked says that the session is as good as the user's Link.
	Linked bool `json:"linked,omitempty"`
	// Host is the host of an app to which the key is bound, and Parent the id of the key with which it ends.
	Host   string `json:"host,omitempty"`
	Parent string `json:"parent,omitempty"`
	// Code says that it is to be exchanged for a session there, once, and opens nothing itself.
	Code bool `json:"code,omitempty"`
}

// ended tells whether the word that began the session is over, whatever use moved its end to.
func (k *keptKey) ended(now time.Time) bool { return !k.NotAfter.IsZero() && !k.NotAfter.After(now) }

// over tells whether a key of the Secret opens nothing any more: it has expired, or the one with which it ends has.
func (k *keptKey) over(secret *corev1.Secret, now time.Time) bool {
	if !k.ExpiresAt.After(now) || k.ended(now) {
		return true
	}
	if k.Parent == "" {
		return false
	}
	parent, ok := readKey(keyPrefix+k.Parent, secret.Data[keyPrefix+k.Parent])
	return !ok || parent.Parent != "" || parent.over(secret, now)
}

// slideTo moves the key's end, as far as it may be moved.
func (k *keptKey) slideTo(end time.Time) {
	if !k.NotAfter.IsZero() && k.NotAfter.Before(end) {
		end = k.NotAfter
	}
	k.ExpiresAt = end
}

func readKey(field string, value []byte) (keptKey, bool) {
	var k keptKey
	if !strings.HasPrefix(field, keyPrefix) || json.Unmarshal(value, &k) != nil {
		return keptKey{}, false
	}
	return k, true
}

// Issue makes a session for the user that lives for a while after its last use, and gives its token, which is shown this
// once. The account's id must be the one on the wire.
func (s *Store) Issue(ctx context.Context, account *v1alpha1.User, id uuid.UUID, how v1alpha1.LoginType, lifetime time.Duration) (string, Key, error) {
	return s.issue(ctx, account, id, keptKey{LoginType: how}, lifetime, map[string][]byte{})
}

// issue stores a session, and with it the fields.
func (s *Store) issue(ctx context.Context, account *v1alpha1.User, id uuid.UUID, kept keptKey, lifetime time.Duration, fields map[string][]byte) (string, Key, error) {
	t, now := newToken(), s.now().UTC()
	kept.Digest, kept.CreatedAt, kept.UsedAt = t.digest(), now, now
	kept.Lifetime, kept.Session, kept.Scope = int64(lifetime/time.Second), true, ScopeAll
	kept.slideTo(now.Add(lifetime))
	value, err := json.Marshal(kept)
	if err != nil {
		return "", Key{}, fmt.Errorf("encoding a key: %w", err)
	}
	fields[keyPrefix+t.id] = value
	secret, err := s.get(ctx, id)
	if client.IgnoreNotFound(err) != nil {
		return "", Key{}, err
	}
	for _, field := range spent(secret, now) {
		fields[field] = nil
	}
	if err := s.write(ctx, account, id, fields); err != nil {
		return "", Key{}, err
	}
	return t.String(), key(t.id, id, kept), nil
}

// spent are the fields of keys that have expired, and of the sessions nearest to their end where there are too many.
func spent(secret *corev1.Secret, now time.Time) []string {
	type alive struct {
		field string
		until time.Time
	}
	var fields []string
	var sessions []alive
	keys := 0
	for field, value := range secret.Data {
		k, ok := readKey(field, value)
		switch {
		case !strings.HasPrefix(field, keyPrefix):
			continue
		case !ok || k.over(secret, now):
			fields = append(fields, field)
			continue
		case k.Session:
			sessions = append(sessions, alive{field, k.ExpiresAt})
		}
		keys++
	}
	slices.SortFunc(sessions, func(a, b alive) int { return a.until.Compare(b.until) })
	for i := 0; i < len(sessions) && keys-i >= maxKeys; i++ {
		fields = append(fields, sessions[i].field)
	}
	return fields
}

// Verify finds the key that a token is. A token that is none, or that is over, is a fault.Unauthenticated; the key of one
// that is over comes with it, so that it can be told whose it was. Whether its user may come in is for the caller to find
// out.
func (s *Store) Verify(ctx context.Context, text string) (Key, error) {
	t, ok := parseToken(text)
	if !ok {
		return Key{}, fault.New(fault.Unauthenticated, "The session token is invalid. Sign in again.")
	}
	var secrets corev1.SecretList
	if err := s.client.List(ctx, &secrets, client.InNamespace(s.namespace), client.MatchingFields{KeyIndex: t.id}); err != nil {
		return Key{}, wrap(err, "looking up a key")
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		kept, ok := readKey(keyPrefix+t.id, secret.Data[keyPrefix+t.id])
		if !ok || subtle.ConstantTimeCompare(kept.Digest, t.digest()) != 1 {
			continue
		}
		user, ok := userOf(secret)
		if !ok || kept.Code {
			continue
		}
		now := s.now()
		if kept.over(secret, now) {
			return key(t.id, user, kept), fault.New(fault.Unauthenticated, "Your session has expired. Sign in again.")
		}
		return key(t.id, user, s.used(ctx, user, t.id, kept, now)), nil
	}
	return Key{}, fault.New(fault.Unauthenticated, "The session token is invalid. Sign in again.")
}

// renew notes that a key is used and moves a session's end, unless that was noted less long ago than said. It writes over
// nothing that it has not seen: a key that was ended in the meantime stays so.
func (s *Store) renew(ctx context.Context, u use, now time.Time, unless time.Duration) (keptKey, error) {
	secret, err := s.get(ctx, u.user)
	if err != nil {
		return keptKey{}, err
	}
	k, ok := readKey(keyPrefix+u.id, secret.Data[keyPrefix+u.id])
	if !ok || !k.ExpiresAt.After(now) {
		return keptKey{}, fault.New(fault.Unauthenticated, "Your session has ended. Sign in again.")
	}
	if now.Sub(k.UsedAt) < unless {
		return k, nil
	}
	k.UsedAt = now.UTC()
	if k.Session && !s.Fixed {
		k.slideTo(now.UTC().Add(time.Duration(k.Lifetime) * time.Second))
	}
	value, err := json.Marshal(k)
	if err != nil {
		return keptKey{}, err
	}
	return k, s.patch(ctx, u.user, map[string][]byte{keyPrefix + u.id: value}, secret.ResourceVersion)
}

// Revoke ends a key; one that is not there has ended already.
func (s *Store) Revoke(ctx context.Context, user uuid.UUID, id string) error {
	err := s.patch(ctx, user, map[string][]byte{keyPrefix + id: nil}, "")
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func key(id string, user uuid.UUID, k keptKey) Key {
	scope := k.Scope
	if scope != ScopeAll {
		scope = ScopeApplicationConnect
	}
	return Key{ID: id, User: user, Name: k.Name, Scope: scope, Session: k.Session, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		Lifetime: time.Duration(k.Lifetime) * time.Second, UsedAt: k.UsedAt, LoginType: k.LoginType, Linked: k.Linked, Host: k.Host}
}
