// SPDX-License-Identifier: Apache-2.0

package podtoken

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// refresh is after how long keys are read again, so that one that was taken away counts no longer. Where they can't be
	// read, those that are known go on until they are stale.
	refresh = 10 * time.Minute
	stale   = time.Hour
	// between is how long lies between two reads at least, whatever keys tokens name.
	between = 10 * time.Second
	// fetching is how long a read may take.
	fetching = 5 * time.Second
)

// trusted are the issuer that the cluster names and its keys.
type trusted struct {
	issuer string
	keys   jose.JSONWebKeySet
}

// keys are what is known of a cluster's keys.
type keys struct {
	cluster Cluster
	now     func() time.Time

	mu    sync.Mutex
	known *trusted
	// read is when they were last read, and tried when that was last tried.
	read, tried time.Time
	failed      error
}

// get gives the keys, read anew when they are old, or when none of them is called kid. An error says that they are not
// known.
func (k *keys) get(ctx context.Context, kid string) (*trusted, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	fresh := k.known != nil && now.Sub(k.read) < refresh
	if (!fresh || len(k.known.keys.Key(kid)) == 0) && (k.tried.IsZero() || now.Sub(k.tried) >= between) {
		k.fetch(ctx, now)
	}
	if k.known == nil || now.Sub(k.read) >= stale {
		return nil, fmt.Errorf("the cluster's keys can't be read: %w", k.failed)
	}
	return k.known, nil
}

// fetch reads issuer and keys. Who asked first may leave; others wait for the same.
func (k *keys) fetch(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetching)
	defer cancel()
	k.tried = now
	read, err := readKeys(ctx, k.cluster)
	if err != nil {
		k.failed = err
		return
	}
	k.known, k.read, k.failed = read, now, nil
}

func readKeys(ctx context.Context, cluster Cluster) (*trusted, error) {
	document, err := cluster.Get(ctx, "/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("discovery document: %w", err)
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(document, &discovery); err != nil || discovery.Issuer == "" {
		return nil, errors.New("the discovery document names no issuer")
	}
	// The document's jwks_uri may be an address that only the cluster's nodes reach; the path is the same at every one.
	data, err := cluster.Get(ctx, "/openid/v1/jwks")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	read := &trusted{issuer: discovery.Issuer}
	if err := json.Unmarshal(data, &read.keys); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return read, nil
}

// verify checks a token's signature by the key that it names, and by that key's own algorithm alone.
func (t *trusted) verify(signed token) error {
	named := t.keys.Key(signed.kid)
	if len(named) == 0 {
		return errors.New("no key of the cluster is called as it says")
	}
	for _, key := range named {
		if alg := algorithmOf(key); alg == "" || alg != signed.alg {
			continue
		}
		if _, err := signed.signed.Verify(key.Key); err == nil {
			return nil
		}
	}
	return errors.New("its signature is not by the key that it names")
}

// algorithmOf is the algorithm of a key that signs tokens; empty for any other.
func algorithmOf(key jose.JSONWebKey) jose.SignatureAlgorithm {
	var alg jose.SignatureAlgorithm
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		alg = jose.RS256
	case *ecdsa.PublicKey:
		alg = map[elliptic.Curve]jose.SignatureAlgorithm{elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512}[k.Curve]
	}
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != string(alg) {
		return ""
	}
	return alg
}
