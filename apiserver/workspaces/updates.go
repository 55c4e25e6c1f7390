// SPDX-License-Identifier: Apache-2.0

package workspaces

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

// rename answers as a server whose workspaces keep their names: the name that a workspace has already is no change.
func (h *Handlers) rename(_ context.Context, p store.WorkspaceParts, in codersdk.UpdateWorkspaceRequest) (httpapi.None, error) {
	if in.Name == "" || in.Name == p.Workspace.WireName() {
		return httpapi.None{}, nil
	}
	return httpapi.None{}, fault.New(fault.Invalid, "Workspace renames are not allowed.")
}

// setUpdates sets whether starts take the template's active version. Who wants them to is no longer held to one version;
// one that restarts by itself for a new version goes on to do so.
func (h *Handlers) setUpdates(ctx context.Context, p store.WorkspaceParts, in codersdk.UpdateWorkspaceAutomaticUpdatesRequest) (httpapi.None, error) {
	if in.AutomaticUpdates == "" {
		in.AutomaticUpdates = "absent" // which only a request that makes a workspace may leave out
	}
	wanted, err := updates(in.AutomaticUpdates)
	if err != nil {
		return httpapi.None{}, err
	}
	return httpapi.None{}, h.edit(ctx, p, func(s *v1alpha1.WorkspaceSpec) {
		if wanted == v1alpha1.UpdatesManual {
			s.Updates = wanted
			return
		}
		s.VersionRef = nil
		if s.Updates != v1alpha1.UpdatesRestart {
			s.Updates = wanted
		}
	})
}

// resolveAutostart tells whether the version that the next start takes refuses the parameters that the workspace has, so
// that a person must choose before it can be started by its schedule.
func (h *Handlers) resolveAutostart(ctx context.Context, p store.WorkspaceParts, _ httpapi.None) (codersdk.ResolveAutostartResponse, error) {
	var none codersdk.ResolveAutostartResponse
	keeps := p.Workspace.Spec.Updates == v1alpha1.UpdatesManual || p.Workspace.Spec.VersionRef != nil
	if keeps && !p.Template.Spec.RequireActiveVersion || p.Version != nil && p.Version.UID == p.Active.UID {
		return none, nil
	}
	last, err := h.Store.LastStart(ctx, p.Workspace)
	if err != nil {
		return none, err
	}
	var previous map[string]v1alpha1.Value
	if last != nil && last.Spec.Parameters != nil {
		previous = last.Spec.Parameters.Values
	}
	_, wrong := parameters.Resolve(p.Active.Spec.Content.Parameters, p.Workspace.Spec.Parameters, previous, func(name string) string { return name })
	return codersdk.ResolveAutostartResponse{ParameterMismatch: wrong != nil}, nil
}
