// SPDX-License-Identifier: Apache-2.0

package podtoken

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/internal/fault"
)

// Cluster is what a verifier asks of the kube-apiserver.
type Cluster interface {
	// Get reads a path.
	Get(ctx context.Context, path string) ([]byte, error)
	// Review asks whether a token is good for an audience.
	Review(ctx context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error)
}

// Of is the cluster that a client reaches.
func Of(client kubernetes.Interface) Cluster { return byClient{client} }

type byClient struct{ kubernetes.Interface }

func (c byClient) Get(ctx context.Context, path string) ([]byte, error) {
	return c.Discovery().RESTClient().Get().AbsPath(path).DoRaw(ctx)
}

func (c byClient) Review(ctx context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	review, err := c.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenReviewStatus{}, err
	}
	return review.Status, nil
}

const (
	// reviewsAtOnce and reviewsPerSecond bound what strangers can have us ask the cluster.
	reviewsAtOnce    = 50
	reviewsPerSecond = 10
	// remembered is how many answers are kept, and refusedFor for how long a refusal is.
	remembered = 10_000
	refusedFor = 10 * time.Second
	// podUID is where a TokenReview says whose pod the token is.
	podUID = "authentication.kubernetes.io/pod-uid"
)

// reviews are the cluster's answers, by the token's hash.
type reviews struct {
	cluster Cluster
	now     func() time.Time
	limit   *rate.Limiter

	mu    *sync.Mutex
	known map[[sha256.Size]byte]reviewed
}

// reviewed is an answer: the pod, or why not, and until when it counts.
type reviewed struct {
	pod   Pod
	err   error
	until time.Time
}

func newReviews(cluster Cluster, now func() time.Time) reviews {
	return reviews{
		cluster: cluster, now: now, limit: rate.NewLimiter(reviewsPerSecond, reviewsAtOnce),
		mu: &sync.Mutex{}, known: map[[sha256.Size]byte]reviewed{},
	}
}

// ask is the cluster's answer, which is kept for as long as the token is good. The claims were checked but for who vouches
// for them.
func (r *reviews) ask(ctx context.Context, token, audience string, c claims) (Pod, error) {
	hash, now := sha256.Sum256([]byte(token)), r.now()
	r.mu.Lock()
	answer, ok := r.known[hash]
	r.mu.Unlock()
	if ok && now.Before(answer.until) {
		return answer.pod, answer.err
	}
	if !r.limit.AllowN(now, 1) {
		return Pod{}, fault.New(fault.Unavailable, "Too many tokens have to be asked for. Try again.")
	}
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	status, err := r.cluster.Review(ctx, token, audience)
	if err != nil {
		f := fault.New(fault.Unavailable, "The agent's token can't be verified now. Try again.")
		f.Cause = fmt.Errorf("TokenReview: %w", err)
		return Pod{}, f
	}
	answer = reviewed{pod: c.pod(), until: c.Expiry.Time()}
	if err := vouches(status, audience, c); err != nil {
		answer = reviewed{err: refuse(err), until: now.Add(refusedFor)}
	}
	r.keep(hash, answer, now)
	return answer.pod, answer.err
}

// vouches says what keeps a TokenReview from vouching for the claims.
func vouches(status authenticationv1.TokenReviewStatus, audience string, c claims) error {
	k := c.Kubernetes
	switch {
	case !status.Authenticated:
		return errors.New("the cluster does not know it")
	case !slices.Contains(status.Audiences, audience):
		return errors.New("the cluster knows it for another audience")
	case !strings.HasPrefix(status.User.Username, "system:serviceaccount:"+k.Namespace+":"):
		return errors.New("the cluster knows it as no service account of its namespace")
	case !slices.Equal(status.User.Extra[podUID], authenticationv1.ExtraValue{string(k.Pod.UID)}):
		return errors.New("the cluster knows it as no pod's, or as another's")
	}
	return nil
}

// keep remembers an answer. When there are too many, those that count no more go, and if that is not enough, all.
func (r *reviews) keep(hash [sha256.Size]byte, answer reviewed, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= remembered {
		for h, a := range r.known {
			if !now.Before(a.until) {
				delete(r.known, h)
			}
		}
	}
	if len(r.known) >= remembered {
		clear(r.known)
	}
	r.known[hash] = answer
}
