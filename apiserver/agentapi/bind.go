// SPDX-License-Identifier: Apache-2.0

package agentapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// lookEvery and lookFor are how what a claim names is looked for, since news of it may come after that of the claim.
	lookEvery = 20 * time.Millisecond
	lookFor   = 5 * time.Second
	// secretBytes is how long a secret is, in random bytes.
	secretBytes = 32
)

// bind tells an agent whose its pod has become. The hash of its secret is written first: what stands in the cluster is never
// behind what an agent holds, and a secret that is lost on the way opens nothing. Then that agent is not bound, and the
// manager starts the workspace in another pod.
func (h *Handlers) bind(ctx context.Context, slot *v1alpha1.WarmWorkspace, name string, to *httpapi.Socket) error {
	if is := entry(slot, name); is.SecretHash != "" || is.Replica != h.Replica {
		return errReplaced
	}
	env, err := h.claimed(ctx, slot)
	if err != nil {
		h.Log.Error("an agent can't be told whose its pod is", "slot", slot.Namespace+"/"+slot.Name, "agent", name, "error", err)
		return err
	}
	if err := to.Ping(ctx); err != nil {
		return err
	}
	random := make([]byte, secretBytes)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	told := agentsdk.Claim{Secret: base64.RawURLEncoding.EncodeToString(random), Env: []agentsdk.EnvVar{}}
	for _, v := range env[name] {
		told.Env = append(told.Env, agentsdk.EnvVar{Name: v.Name, Value: v.Value})
	}
	hashed := v1alpha1.WarmAgent{Name: name, SecretHash: authn.SecretHash(told.Secret)}
	if err := h.Store.SetSlotAgent(ctx, slot, hashed); err != nil {
		return err
	}
	if err := to.Send(ctx, told); err != nil {
		return err
	}
	limit := time.NewTimer(httpapi.AgentPatience)
	defer limit.Stop()
	select {
	case <-to.Taken():
	case <-limit.C:
		return fault.New(fault.Unavailable, "The agent did not say that it has taken the claim.")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	hashed.Bound = true
	return h.Store.SetSlotAgent(ctx, slot, hashed)
}

// claimed is what the agents of a claimed pod are told, as soon as all that the claim names is known here.
func (h *Handlers) claimed(ctx context.Context, slot *v1alpha1.WarmWorkspace) (map[string][]v1alpha1.EnvVar, error) {
	limit := time.NewTimer(lookFor)
	defer limit.Stop()
	for {
		env, err := h.Store.BindSlot(ctx, slot)
		if !fault.Is(err, fault.NotFound) {
			return env, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-limit.C:
			return nil, err
		case <-time.After(lookEvery):
		}
	}
}

// confirm notes that an agent has come with its secret, which it could not say when it got it.
func (h *Handlers) confirm(ctx context.Context, slot *v1alpha1.WarmWorkspace, name string) error {
	is := entry(slot, name)
	if is.Bound {
		return nil
	}
	return h.Store.SetSlotAgent(ctx, slot, v1alpha1.WarmAgent{Name: name, SecretHash: is.SecretHash, Bound: true})
}
