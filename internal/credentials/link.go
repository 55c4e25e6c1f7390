// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
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
	linkField       = "link"
	conversionField = "conversion"

	// ConversionLifetime is how long a person has to change how the account signs in, after giving the password.
	ConversionLifetime = 5 * time.Minute
)

// Link is what an identity provider gave with a person's latest sign-in, so that it can be asked again.
type Link struct {
	// Identity is the account at the provider.
	Identity v1alpha1.LinkedIdentity `json:"identity"`
	// RefreshToken asks the provider again; empty when it gave none.
	RefreshToken string `json:"refreshToken,omitempty"`
	// DueAt is when it is to be asked again, and AskedAt when somebody last set out to.
	DueAt   time.Time `json:"dueAt"`
	AskedAt time.Time `json:"askedAt,omitzero"`

	version string // of the Secret that it was read from
}

// IssueLinked makes a session for a person whom a provider vouches for, and gives its token, which is shown this once.
// Without a refresh token the session ends at until, whatever its lifetime since its last use; with one it is as good as the link, which is
// kept. A zero until is no end.
func (s *Store) IssueLinked(ctx context.Context, account *v1alpha1.User, id uuid.UUID, how v1alpha1.LoginType, link Link, lifetime time.Duration, until time.Time) (string, Key, error) {
	kept := keptKey{LoginType: how}
	fields := map[string][]byte{linkField: nil}
	if link.RefreshToken != "" {
		value, err := json.Marshal(link)
		if err != nil {
			return "", Key{}, fmt.Errorf("encoding a link: %w", err)
		}
		kept.Linked, fields[linkField] = true, value
	} else {
		kept.NotAfter = until
	}
	return s.issue(ctx, account, id, kept, lifetime, fields)
}

// Link is what the user's provider gave; it is false when nothing is kept.
func (s *Store) Link(ctx context.Context, user uuid.UUID) (Link, bool, error) {
	secret, err := s.get(ctx, user)
	if client.IgnoreNotFound(err) != nil {
		return Link{}, false, err
	}
	l, ok := readLink(secret)
	return l, ok, nil
}

func readLink(secret *corev1.Secret) (Link, bool) {
	var l Link
	if json.Unmarshal(secret.Data[linkField], &l) != nil || l.RefreshToken == "" {
		return Link{}, false
	}
	l.version = secret.ResourceVersion
	return l, true
}

// BeginRefresh says that the provider is about to be asked again by the link. Only one of several who have read the same
// link may: it is false for the others, as many providers take a refresh token but once.
func (s *Store) BeginRefresh(ctx context.Context, user uuid.UUID, l Link) (bool, error) {
	l.AskedAt = s.now().UTC()
	value, err := json.Marshal(l)
	if err != nil {
		return false, fmt.Errorf("encoding a link: %w", err)
	}
	return s.first(ctx, user, linkField, value, l.version)
}

// first writes a field unless the Secret has changed since it was read, and tells whether it did.
func (s *Store) first(ctx context.Context, user uuid.UUID, field string, value []byte, version string) (bool, error) {
	err := s.patch(ctx, user, map[string][]byte{field: value}, version)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// EndRefresh keeps what the provider gave, unless another sign-in has replaced the link meanwhile.
func (s *Store) EndRefresh(ctx context.Context, account *v1alpha1.User, user uuid.UUID, was, l Link) error {
	value, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding a link: %w", err)
	}
	return s.rewriteIf(ctx, account, user, map[string][]byte{linkField: value}, func(secret *corev1.Secret) bool {
		now, ok := readLink(secret)
		return ok && now.RefreshToken == was.RefreshToken
	}, func(string, keptKey) bool { return false })
}

// EndLinked ends every session that the link vouches for, and the link. Where another sign-in has replaced it meanwhile,
// nothing ends.
func (s *Store) EndLinked(ctx context.Context, account *v1alpha1.User, user uuid.UUID, was Link) error {
	return s.rewriteIf(ctx, account, user, map[string][]byte{linkField: nil}, func(secret *corev1.Secret) bool {
		now, ok := readLink(secret)
		return ok && now.RefreshToken == was.RefreshToken
	}, func(_ string, k keptKey) bool { return k.Linked })
}

// keptConversion is a change of how an account signs in that its person has begun.
type keptConversion struct {
	Digest    []byte             `json:"digest"`
	To        v1alpha1.LoginType `json:"to"`
	ExpiresAt time.Time          `json:"expiresAt"`
}

// BeginConversion gives the text by which the account may change how it signs in: once, within ConversionLifetime, and
// not after its password has changed. Only the digest is kept. An earlier one is over.
func (s *Store) BeginConversion(ctx context.Context, account *v1alpha1.User, id uuid.UUID, to v1alpha1.LoginType) (string, time.Time, error) {
	text := strings.ReplaceAll(id.String(), "-", "") + letters(2*secretLength)
	kept := keptConversion{Digest: digestOf(text), To: to, ExpiresAt: s.now().UTC().Add(ConversionLifetime)}
	value, err := json.Marshal(kept)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("encoding a conversion: %w", err)
	}
	return text, kept.ExpiresAt, s.write(ctx, account, id, map[string][]byte{conversionField: value})
}

// ConversionOf is the user whom such a text speaks of, believed or not; false when it is no such text.
func ConversionOf(text string) (uuid.UUID, bool) {
	const hex = 32
	if len(text) != hex+2*secretLength {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text[:hex])
	return id, err == nil
}

// SpendConversion takes the text once. Everything but the right one, in time, for this way to sign in, is a fault.
func (s *Store) SpendConversion(ctx context.Context, id uuid.UUID, text string, to v1alpha1.LoginType) error {
	over := fault.New(fault.Forbidden, "The change of how you sign in has expired or was used already. Begin it again.")
	secret, err := s.get(ctx, id)
	if apierrors.IsNotFound(err) {
		return over
	}
	if err != nil {
		return err
	}
	var kept keptConversion
	if json.Unmarshal(secret.Data[conversionField], &kept) != nil || subtle.ConstantTimeCompare(kept.Digest, digestOf(text)) != 1 ||
		kept.To != to || !kept.ExpiresAt.After(s.now()) {
		return over
	}
	err = s.patch(ctx, id, map[string][]byte{conversionField: nil}, secret.ResourceVersion)
	if apierrors.IsConflict(err) {
		return fault.New(fault.Conflict, "The account was changed at the same time. Begin the change of how you sign in again.")
	}
	return err
}

// ForgetPassword removes the user's password and ends the sessions that it began.
func (s *Store) ForgetPassword(ctx context.Context, account *v1alpha1.User, id uuid.UUID) error {
	set := map[string][]byte{passwordField: nil, conversionField: nil, sourceField: nil}
	return s.rewriteIf(ctx, account, id, set, func(*corev1.Secret) bool { return true }, func(_ string, k keptKey) bool {
		return k.Session && k.LoginType == v1alpha1.LoginTypePassword
	})
}

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
