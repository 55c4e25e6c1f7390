// SPDX-License-Identifier: Apache-2.0

package authn

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// shortestKey is how many bytes an identity provider's key has at least: one that can be guessed is refused.
const shortestKey = 16

// Provider knows the identity provider by the key that it sends. It is nobody's account: what it may do is what is served
// to it.
type Provider struct {
	// File holds the key. It is read for every request, so that a new key counts as soon as it is there.
	File string
}

// Authenticate compares the key.
func (p *Provider) Authenticate(r *http.Request, _ bool) (*authz.Caller, error) {
	key, err := os.ReadFile(p.File)
	if err != nil {
		return nil, fmt.Errorf("the identity provider's key: %w", err)
	}
	if key = bytes.TrimSpace(key); len(key) < shortestKey {
		return nil, fmt.Errorf("the identity provider's key has %d bytes, and needs %d", len(key), shortestKey)
	}
	if given, ok := bareKey(r); ok {
		// hashes, so that the time tells nothing of the key's length either
		want, have := sha256.Sum256(key), sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(want[:], have[:]) == 1 {
			return &authz.Caller{Subject: authz.Subject{Provider: true}, Account: &v1alpha1.User{}}, nil
		}
	}
	return nil, fault.New(fault.Unauthenticated, "The request does not carry the key of the identity provider.")
}

// bareKey is the one key that a request carries, behind "Bearer" or by itself.
func bareKey(r *http.Request) (string, bool) {
	const bearer = "bearer "
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	key := strings.TrimSpace(values[0])
	if len(key) > len(bearer) && strings.EqualFold(key[:len(bearer)], bearer) {
		key = strings.TrimSpace(key[len(bearer):])
	}
	return key, key != ""
}
