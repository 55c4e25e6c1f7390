// SPDX-License-Identifier: Apache-2.0

// Package agentapi serves what workspaces' agents ask for: hold, the stream on which the agent of a prepared pod waits until
// somebody claims it, and is then told, once, whose it has become; and the owner's tokens at external providers, for git.
//
// It does not know agents (package authn does), and it claims nothing.
package agentapi

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/fault"
)

// Handlers are the endpoints of agents.
type Handlers struct {
	// Store reads and writes objects.
	Store *store.Store
	// External are the external providers, and the owners' links to them.
	External *links.Links
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
	// Replica names this process among the API servers. It must be another after each start, since streams end with it.
	Replica string
	// Log is told what agents can't be.
	Log *slog.Logger
	// Now tells the time.
	Now func() time.Time

	streams streams
	comings comings
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/workspaceagents/me/hold", Tag: "Agents", Door: httpapi.PreparedAgents, Action: authz.Read, Status: 200,
			Do: httpapi.AgentSocket(h.mayHold, h.hold)},
		{Method: "GET", Path: "/api/v2/workspaceagents/me/external-auth", Tag: "Agents", Door: httpapi.Agents, Action: authz.Read, Status: 200,
			Do: httpapi.AgentAnswer(h.externalAuth)},
		{Method: "GET", Path: "/api/v2/workspaceagents/me/gitauth", Tag: "Agents", Door: httpapi.Agents, Action: authz.Read, Status: 200,
			Do: httpapi.AgentAnswer(h.externalAuth)},
	}
}

// mayHold refuses an agent that has nothing to wait for, that its pod does not have, or that comes too often.
func (h *Handlers) mayHold(ctx context.Context, a *httpapi.Agent) error {
	if a.Slot == nil {
		return fault.New(fault.Conflict, "The agent's pod has been its workspace's from the beginning; there is nothing to wait for.")
	}
	names, err := h.Store.SlotAgents(ctx, a.Slot)
	if err != nil {
		return err
	}
	if !slices.Contains(names, a.Name) {
		return fault.On(agentsdk.AgentParameter, "the pod has no agent of this name")
	}
	if wait := h.comings.take(streamKey{a.Slot.UID, a.Name}, h.Now()); wait > 0 {
		return httpapi.TooOften(wait)
	}
	return nil
}

// hold is the stream of one agent.
func (h *Handlers) hold(ctx context.Context, a *httpapi.Agent, to *httpapi.Socket) error {
	if a.Workspace != nil {
		return h.confirm(ctx, a.Slot, a.Name)
	}
	key := streamKey{a.Slot.UID, a.Name}
	mine := h.streams.begin(key)
	defer func() { h.leave(ctx, a, mine) }()
	changed, stop := h.Store.ObjectChanges(a.Slot)
	defer stop()
	alive := time.NewTicker(httpapi.Beat)
	defer alive.Stop()
	for {
		slot, err := h.Store.Slot(ctx, a.Slot)
		switch {
		case fault.Is(err, fault.NotFound) || err == nil && !samePod(slot, a.Slot):
			return errGone
		case err != nil:
			return err
		case slot.Spec.Claim != nil:
			return h.bind(ctx, slot, a.Name, to)
		}
		if err := h.note(ctx, slot, a.Name); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-mine.replaced:
			return errReplaced
		case <-changed:
		case <-alive.C:
			if err := to.Ping(ctx); err != nil {
				return err
			}
		}
	}
}

var (
	errGone     = fault.New(fault.Unauthenticated, "The pod is no prepared one any more.")
	errReplaced = fault.New(fault.Conflict, "The agent has come by another connection.")
)

// samePod tells whether a prepared workspace, as it is now, still has the pod that it had.
func samePod(now, before *v1alpha1.WarmWorkspace) bool {
	return now.DeletionTimestamp == nil && now.Status.Pod != nil && now.Status.Pod.UID == before.Status.Pod.UID
}

// entry is what stands about an agent.
func entry(slot *v1alpha1.WarmWorkspace, name string) v1alpha1.WarmAgent {
	for _, a := range slot.Status.Agents {
		if a.Name == name {
			return a
		}
	}
	return v1alpha1.WarmAgent{Name: name}
}

// note writes down that the agent is connected here. Where it is said of another server it is left: that one has a newer
// stream, or is gone and its word is replaced by whoever has one.
func (h *Handlers) note(ctx context.Context, slot *v1alpha1.WarmWorkspace, name string) error {
	is := entry(slot, name)
	if is.Connected && is.Replica == h.Replica {
		return nil
	}
	return h.Store.SetSlotAgent(ctx, slot, v1alpha1.WarmAgent{Name: name, Connected: true, Replica: h.Replica})
}

// leave writes down that the agent is not connected any more, unless another stream of it is, or somebody has claimed the
// pod. It looks past the cache, which may not know yet that the agent was noted as connected here.
func (h *Handlers) leave(ctx context.Context, a *httpapi.Agent, mine *stream) {
	if !h.streams.end(streamKey{a.Slot.UID, a.Name}, mine) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	slot, err := h.Store.SlotNow(ctx, a.Slot)
	if fault.Is(err, fault.NotFound) {
		return
	}
	if err == nil && (slot.Spec.Claim != nil || entry(slot, a.Name).Replica != h.Replica) {
		return
	}
	if err == nil {
		err = h.Store.SetSlotAgent(ctx, slot, v1alpha1.WarmAgent{Name: a.Name})
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		h.Log.Warn("not noted that an agent is away", "slot", types.NamespacedName{Namespace: a.Slot.Namespace, Name: a.Slot.Name}.String(), "agent", a.Name, "error", err)
	}
}

// leaving bounds the write about an agent that has left.
const leaving = 5 * time.Second
