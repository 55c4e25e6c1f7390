// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const gitKeyField = "git-ssh"

// GitKey is the public half of the ed25519 key by which a person's workspaces reach git by SSH.
type GitKey struct {
	// Public is the line that a git provider is given, as in an authorized_keys file, with its newline.
	Public string
	// CreatedAt is when the person first had a key, UpdatedAt when this one was made.
	CreatedAt, UpdatedAt time.Time
}

// keptGitKey is a key as its Secret holds it. Both halves follow from the seed.
type keptGitKey struct {
	Seed      []byte    `json:"seed"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// GitKey is the user's key, made where there is none: for whoever asks first, and the same for all who ask. The account's
// id must be the one on the wire.
func (s *Store) GitKey(ctx context.Context, account *v1alpha1.User, id uuid.UUID) (GitKey, error) {
	return s.gitKey(ctx, account, id, false)
}

// RotateGitKey replaces the user's key. The one before is not kept.
func (s *Store) RotateGitKey(ctx context.Context, account *v1alpha1.User, id uuid.UUID) (GitKey, error) {
	return s.gitKey(ctx, account, id, true)
}

func (s *Store) gitKey(ctx context.Context, account *v1alpha1.User, id uuid.UUID, anew bool) (GitKey, error) {
	var made GitKey
	err := s.insist(ctx, id, func(ctx context.Context) (err error) {
		made, err = s.tryGitKey(ctx, account, id, anew)
		return err
	})
	return made, err
}

// tryGitKey reads the key and, where one is to be made, writes it unless the Secret was written meanwhile.
func (s *Store) tryGitKey(ctx context.Context, account *v1alpha1.User, id uuid.UUID, anew bool) (GitKey, error) {
	secret, err := s.get(ctx, id)
	absent := apierrors.IsNotFound(err)
	if err != nil && !absent {
		return GitKey{}, err
	}
	now := s.now().UTC()
	kept := keptGitKey{CreatedAt: now}
	if data := secret.Data[gitKeyField]; len(data) > 0 {
		if err := json.Unmarshal(data, &kept); err != nil {
			return GitKey{}, errors.New("the kept git key can't be read") // the error would quote it
		}
		if !anew {
			return kept.public()
		}
	}
	kept.Seed, kept.UpdatedAt = random(ed25519.SeedSize), now
	public, err := kept.public()
	if err != nil {
		return GitKey{}, err
	}
	value, err := json.Marshal(kept)
	if err != nil {
		return GitKey{}, fmt.Errorf("encoding a git key: %w", err)
	}
	return public, s.writeGitKey(ctx, account, id, secret, absent, value)
}

func (s *Store) writeGitKey(ctx context.Context, account *v1alpha1.User, id uuid.UUID, secret *corev1.Secret, absent bool, value []byte) error {
	fields := map[string][]byte{gitKeyField: value}
	if absent {
		return s.create(ctx, account, id, fields)
	}
	return s.patch(ctx, id, fields, secret.ResourceVersion)
}

// public is what may be shown of a key.
func (k keptGitKey) public() (GitKey, error) {
	if len(k.Seed) != ed25519.SeedSize {
		return GitKey{}, fmt.Errorf("the kept git key is damaged: it has %d bytes", len(k.Seed))
	}
	public, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(k.Seed).Public())
	if err != nil {
		return GitKey{}, fmt.Errorf("a git key's public half: %w", err)
	}
	return GitKey{Public: string(ssh.MarshalAuthorizedKey(public)), CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt}, nil
}
