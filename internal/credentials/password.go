// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// MinPassword and MaxPassword bound a password's length in characters.
	MinPassword = 8
	MaxPassword = 64

	// The cost of one hash. With the slots below, logins take 76 MiB at most, however many come at once.
	hashMemory = 19 * 1024 // KiB
	hashTime   = 2
	hashLanes  = 1
	hashBytes  = 32
	saltBytes  = 16
	hashSlots  = 4
	// hashQueue is how many may wait for a slot; more are turned away at once, so that a flood of logins costs neither
	// memory nor the patience of those who wait.
	hashQueue = 64
)

// CheckPolicy says whether a password may be chosen. Its fault names the input "password".
func CheckPolicy(password string) *fault.Error {
	switch n := utf8.RuneCountInString(password); {
	case n < MinPassword:
		return fault.On("password", "must have at least %d characters", MinPassword)
	case n > MaxPassword:
		return fault.On("password", "must have at most %d characters", MaxPassword)
	case !utf8.ValidString(password):
		return fault.On("password", "must be valid UTF-8 text")
	case strings.Count(password, password[:1]) == len(password):
		return fault.On("password", "must not repeat one character")
	}
	return nil
}

// hasher bounds how many hashes are computed at once.
type hasher struct {
	slots, queue chan struct{}
	// nobody is a hash that no password has. Checking against it makes an unknown user cost what a known one does.
	nobody string
	// computed is told of each hash that is.
	computed func()
}

func newHasher() *hasher {
	h := &hasher{computed: func() {}, slots: make(chan struct{}, hashSlots), queue: make(chan struct{}, hashSlots+hashQueue)}
	h.nobody = encode(random(saltBytes), random(hashBytes))
	return h
}

// random gives n random bytes. crypto/rand ends the program rather than give bad ones.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// hash is the form in which a password is kept.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltBytes)
	sum, err := h.derive(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return encode(salt, sum), nil
}

// check tells whether the password has the hash. An empty hash is nobody's, and costs the same.
func (h *hasher) check(ctx context.Context, password, kept string) (bool, error) {
	real := kept != ""
	if !real {
		kept = h.nobody
	}
	salt, want, err := parse(kept)
	if err != nil {
		return false, err
	}
	have, err := h.derive(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(have, want) == 1 && real, nil
}

func (h *hasher) derive(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, fault.New(fault.Unavailable, "Too many people are signing in at this moment. Try again in a few seconds.")
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.computed()
	return argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashLanes, hashBytes), nil
}

// prefix names the algorithm and its cost in the usual notation. Another cost is another prefix, so that old hashes can
// be told from new ones when it is raised.
func prefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashTime, hashLanes)
}

func encode(salt, sum []byte) string {
	b := base64.RawStdEncoding
	return prefix() + b.EncodeToString(salt) + "$" + b.EncodeToString(sum)
}

// parse reads a kept hash. Its cost is ours or it is refused, so that nobody can choose it.
func parse(kept string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(kept, prefix())
	left, right, two := strings.Cut(rest, "$")
	if !ok || !two {
		return nil, nil, errors.New("the kept password hash is of a form that this version does not know")
	}
	b := base64.RawStdEncoding
	salt, saltErr := b.DecodeString(left)
	sum, sumErr := b.DecodeString(right)
	if saltErr != nil || sumErr != nil || len(salt) != saltBytes || len(sum) != hashBytes {
		return nil, nil, errors.New("the kept password hash is damaged: its parts have " + strconv.Itoa(len(salt)) + " and " +
			strconv.Itoa(len(sum)) + " bytes")
	}
	return salt, sum, nil
}
