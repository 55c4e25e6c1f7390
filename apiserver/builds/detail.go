// SPDX-License-Identifier: Apache-2.0

package builds

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/ledger"
)

// parameters answers with the values that a build was made with.
func (h *Handlers) parameters(_ context.Context, p store.WorkspaceParts, _ httpapi.None) ([]codersdk.WorkspaceBuildParameter, error) {
	return view.BuildParameters(view.WorkspaceParts(p)), nil
}

// resources answers with what a build made or kept.
func (h *Handlers) resources(_ context.Context, p store.WorkspaceParts, _ httpapi.None) ([]codersdk.WorkspaceResource, error) {
	return view.Build(view.WorkspaceParts(p), h.Now()).Resources, nil
}

// state answers with the inventory of a build.
func (h *Handlers) state(_ context.Context, p store.WorkspaceParts) ([]byte, error) {
	return json.MarshalIndent(view.BuildInventory(view.WorkspaceParts(p)), "", "  ")
}

// tail is a part of a build's log. A build that is yet to be made has none, and it is still to come.
func tail(p store.WorkspaceParts, after, before int64) httpapi.Tail[codersdk.ProvisionerJobLog] {
	if p.Build == nil {
		return httpapi.Tail[codersdk.ProvisionerJobLog]{Lines: []codersdk.ProvisionerJobLog{}}
	}
	lines, last := view.JobLog(p.Build.Status.Log, after, before)
	return httpapi.Tail[codersdk.ProvisionerJobLog]{Lines: lines, Last: last, Ended: !ledger.InProgress(p.Build)}
}
