// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// DeclaredPassword and DeclaredHash are the keys of a Secret that a User names in spec.passwordSecret: a password, or the
	// hash of one in the form in which this package keeps it. A Secret has one of them.
	DeclaredPassword = "password"
	DeclaredHash     = "passwordHash"

	// declaredPath is the field that every refusal is about.
	declaredPath = "spec.passwordSecret"
	// sourceField is what of a declared password was taken last.
	sourceField = "password-source"
)

// source is which state of a Secret the user's password was taken from. Its hash tells a Secret that was only touched, or
// restored with another uid, from one with another password; a quick digest of a password is nothing to keep.
type source struct {
	UID             types.UID `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	Hash            string    `json:"hash"`
}

// declared is what a Secret declares: one of a password and a hash.
type declared struct{ password, hash string }

// TakePassword makes the password that a Secret in Berth's namespace declares the user's, when it is another one than what
// was taken from there last; all sessions and tokens of the old one end, as with SetPassword. A password that was chosen
// since stays until the Secret's changes. A Secret that is missing or can't be used is an Invalid fault on
// spec.passwordSecret, with its reason, and changes nothing. The account's id must be the one on the wire.
func (s *Store) TakePassword(ctx context.Context, account *v1alpha1.User, id uuid.UUID, name string) error {
	secret := &corev1.Secret{}
	err := s.client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return fault.On(declaredPath, "there is no Secret %s in namespace %s, or none that may be used; the password stays as it is",
			name, s.namespace).Because(v1alpha1.ReasonPasswordSecretMissing)
	}
	if err != nil {
		return wrap(err, "reading a declared password")
	}
	wish, f := declaredIn(secret)
	if f != nil {
		return f.Because(v1alpha1.ReasonPasswordSecretInvalid)
	}
	own, err := s.get(ctx, id)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	there := err == nil
	var taken source
	if json.Unmarshal(own.Data[sourceField], &taken) != nil {
		taken = source{} // taken anew
	}
	now := source{UID: secret.UID, ResourceVersion: secret.ResourceVersion, Hash: taken.Hash}
	if now == taken && taken.Hash != "" {
		return nil
	}
	set, ends := map[string][]byte{}, false
	switch hash, known, err := s.known(ctx, wish, taken.Hash, string(own.Data[passwordField])); {
	case err != nil:
		return err
	case known:
		now.Hash = hash
	default:
		if now.Hash = wish.hash; wish.hash == "" {
			if now.Hash, err = s.hasher.hash(ctx, wish.password); err != nil {
				return err
			}
		}
		set[passwordField], set[conversionField], ends = []byte(now.Hash), nil, true
	}
	if set[sourceField], err = json.Marshal(now); err != nil {
		return fmt.Errorf("encoding a password's source: %w", err)
	}
	var still func(*corev1.Secret) bool
	if there {
		still = func(is *corev1.Secret) bool { // else another replica has taken it, or somebody chose one: the next try sees that
			return string(is.Data[sourceField]) == string(own.Data[sourceField]) && string(is.Data[passwordField]) == string(own.Data[passwordField])
		}
	}
	return s.rewriteIf(ctx, account, id, set, still, func(string, keptKey) bool { return ends })
}

// known finds the hash, of those given, of the password that is wished.
func (s *Store) known(ctx context.Context, wish declared, hashes ...string) (string, bool, error) {
	for _, hash := range hashes {
		if _, _, err := parse(hash); err != nil {
			continue // none, or one of an earlier cost
		}
		if wish.hash != "" {
			if wish.hash == hash {
				return hash, true, nil
			}
			continue
		}
		right, err := s.hasher.check(ctx, wish.password, hash)
		if err != nil || right {
			return hash, right, err
		}
	}
	return "", false, nil
}

// declaredIn reads a Secret. Secrets of a type of their own are not read: they are somebody's keys, those of users among them.
func declaredIn(secret *corev1.Secret) (declared, *fault.Error) {
	if _, isUsers := OwnerOf(secret.Name); isUsers || secret.Type != "" && secret.Type != corev1.SecretTypeOpaque && secret.Type != corev1.SecretTypeBasicAuth {
		return declared{}, fault.On(declaredPath, "Secret %s is of type %s; name one of type %s or %s", secret.Name, secret.Type,
			corev1.SecretTypeOpaque, corev1.SecretTypeBasicAuth)
	}
	password, hasPassword := secret.Data[DeclaredPassword]
	hash, hasHash := secret.Data[DeclaredHash]
	switch {
	case hasPassword == hasHash:
		return declared{}, fault.On(declaredPath, "Secret %s must have one of the keys %q and %q", secret.Name, DeclaredPassword, DeclaredHash)
	case hasHash:
		text := strings.TrimSuffix(string(hash), "\n")
		if _, _, err := parse(text); err != nil {
			return declared{}, fault.On(declaredPath, "key %q of Secret %s must be a hash that begins with %s, of a salt of %d bytes and %d bytes of output",
				DeclaredHash, secret.Name, prefix(), saltBytes, hashBytes)
		}
		return declared{hash: text}, nil
	case strings.ContainsAny(string(password), "\r\n"):
		return declared{}, fault.On(declaredPath, "key %q of Secret %s has a line break, which nobody can type; make it with printf %%s, not with echo",
			DeclaredPassword, secret.Name)
	}
	if f := CheckPolicy(string(password)); f != nil {
		return declared{}, fault.On(declaredPath, "key %q of Secret %s %s", DeclaredPassword, secret.Name, f.Fields[0].Detail)
	}
	return declared{password: string(password)}, nil
}
