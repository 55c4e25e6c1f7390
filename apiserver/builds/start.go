// SPDX-License-Identifier: Apache-2.0

package builds

import (
	"context"
	"iter"
	"maps"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/policy"
)

// start decides what a start takes, and writes to the workspace what of it is to stay. It gives the workspace back as it
// is then.
func (h *Handlers) start(ctx context.Context, p store.WorkspaceParts, in codersdk.CreateWorkspaceBuildRequest, r *store.BuildRequest) (*v1alpha1.Workspace, error) {
	version, byRequest, err := h.chosen(ctx, p, in)
	if err != nil {
		return nil, err
	}
	given, err := policy.FromWire(version.Spec.Content.Parameters, values(in.RichParameterValues))
	if err != nil {
		return nil, err
	}
	merged := given.Over(version.Spec.Content.Parameters, p.Workspace.Spec.Parameters)
	wished := p.Workspace.DeepCopy()
	keep(wished, p, version, byRequest, given, merged)

	rights, err := identity.Rights(ctx, h.Store, p.Owner)
	if err != nil {
		return nil, err
	}
	last, err := h.Store.LastStart(ctx, p.Workspace)
	if err != nil {
		return nil, err
	}
	signedIn, err := h.External.SignedIn(ctx, p.Owner, version.Spec.Content.ExternalAuth)
	if err != nil {
		return nil, err
	}
	start := policy.Start{
		Workspace: wished, Owner: p.Owner, Rights: rights, Organization: p.Organization.Name, Template: p.Template, Version: version, Due: p.Active.UID,
		Given: merged.All(), Previous: lasting(last), SignedIn: signedIn, At: func(name string) string { return name },
	}
	if byRequest {
		start.Chooser = authz.From(ctx).Subject
	}
	resolved, err := policy.MayStart(start)
	if err != nil {
		return nil, err
	}
	r.Version = referTo(version)
	r.Parameters = &v1alpha1.BuildParameters{Values: resolved.Values, Ephemeral: resolved.Ephemeral}
	r.Restart = runs(p)
	if r.Hash, err = parameters.Hash(version.UID, resolved); err != nil || in.DryRun {
		return wished, err
	}
	return h.Store.ChangeWorkspace(ctx, p.Workspace, func(w *v1alpha1.Workspace) error {
		keep(w, p, version, byRequest, given, given.Over(version.Spec.Content.Parameters, w.Spec.Parameters))
		return nil
	})
}

// keep writes to a workspace's spec what of a start is to stay: parameters that were given or that went with an older
// version, and the version where the workspace is held to one.
func keep(w *v1alpha1.Workspace, p store.WorkspaceParts, v *v1alpha1.TemplateVersion, byRequest bool, given, merged policy.Given) {
	otherVersion := p.Build == nil || p.Build.Spec.VersionRef == nil || p.Build.Spec.VersionRef.UID != v.UID
	if len(given.Lasting) > 0 || otherVersion {
		w.Spec.Parameters = maps.Clone(merged.Lasting)
	}
	if byRequest && w.Spec.VersionRef != nil {
		w.Spec.VersionRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(v.Name)}
	}
}

// lasting are the values of a start that stay; nil where there was none.
func lasting(start *v1alpha1.WorkspaceBuild) map[string]v1alpha1.Value {
	if start == nil || start.Spec.Parameters == nil {
		return nil
	}
	return start.Spec.Parameters.Values
}

// runs tells whether the last start went well, so that another one ends its pod first.
func runs(p store.WorkspaceParts) bool {
	return p.Build != nil && p.Build.Spec.Transition == v1alpha1.TransitionStart && ledger.Outcome(p.Build) == v1alpha1.JobSucceeded
}

func values(list []codersdk.WorkspaceBuildParameter) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range list {
			if !yield(p.Name, p.Value) {
				return
			}
		}
	}
}
