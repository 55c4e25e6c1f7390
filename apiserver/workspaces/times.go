// SPDX-License-Identifier: Apache-2.0

package workspaces

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/schedule"
)

// extend moves the time at which the running workspace is stopped. It is written to the workspace itself, so that a stop
// that was decided and not yet accepted is decided anew; once one is accepted, there is nothing to extend.
func (h *Handlers) extend(ctx context.Context, p store.WorkspaceParts, in codersdk.PutExtendWorkspaceRequest) (codersdk.Response, error) {
	if err := started(p); err != nil {
		return codersdk.Response{}, err
	}
	_, err := h.Store.ChangeWorkspace(ctx, p.Workspace, func(w *v1alpha1.Workspace) error {
		if !ledger.IsAccepted(w, p.Build) || w.DeletionTimestamp != nil || w.Status.Deletion != nil {
			return notStarted()
		}
		text, err := schedule.Extension(w, in.Deadline, h.Now())
		if err != nil {
			return err
		}
		annotate(w, v1alpha1.AnnotationExtendedTo, text)
		return nil
	})
	if err != nil {
		return codersdk.Response{}, err
	}
	return codersdk.Response{Message: "Deadline updated to " + in.Deadline.UTC().Format(time.RFC3339) + "."}, nil
}

// started refuses what is to be done to a workspace that runs.
func started(p store.WorkspaceParts) error {
	switch {
	case p.Build == nil || p.Build.Spec.Transition != v1alpha1.TransitionStart:
		return notStarted()
	case ledger.InProgress(p.Build):
		return fault.New(fault.Conflict, "Workspace is still building.")
	case ledger.Outcome(p.Build) != v1alpha1.JobSucceeded:
		return notStarted()
	}
	return nil
}

func notStarted() error { return fault.New(fault.Conflict, "Workspace must be started.") }

// setDormant puts the workspace to sleep, or wakes it. What it is already is not written again.
func (h *Handlers) setDormant(ctx context.Context, p store.WorkspaceParts, in codersdk.UpdateWorkspaceDormancy) (httpapi.Reply[codersdk.Workspace], error) {
	unchanged := false
	changed, err := h.Store.ChangeWorkspace(ctx, p.Workspace, func(w *v1alpha1.Workspace) error {
		if unchanged = in.Dormant != schedule.DormantSince(w).IsZero(); unchanged {
			return nil
		}
		if in.Dormant {
			annotate(w, v1alpha1.AnnotationDormantSince, h.Now().UTC().Format(time.RFC3339Nano))
		} else {
			delete(w.Annotations, v1alpha1.AnnotationDormantSince)
		}
		return nil
	})
	if err != nil {
		return httpapi.Reply[codersdk.Workspace]{}, err
	}
	if unchanged {
		return httpapi.Reply[codersdk.Workspace]{Status: http.StatusNotModified}, nil
	}
	p.Workspace = changed
	return httpapi.Reply[codersdk.Workspace]{Body: view.Workspace(view.WorkspaceParts(p), h.Now())}, nil
}

func annotate(w *v1alpha1.Workspace, key, value string) {
	if w.Annotations == nil {
		w.Annotations = map[string]string{}
	}
	w.Annotations[key] = value
}
