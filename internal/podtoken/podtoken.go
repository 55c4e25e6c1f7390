// SPDX-License-Identifier: Apache-2.0

// Package podtoken tells which pod a projected service-account token speaks for. A token is verified here, by the cluster's
// own keys, without asking the cluster about each: signature, issuer, audience, times, and that it is bound to a pod. Only
// where the keys can't be read, or the token's issuer is another than the cluster now names, the cluster is asked, once a
// token.
//
// A pod that is gone leaves tokens behind that stay good until they end. So a verified token says whom it speaks for, and
// not that the pod is there or that it is ours: that is the caller's to look up.
package podtoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // strict: no key twice, and none in another case
	"github.com/go-jose/go-jose/v4/jwt"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// leeway is how far clocks may be apart.
	leeway = time.Minute
	// longest is how long a token may be, in bytes; those of Kubernetes have about a thousand.
	longest = 16 << 10
)

// Pod is whom a token speaks for.
type Pod struct {
	// UID is the pod's.
	UID types.UID
	// Namespace and Name are where it was.
	Namespace, Name string
	// Expires is when the token ends.
	Expires time.Time
}

// Verifier verifies tokens. It may be used by many goroutines at once.
type Verifier struct {
	audience string
	now      func() time.Time
	keys     keys
	reviews  reviews
}

// New makes a verifier of tokens whose one audience is the given. It asks the cluster for nothing yet.
func New(cluster Cluster, audience string, now func() time.Time) *Verifier {
	return &Verifier{audience: audience, now: now, keys: keys{cluster: cluster, now: now}, reviews: newReviews(cluster, now)}
}

// Verify tells whom a token speaks for. What is wrong with one is a fault.Unauthenticated that says no more than that; the
// cause, for the log, holds nothing of the token. A fault.Unavailable means that nothing could be found out now.
func (v *Verifier) Verify(ctx context.Context, token string) (Pod, error) {
	t, err := parse(token)
	if err == nil {
		err = v.check(t.claims) // by what it says of itself: nothing that can't be right is worth asking for
	}
	if err != nil {
		return Pod{}, refuse(err)
	}
	trusted, err := v.keys.get(ctx, t.kid)
	if err != nil || trusted.issuer != t.claims.Issuer {
		return v.reviews.ask(ctx, token, v.audience, t.claims)
	}
	if err := trusted.verify(t); err != nil {
		return Pod{}, refuse(err)
	}
	return t.claims.pod(), nil
}

// refuse is the answer to a token that is not good.
func refuse(why error) error {
	f := fault.New(fault.Unauthenticated, "The agent's token is not valid.")
	f.Cause = why
	return f
}

// algorithms are those with which a cluster signs, by the key's type.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// token is a token that was read and is not verified.
type token struct {
	signed *jose.JSONWebSignature
	kid    string
	alg    jose.SignatureAlgorithm
	claims claims
}

// parse reads a token in its only spelling: three parts, and a header with an algorithm that a cluster signs with and the
// name of the key. Errors quote nothing of it.
func parse(text string) (token, error) {
	if len(text) > longest || strings.Count(text, ".") != 2 {
		return token{}, errors.New("it is no token of three parts")
	}
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return token{}, errors.New("it is no signed token, or its algorithm is none that a cluster signs with")
	}
	header := signed.Signatures[0].Protected
	t := token{signed: signed, kid: header.KeyID, alg: jose.SignatureAlgorithm(header.Algorithm)}
	if t.kid == "" {
		return token{}, errors.New("it names no key")
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.claims); err != nil {
		return token{}, errors.New("it holds no claims")
	}
	return t, nil
}

// claims are what a token says.
type claims struct {
	jwt.Claims
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string    `json:"name"`
			UID  types.UID `json:"uid"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// check says what is wrong with claims, but for their issuer.
func (v *Verifier) check(c claims) error {
	switch k := c.Kubernetes; {
	case !slices.Equal(c.Audience, jwt.Audience{v.audience}):
		return fmt.Errorf("it is not for the one audience %q", v.audience)
	case k.Pod.UID == "" || k.Pod.Name == "" || k.Namespace == "":
		return errors.New("it is bound to no pod")
	case c.Expiry == nil:
		return errors.New("it has no end")
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Time: v.now()}, leeway); err != nil {
		return errors.New("it is over, or its time has not come")
	}
	return nil
}

func (c claims) pod() Pod {
	k := c.Kubernetes
	return Pod{UID: k.Pod.UID, Namespace: k.Namespace, Name: k.Pod.Name, Expires: c.Expiry.Time()}
}
