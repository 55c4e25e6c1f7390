// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// LabelKind marks the Secrets of this package in Berth's namespace; its value is KindUser.
	LabelKind = "berth.dev/credentials"
	// KindUser is the label's value on a user's Secret.
	KindUser = "user"
	// FieldOwner is the field manager of this package's writes.
	FieldOwner = client.FieldOwner("berth-apiserver")

	secretType    = corev1.SecretType("berth.dev/user-credentials")
	secretPrefix  = "berth-user-"
	passwordField = "password"
	keyPrefix     = "key-"
)

// Store reads and writes credentials. It may be used by many goroutines at once.
type Store struct {
	// Fixed says that sessions do not slide. It is set before the Store is used.
	Fixed bool
	// Hashed, where it is not nil, is told of each password hash that is computed. It is set before the Store is used.
	Hashed func()

	client    client.Client
	namespace string
	now       func() time.Time
	hasher    *hasher

	turns *turns
	uses  chan use
	noted *lru.Cache // by a key's id: when this process last queued that it was used
}

// New is a store of Secrets in Berth's namespace. The client should read them from a cache that has KeyIndex.
func New(c client.Client, namespace string, now func() time.Time) *Store {
	s := &Store{client: c, namespace: namespace, now: now, hasher: newHasher(), turns: newTurns(),
		uses: make(chan use, usesWaiting), noted: lru.New(usesKnown)}
	s.hasher.computed = func() {
		if s.Hashed != nil {
			s.Hashed()
		}
	}
	return s
}

// SetPassword makes the password the user's and ends all sessions and tokens that the old one led to, but for those of the
// ids in except; the account's id must be the one on the wire.
func (s *Store) SetPassword(ctx context.Context, account *v1alpha1.User, id uuid.UUID, password string, except ...string) error {
	if f := CheckPolicy(password); f != nil {
		return f
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.rewrite(ctx, account, id, map[string][]byte{passwordField: []byte(hash), conversionField: nil}, func(key string, _ keptKey) bool {
		return !slices.Contains(except, key)
	})
}

// EndAll ends every session and key of the user.
func (s *Store) EndAll(ctx context.Context, account *v1alpha1.User, id uuid.UUID) error {
	return s.rewrite(ctx, account, id, nil, func(string, keptKey) bool { return true })
}

// rewrite sets fields of the user's Secret and removes the keys that are to end. It is bound to the Secret as it was read:
// a key that another replica makes at the same time is met by the next try, and does not outlive what ends it.
func (s *Store) rewrite(ctx context.Context, account *v1alpha1.User, id uuid.UUID, set map[string][]byte, ends func(id string, k keptKey) bool) error {
	return s.rewriteIf(ctx, account, id, set, nil, ends)
}

// rewriteIf is rewrite of a Secret that is as it should be; of another one, and where there is none, nothing is written. A
// nil condition is no condition.
func (s *Store) rewriteIf(ctx context.Context, account *v1alpha1.User, id uuid.UUID, set map[string][]byte, still func(*corev1.Secret) bool, ends func(id string, k keptKey) bool) error {
	return s.insist(ctx, id, func(ctx context.Context) error {
		secret, err := s.get(ctx, id)
		if apierrors.IsNotFound(err) {
			if len(set) == 0 || still != nil {
				return nil
			}
			return s.write(ctx, account, id, set)
		}
		if err != nil {
			return err
		}
		if still != nil && !still(secret) {
			return nil
		}
		fields := maps.Clone(set)
		if fields == nil {
			fields = map[string][]byte{}
		}
		for field, value := range secret.Data {
			key, is := strings.CutPrefix(field, keyPrefix)
			// One that can't be read opens nothing, and goes with the others.
			if k, ok := readKey(field, value); is && (!ok || ends(key, k)) {
				fields[field] = nil
			}
		}
		if len(fields) == 0 {
			return nil
		}
		return s.patch(ctx, id, fields, secret.ResourceVersion)
	})
}

// CheckPassword tells whether the password is that of the user with the id. Of a user who is not there, or who has no
// password, no password is right; pass the nil UUID where nobody was found, so that the answer takes as long.
func (s *Store) CheckPassword(ctx context.Context, id uuid.UUID, password string) (bool, error) {
	kept := ""
	if id != uuid.Nil {
		secret, err := s.get(ctx, id)
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
		if err == nil {
			kept = string(secret.Data[passwordField])
		}
	}
	if len(password) > 4*MaxPassword {
		password, kept = "", "" // nobody's: none so long can have been chosen
	}
	return s.hasher.check(ctx, password, kept)
}

func (s *Store) get(ctx context.Context, id uuid.UUID) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := s.client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: secretName(id)}, secret)
	return secret, wrap(err, "reading credentials")
}

// write sets fields of the user's Secret, and removes those that are nil. Other fields are left alone, so that two
// replicas never overwrite each other's keys.
func (s *Store) write(ctx context.Context, account *v1alpha1.User, id uuid.UUID, fields map[string][]byte) error {
	err := s.patch(ctx, id, fields, "")
	if !apierrors.IsNotFound(err) {
		return err
	}
	err = s.create(ctx, account, id, fields)
	if apierrors.IsAlreadyExists(err) {
		return s.patch(ctx, id, fields, "")
	}
	return err
}

// create makes the user's Secret.
func (s *Store) create(ctx context.Context, account *v1alpha1.User, id uuid.UUID, fields map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace,
			Name:      secretName(id),
			Labels:    map[string]string{LabelKind: KindUser, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			// Credentials go with the person, whoever deletes the User and by whatever door.
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "User", Name: account.Name, UID: account.UID,
			}},
		},
		Type: secretType,
		Data: map[string][]byte{},
	}
	for field, value := range fields {
		if value != nil {
			secret.Data[field] = value
		}
	}
	return wrap(s.client.Create(ctx, secret, FieldOwner), "writing credentials")
}

// patch sends a merge patch of the fields alone. With a resource version it is refused when anybody else wrote since.
func (s *Store) patch(ctx context.Context, id uuid.UUID, fields map[string][]byte, resourceVersion string) error {
	body := map[string]any{"data": fields}
	if resourceVersion != "" {
		body["metadata"] = map[string]any{"resourceVersion": resourceVersion}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding credentials: %w", err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: secretName(id)}}
	return wrap(s.client.Patch(ctx, secret, client.RawPatch(types.MergePatchType, data), FieldOwner), "writing credentials")
}

// wrap keeps the status of an error of the API, which tells what to do, and leaves out its text, which may quote what
// was sent.
func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	reason := apierrors.ReasonForError(err)
	if reason == metav1.StatusReasonUnknown {
		return fmt.Errorf("%s: %w", doing, err)
	}
	status := metav1.Status{Status: metav1.StatusFailure, Reason: reason, Message: doing + ": " + string(reason)}
	if known, ok := err.(apierrors.APIStatus); ok {
		status.Code = known.Status().Code
	}
	return &apierrors.StatusError{ErrStatus: status}
}

func secretName(id uuid.UUID) string { return secretPrefix + id.String() }

// userOf is the user whose Secret it is.
func userOf(secret *corev1.Secret) (uuid.UUID, bool) {
	text, ok := strings.CutPrefix(secret.Name, secretPrefix)
	if !ok || secret.Labels[LabelKind] != KindUser {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil && id != uuid.Nil
}
