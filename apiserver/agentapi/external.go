// SPDX-License-Identifier: Apache-2.0

package agentapi

import (
	"context"
	"slices"
	"time"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/externalauth"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// listenEvery is how often is looked whether the owner has signed in, beside when the owner's account says so.
const listenEvery = 10 * time.Second

// externalAuth gives an agent its owner's token at a provider: the one whose git URLs look like match, or the one of an id
// that the workspace's version names. Where the owner is not signed in there it says where to, or with listen waits until the
// owner is.
func (h *Handlers) externalAuth(ctx context.Context, a *httpapi.Agent, q httpapi.Query) (agentsdk.ExternalAuthResponse, error) {
	none := agentsdk.ExternalAuthResponse{}
	listen := q.Bool("listen") || q.Has("listen") && q.String("listen") == "" // agents say it without a value
	if err := q.Err(); err != nil {
		return none, err
	}
	parts, err := h.workspace(ctx, a)
	if err != nil {
		return none, err
	}
	changed, stop := h.Store.ObjectChanges(parts.Owner)
	defer stop()
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		if parts, err = h.workspace(ctx, a); err != nil { // whose it is, and what it may, is asked each time
			return none, err
		}
		p, err := h.provider(parts, q)
		if err != nil {
			return none, err
		}
		out, err := h.token(ctx, parts.Owner, p)
		if err != nil || out.AccessToken != "" || !listen {
			return out, err
		}
		select {
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-changed:
		case <-tick.C:
		}
	}
}

// workspace is the agent's, with its owner and version as they are now.
func (h *Handlers) workspace(ctx context.Context, a *httpapi.Agent) (store.WorkspaceParts, error) {
	parts, _, err := h.Store.WorkspaceByID(ctx, ids.Of(a.Workspace))
	switch {
	case err != nil:
		return parts, err
	case parts.Workspace.UID != a.Workspace.UID || parts.Workspace.DeletionTimestamp != nil:
		return parts, fault.New(fault.NotFound, "The agent's workspace is not there any more.")
	case !hasPod(parts.Workspace, a):
		return parts, fault.New(fault.Unauthenticated, "The pod is its workspace's no more.")
	case ending(parts.Build):
		return parts, fault.New(fault.Forbidden, "The workspace is being stopped.")
	case parts.Owner.Spec.Suspended || parts.Owner.DeletionTimestamp != nil:
		return parts, fault.New(fault.Forbidden, "The owner's account is suspended.")
	}
	return parts, nil
}

// hasPod tells whether the pod as which the agent was known is still its workspace's. A token outlives its pod, so who listens
// may have been let in long ago. Of a claimed pod the claim tells so before the workspace does.
func hasPod(now *v1alpha1.Workspace, a *httpapi.Agent) bool {
	was := a.Workspace.Status.Pod
	if a.Slot != nil {
		was = a.Slot.Status.Pod
		if now.Status.Pod == nil && a.Workspace.Status.Pod == nil {
			return true
		}
	}
	return was != nil && now.Status.Pod != nil && now.Status.Pod.UID == was.UID
}

// ending tells whether a build takes the pod away, or has. One that waits, or that did not come to it, leaves the pod running.
func ending(b *v1alpha1.WorkspaceBuild) bool {
	return b != nil && b.Spec.Transition != v1alpha1.TransitionStart && (b.Phase() == v1alpha1.JobRunning || b.Phase() == v1alpha1.JobSucceeded)
}

// provider is the provider that an agent asks for.
func (h *Handlers) provider(parts store.WorkspaceParts, q httpapi.Query) (*externalauth.Provider, error) {
	id, match := q.String("id"), q.String("match")
	switch {
	case match != "":
		if p := h.External.Matching(match); p != nil {
			return p, nil
		}
		return nil, fault.New(fault.NotFound, "No external provider's git URLs look like this one.")
	case id == "":
		f := fault.New(fault.Invalid, "Validation failed.")
		f.Fields = []fault.Field{{Path: "match", Detail: "or id must be given: a git URL, or a provider's id"}}
		return nil, f
	}
	p := h.External.Provider(id)
	named := parts.Version != nil && slices.ContainsFunc(parts.Version.Spec.Content.ExternalAuth, func(e v1alpha1.ExternalAuth) bool { return e.Name == id })
	if p == nil || !named {
		return nil, fault.New(fault.NotFound, "The workspace's template version names no external provider of this id.")
	}
	return p, nil
}

// token is the owner's token, or where the owner gets one.
func (h *Handlers) token(ctx context.Context, owner *v1alpha1.User, p *externalauth.Provider) (agentsdk.ExternalAuthResponse, error) {
	s, err := h.External.Check(ctx, owner, p)
	if err != nil {
		return agentsdk.ExternalAuthResponse{}, err
	}
	if !s.Usable {
		return agentsdk.ExternalAuthResponse{URL: h.AccessURL + "/external-auth/" + p.ID + "/callback"}, nil
	}
	return agentsdk.ExternalAuthResponse{
		AccessToken: s.Link.Access, TokenExtra: s.Link.Extra, Type: p.Type, Username: p.Username(), Password: s.Link.Access,
	}, nil
}
