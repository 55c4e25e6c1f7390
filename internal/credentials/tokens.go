// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"context"
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

// Token is a long-lived key that a person asks for.
type Token struct {
	// Name is unique among the person's tokens that have not expired.
	Name string
	// Scope is what it opens.
	Scope Scope
	// Lifetime is how long it lives, used or not.
	Lifetime time.Duration
}

// IssueToken makes a token for the user, and gives it: it is shown this once. A name that is taken, or one key too many,
// is a fault.Conflict. The account's id must be the one on the wire.
func (s *Store) IssueToken(ctx context.Context, account *v1alpha1.User, id uuid.UUID, want Token) (string, Key, error) {
	t, now := newToken(), s.now().UTC()
	kept := keptKey{Digest: t.digest(), CreatedAt: now, ExpiresAt: now.Add(want.Lifetime), Lifetime: int64(want.Lifetime / time.Second),
		LoginType: account.Spec.LoginType, Name: want.Name, Scope: want.Scope}
	value, err := json.Marshal(kept)
	if err != nil {
		return "", Key{}, fmt.Errorf("encoding a token: %w", err)
	}
	err = s.insist(ctx, id, func(ctx context.Context) error {
		return s.addToken(ctx, account, id, keyPrefix+t.id, value, want.Name, now)
	})
	if err != nil {
		return "", Key{}, err
	}
	return t.String(), key(t.id, id, kept), nil
}

// addToken writes a token beside the keys that it was judged by: whoever writes meanwhile makes it a conflict, so that two
// tokens never share a name.
func (s *Store) addToken(ctx context.Context, account *v1alpha1.User, id uuid.UUID, field string, value []byte, name string, now time.Time) error {
	secret, err := s.get(ctx, id)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	fields := map[string][]byte{field: value}
	if apierrors.IsNotFound(err) {
		return s.create(ctx, account, id, fields)
	}
	for _, old := range spent(secret, now) {
		fields[old] = nil
	}
	left := 0
	for old, value := range secret.Data {
		k, ok := readKey(old, value)
		if _, goes := fields[old]; !ok || goes {
			continue
		}
		if left++; k.Name == name {
			f := fault.New(fault.Conflict, "A token with the name %q exists already.", name)
			f.Fields = []fault.Field{{Path: "token_name", Detail: "is taken by another token; choose another name, or delete that one"}}
			return f
		}
	}
	if left >= maxKeys {
		return fault.New(fault.Conflict, "There are %d keys already, as many as one account may have. Delete some first.", left)
	}
	return s.patch(ctx, id, fields, secret.ResourceVersion)
}

// Keys are the keys of a user that have not expired, the oldest first.
func (s *Store) Keys(ctx context.Context, user uuid.UUID) ([]Key, error) {
	secret, err := s.get(ctx, user)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	return s.living(secret, user), nil
}

// AllKeys are the keys of everybody that have not expired, by user.
func (s *Store) AllKeys(ctx context.Context) ([]Key, error) {
	var secrets corev1.SecretList
	if err := s.client.List(ctx, &secrets, client.InNamespace(s.namespace), client.MatchingLabels{LabelKind: KindUser}); err != nil {
		return nil, wrap(err, "listing keys")
	}
	slices.SortFunc(secrets.Items, func(a, b corev1.Secret) int { return strings.Compare(a.Name, b.Name) })
	var keys []Key
	for i := range secrets.Items {
		if user, ok := userOf(&secrets.Items[i]); ok {
			keys = append(keys, s.living(&secrets.Items[i], user)...)
		}
	}
	return keys, nil
}

func (s *Store) living(secret *corev1.Secret, user uuid.UUID) []Key {
	now := s.now()
	var keys []Key
	for field, value := range secret.Data {
		if k, ok := readKey(field, value); ok && !k.Code && !k.over(secret, now) {
			keys = append(keys, key(strings.TrimPrefix(field, keyPrefix), user, k))
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) })
	return keys
}
