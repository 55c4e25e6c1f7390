// SPDX-License-Identifier: Apache-2.0

package builds

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
)

// cancel asks a build to end early. It is a wish: the manager takes away what was made, and the build says when that is
// done.
func (h *Handlers) cancel(ctx context.Context, p store.WorkspaceParts, _ httpapi.None) (codersdk.Response, error) {
	administers := authz.From(ctx).Can(authz.Update, authz.TemplateObject(p.Template))
	if l := p.Template.Spec.Lifecycle; l != nil && l.UserCancel == v1alpha1.PermissionForbid && !administers {
		return codersdk.Response{}, fault.New(fault.Forbidden, "The template does not allow its users to cancel builds. Ask an administrator of the template.")
	}
	if p.Build == nil {
		return codersdk.Response{}, &fault.Error{Kind: fault.Conflict, Message: "The build has not been made yet. Try again."}
	}
	by := v1alpha1.BuildCancel{RequestedAt: h.Now().UTC().Format(time.RFC3339Nano), By: authz.From(ctx).User}
	_, err := h.Store.ChangeBuild(ctx, p.Build, func(b *v1alpha1.WorkspaceBuild) error {
		if err := cancelable(p.Workspace, b); err != nil {
			return err
		}
		b.Spec.Cancel = &by
		return nil
	})
	if err != nil {
		return codersdk.Response{}, err
	}
	return codersdk.Response{Message: "Job has been marked as canceled."}, nil
}

// cancelable refuses what can't be ended early. A stop or a deletion that is at work has nothing that could be taken
// back: the pod is told to end already.
func cancelable(w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild) error {
	refuse := func(message string) error {
		return &httpapi.Refusal{Fault: fault.New(fault.Invalid, "%s", message), Status: http.StatusBadRequest}
	}
	switch {
	case !ledger.InProgress(b):
		return refuse("Job has already completed!")
	case b.Spec.Cancel != nil:
		return refuse("Job has already been marked as canceled!")
	case b.Spec.Transition != v1alpha1.TransitionStart && ledger.IsAccepted(w, b):
		return refuse("A stop or a deletion that has begun can't be taken back. Start the workspace when it has ended.")
	}
	return nil
}
