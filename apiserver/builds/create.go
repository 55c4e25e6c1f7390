// SPDX-License-Identifier: Apache-2.0

package builds

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/policy"
)

// create asks for a transition. What a request changes for good (parameters, a version that the workspace is held to) is
// written to the workspace first, so that the build and its workspace agree.
func (h *Handlers) create(ctx context.Context, p store.WorkspaceParts, in codersdk.CreateWorkspaceBuildRequest) (codersdk.WorkspaceBuild, error) {
	transition, err := h.allowed(ctx, p, in)
	if err != nil {
		return codersdk.WorkspaceBuild{}, err
	}
	request := store.BuildRequest{
		Transition: transition,
		Orphan:     in.Orphan,
		LogLevel:   string(in.LogLevel),
		Initiator:  authz.From(ctx).Account,
		RequestID:  httpapi.RequestID(ctx),
		Now:        h.Now(),
	}
	if request.Number, err = h.Store.NextNumber(ctx, p); err != nil {
		return codersdk.WorkspaceBuild{}, err
	}
	switch transition {
	case v1alpha1.TransitionStart:
		p.Workspace, err = h.start(ctx, p, in, &request)
	default:
		repeat(p, &request)
	}
	if err != nil {
		return codersdk.WorkspaceBuild{}, err
	}
	build := store.NewBuild(p.Workspace, request)
	if !in.DryRun {
		if build, err = h.Store.CreateBuild(ctx, build); err != nil {
			return codersdk.WorkspaceBuild{}, err
		}
	}
	p, err = h.Store.WithBuild(ctx, p, build)
	return view.Build(view.WorkspaceParts(p), h.Now()), err
}

// allowed refuses what no workspace's state and no parameter could make right, then what the present state forbids.
func (h *Handlers) allowed(ctx context.Context, p store.WorkspaceParts, in codersdk.CreateWorkspaceBuildRequest) (v1alpha1.Transition, error) {
	transition, ok := transitions()[in.Transition]
	if !ok {
		return "", invalid("transition", "must be start, stop or delete")
	}
	administers := authz.From(ctx).Can(authz.Update, authz.TemplateObject(p.Template))
	switch {
	case len(in.State) > 0 && !administers:
		return "", fault.New(fault.Forbidden, "Only template managers may provide custom state.")
	case len(in.State) > 0:
		return "", invalid("state", "must be empty: a workspace's state is its objects in the cluster")
	case in.Orphan && transition != v1alpha1.TransitionDelete:
		return "", invalid("orphan", "belongs to transition delete")
	case in.Orphan && !administers:
		return "", fault.New(fault.Forbidden, "Only template managers may orphan workspaces.")
	case in.LogLevel != "" && in.LogLevel != codersdk.ProvisionerLogLevelDebug:
		return "", invalid("log_level", "must be empty or debug")
	case in.LogLevel != "" && !administers:
		return "", invalid("log_level", "may be set by template administrators only")
	case transition == v1alpha1.TransitionStop && len(in.RichParameterValues) > 0:
		return "", invalid("rich_parameter_values", "belong to transition start; a stop takes those of the last build")
	}
	if transition == v1alpha1.TransitionDelete {
		if err := gitops.Editable(p.Workspace, "Workspace "+p.Workspace.WireName()); err != nil {
			return "", err
		}
	}
	return transition, idle(p)
}

func transitions() map[codersdk.WorkspaceTransition]v1alpha1.Transition {
	return map[codersdk.WorkspaceTransition]v1alpha1.Transition{
		codersdk.WorkspaceTransitionStart:  v1alpha1.TransitionStart,
		codersdk.WorkspaceTransitionCreate: v1alpha1.TransitionStart,
		codersdk.WorkspaceTransitionStop:   v1alpha1.TransitionStop,
		codersdk.WorkspaceTransitionDelete: v1alpha1.TransitionDelete,
	}
}

func invalid(field, detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: []fault.Field{{Path: field, Detail: detail}}}
}

// idle refuses a build beside one that is at work, or of a workspace that is going.
func idle(p store.WorkspaceParts) error {
	w := p.Workspace
	switch {
	case w.DeletionTimestamp != nil || w.Status.Deletion != nil:
		return fault.New(fault.Conflict, "The workspace is being deleted.")
	case p.Build != nil && ledger.InProgress(p.Build) && !ledger.Superseded(w, p.Build):
		return store.ActiveBuild()
	}
	return nil
}

// repeat gives a stop or a deletion what the last build had. It needs neither template nor version to be right.
func repeat(p store.WorkspaceParts, r *store.BuildRequest) {
	if p.Build == nil {
		r.Version = referTo(p.Active)
		return
	}
	last := p.Build.Spec
	r.Version, r.Hash = last.VersionRef, last.ResolvedHash
	if last.Parameters != nil {
		r.Parameters = &v1alpha1.BuildParameters{Values: last.Parameters.Values}
	}
}

func referTo(v *v1alpha1.TemplateVersion) *v1alpha1.UIDReference {
	return &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
}

// chosen is the version that a start takes, and whether the request itself chose it: the request's; else the one that the
// workspace and the rollout have, as for a start by the manager.
func (h *Handlers) chosen(ctx context.Context, p store.WorkspaceParts, in codersdk.CreateWorkspaceBuildRequest) (*v1alpha1.TemplateVersion, bool, error) {
	if in.TemplateVersionID == uuid.Nil {
		v, err := h.Store.NextVersion(ctx, p)
		return v, false, err
	}
	v, rights, err := h.Store.VersionByID(ctx, in.TemplateVersionID)
	if err == nil && !authz.From(ctx).Can(authz.Read, rights) {
		err = fault.New(fault.NotFound, "")
	}
	if fault.Is(err, fault.NotFound) {
		f := fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
		f.Fields = []fault.Field{{Path: policy.VersionField, Detail: "names no version that you have access to"}}
		return nil, false, f
	}
	if err != nil {
		return nil, false, err
	}
	if v.Version.Status.Job == nil || !v.Version.Status.Job.Phase.Ended() {
		f := fault.New(fault.Conflict, "The template version is still being checked. Wait until that has ended.")
		f.Fields = []fault.Field{{Path: policy.VersionField, Detail: "is still being checked"}}
		return nil, false, &httpapi.Refusal{Fault: f, Status: http.StatusNotAcceptable}
	}
	return v.Version, true, nil
}
