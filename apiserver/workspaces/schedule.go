// SPDX-License-Identifier: Apache-2.0

package workspaces

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/schedule"
)

// setTTL sets after how long a start is stopped again; null turns that off. A running start keeps its deadline.
func (h *Handlers) setTTL(ctx context.Context, p store.WorkspaceParts, in codersdk.UpdateWorkspaceTTLRequest) (httpapi.None, error) {
	if err := policy.MayAutostop(p.Template, authz.From(ctx).Subject); err != nil {
		return httpapi.None{}, err
	}
	after, err := schedule.ParseTTL(in.TTLMillis, p.Template.Spec.Lifecycle)
	if err != nil {
		return httpapi.None{}, err
	}
	return httpapi.None{}, h.edit(ctx, p, func(s *v1alpha1.WorkspaceSpec) { s.Autostop = &v1alpha1.Autostop{After: after} })
}

// setAutostart sets when the workspace starts by itself; null and "" turn that off.
func (h *Handlers) setAutostart(ctx context.Context, p store.WorkspaceParts, in codersdk.UpdateWorkspaceAutostartRequest) (httpapi.None, error) {
	if err := policy.MayAutostart(p.Template, authz.From(ctx).Subject); err != nil {
		return httpapi.None{}, err
	}
	cron, err := schedule.ParseCron(in.Schedule)
	if err != nil {
		return httpapi.None{}, err
	}
	return httpapi.None{}, h.edit(ctx, p, func(s *v1alpha1.WorkspaceSpec) { s.Autostart = cron })
}

// edit changes a workspace's spec. What a GitOps tool holds of it, the store refuses.
func (h *Handlers) edit(ctx context.Context, p store.WorkspaceParts, change func(*v1alpha1.WorkspaceSpec)) error {
	_, err := h.Store.ChangeWorkspace(ctx, p.Workspace, func(w *v1alpha1.Workspace) error {
		change(&w.Spec)
		return nil
	})
	return err
}
