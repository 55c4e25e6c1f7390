// SPDX-License-Identifier: Apache-2.0

package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podtoken"
)

const (
	// patience is how long is waited for news of a pod that the cache does not know yet, and lookEvery how often it is asked.
	patience  = 5 * time.Second
	lookEvery = 50 * time.Millisecond
)

// Tokens verifies agents' tokens; podtoken.Verifier is one.
type Tokens interface {
	Verify(ctx context.Context, token string) (podtoken.Pod, error)
}

// Pods is where is looked up whose a pod is; the store is one.
type Pods interface {
	// PodByUID is a fault.NotFound for a pod that is not known.
	PodByUID(ctx context.Context, uid types.UID) (store.PodParts, error)
}

// Agents knows agents by their pods' tokens, and, in a pod that was prepared, by the secret that each was given when it was
// claimed. The token of such a pod is as old as the pod, so from the claim on it opens nothing by itself.
type Agents struct {
	Tokens Tokens
	Pods   Pods
	// Patience is how long is waited for news of a pod that is not known yet; zero means five seconds.
	Patience time.Duration
}

// errLater says that what is missing may still come.
var errLater = errors.New("it is not known yet")

// Agent finds the agent behind a request's token.
func (a *Agents) Agent(r *http.Request, prepared bool) (*httpapi.Agent, error) {
	token, err := only(r, agentsdk.TokenHeader)
	if err != nil {
		return nil, err
	}
	secret, err := only(r, agentsdk.SecretHeader)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, stranger(errors.New("no token"))
	}
	pod, err := a.Tokens.Verify(r.Context(), token)
	if err != nil {
		return nil, err
	}
	wait := a.Patience
	if wait == 0 {
		wait = patience
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	for {
		agent, err := a.find(r.Context(), pod, r.URL.Query().Get(agentsdk.AgentParameter), secret, prepared)
		if !errors.Is(err, errLater) {
			return agent, err
		}
		select {
		case <-ctx.Done():
			f := fault.New(fault.Unauthenticated, "The agent's pod is not known.")
			f.Cause = err
			return nil, &httpapi.Refusal{Fault: f, Status: http.StatusUnauthorized, RetryAfter: wait}
		case <-time.After(lookEvery):
		}
	}
}

// find is the agent of a pod, by its name, or errLater.
func (a *Agents) find(ctx context.Context, pod podtoken.Pod, name, secret string, prepared bool) (*httpapi.Agent, error) {
	p, err := a.Pods.PodByUID(ctx, pod.UID)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, errLater
	case err != nil:
		return nil, err
	case p.Slot == nil:
		return workspaceAgent(p.Workspace, pod, name)
	case p.Slot.Namespace != pod.Namespace || p.Slot.DeletionTimestamp != nil:
		return nil, stranger(errors.New("the pod is no prepared one of its namespace, or is going"))
	case p.Slot.Spec.Claim == nil && secret != "":
		return nil, errLater
	case p.Slot.Spec.Claim == nil && !prepared:
		return nil, stranger(errors.New("the pod is nobody's yet"))
	case p.Slot.Spec.Claim == nil:
		return &httpapi.Agent{Name: name, Slot: p.Slot}, nil
	}
	if err := proves(p.Slot, name, secret); err != nil {
		return nil, err
	}
	if p.Workspace == nil {
		return nil, errLater
	}
	return &httpapi.Agent{Name: name, Slot: p.Slot, Workspace: p.Workspace}, nil
}

// workspaceAgent is the agent of a pod that was its workspace's from the beginning.
func workspaceAgent(w *v1alpha1.Workspace, pod podtoken.Pod, name string) (*httpapi.Agent, error) {
	if w.Namespace != pod.Namespace {
		return nil, stranger(errors.New("the pod is in another namespace than its workspace"))
	}
	return &httpapi.Agent{Name: name, Workspace: w}, nil
}

// proves says what is wrong with the secret of an agent of a claimed pod.
func proves(slot *v1alpha1.WarmWorkspace, name, secret string) error {
	if secret == "" {
		return stranger(errors.New("the pod was claimed, and the agent shows no secret"))
	}
	i := slices.IndexFunc(slot.Status.Agents, func(a v1alpha1.WarmAgent) bool { return a.Name == name })
	if i < 0 || slot.Status.Agents[i].SecretHash == "" {
		return errLater
	}
	if subtle.ConstantTimeCompare([]byte(SecretHash(secret)), []byte(slot.Status.Agents[i].SecretHash)) != 1 {
		return stranger(errors.New("the agent's secret is another"))
	}
	return nil
}

// SecretHash is what is kept of an agent's secret. The secret is random, so a plain hash does.
func SecretHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// stranger is the answer to whoever is no agent of ours; the same for all of them.
func stranger(why error) error {
	f := fault.New(fault.Unauthenticated, "The agent's credentials are not valid.")
	f.Cause = why
	return f
}

// only is a header's value; empty where there is none. Several are refused, since nobody can tell which was meant.
func only(r *http.Request, header string) (string, error) {
	values := r.Header.Values(header)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", stranger(errors.New("several headers " + header))
}
