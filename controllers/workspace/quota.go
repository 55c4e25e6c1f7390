// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/quota"
	"github.com/berth-dev/berth/internal/render"
)

// demand is a start as quotas judge it.
type demand struct {
	rules quota.Rules
	scope quota.Scope
	// after is what the workspace would take.
	after quota.Use
	// namespaces are those of the organization.
	namespaces map[string]bool
}

// glance is how soon a start is judged again that a quota refuses, where no event tells that there is room.
const glance = time.Minute

// affordable refuses a start of the manager's own before its build is made, by what the cache shows and what others have
// reserved: a workspace that stays blocked writes nothing. What the cache does not know yet is caught when the build is
// accepted.
func (r *Reconciler) affordable(ctx context.Context, s *scope, d ledger.Decision) error {
	if d.Action != ledger.Make || d.Spec.Transition != v1alpha1.TransitionStart {
		return nil
	}
	want, err := r.demand(ctx, s, d.Spec)
	if err != nil || want == nil {
		return err
	}
	_, reserved, err := r.reservations(ctx, s.organization.Name)
	if err != nil {
		return err
	}
	if err := r.judge(ctx, r.Client, s, want, reserved, false); err != nil {
		s.until = s.now.Add(glance)
		return err
	}
	return nil
}

// demand is what a start asks of the quotas that it falls under; nil when it falls under none.
func (r *Reconciler) demand(ctx context.Context, s *scope, spec *v1alpha1.WorkspaceBuildSpec) (*demand, error) {
	if s.owner == nil || s.template == nil {
		return nil, nil // nothing starts without
	}
	rules, err := phase.QuotaOf(ctx, r, s.owner, s.organization)
	if err != nil {
		return nil, err
	}
	if err := phase.CapMembers(ctx, r, &rules, s.organization); err != nil {
		return nil, err
	}
	rules.Template, rules.Limits = s.workspace.Spec.TemplateRef.Key(), s.template.Spec.Limits
	d := &demand{rules: rules, scope: rules.Scope(), after: quota.Of(&s.workspace), namespaces: map[string]bool{}}
	if d.scope == quota.Nothing {
		return nil, nil
	}
	d.after.Running, d.after.Kept = true, true
	if rules.Budget() != quota.Unlimited {
		if d.after.Cost, d.after.Idle, err = r.cost(ctx, s, spec); err != nil {
			return nil, err
		}
	}
	names, err := phase.Namespaces(ctx, r, s.organization.Name)
	for _, n := range names {
		d.namespaces[n] = true
	}
	return d, err
}

// cost is what the workspace costs in credits a day once the build has succeeded, and what is left of that when it is
// stopped: the version is rendered as its build will be, and what it leaves is added up. Where that fails the start is
// refused for the same reason as its build would. A version that is gone costs nothing, as nothing comes of its start.
func (r *Reconciler) cost(ctx context.Context, s *scope, spec *v1alpha1.WorkspaceBuildSpec) (running, idle int64, err error) {
	if spec.VersionRef == nil {
		return 0, 0, nil
	}
	var version v1alpha1.TemplateVersion
	err = r.Get(ctx, s.ofTemplate(spec.VersionRef.Name), &version)
	if err != nil || version.UID != spec.VersionRef.UID {
		return 0, 0, client.IgnoreNotFound(err)
	}
	compiled, problems := render.Compile(&version.Spec.Content)
	if len(problems) > 0 {
		return 0, 0, render.Fault(problems)
	}
	w := &s.workspace
	input := render.Input{
		Workspace:    render.Workspace{ID: ledger.ID(w), Name: w.WireName(), ObjectName: w.Name},
		Owner:        render.Owner{ID: ids.Of(s.owner).String(), Name: s.owner.WireName(), Email: s.owner.Spec.Email, DisplayName: s.owner.Spec.DisplayName},
		Template:     render.Template{Name: s.template.WireName(), DisplayName: string(s.template.Spec.DisplayName)},
		Organization: render.Organization{Name: s.organization.WireName(), ServiceAccountName: v1alpha1.DefaultServiceAccount},
		Platform:     render.Platform{AgentImage: r.AgentImage},
	}
	if p := spec.Parameters; p != nil {
		input.Parameters = parameters.Resolved{Values: p.Values, Ephemeral: p.Ephemeral}.All()
	}
	workload, refusal := compiled.Render(input)
	if refusal != nil {
		return 0, 0, refusal
	}
	running, idle = quota.Cost(workload.Resources)
	return running, idle, nil
}

// uses counts the workspaces that a demand is judged beside, as a reader knows them, and gives them by uid. Their builds
// come from the cache: what counts of them never changes again.
func (r *Reconciler) uses(ctx context.Context, from client.Reader, s *scope, d *demand) ([]quota.Use, map[string]v1alpha1.Workspace, error) {
	var selections [][]client.ListOption
	switch d.scope {
	case quota.All:
		for n := range d.namespaces {
			selections = append(selections, []client.ListOption{client.InNamespace(n)})
		}
	case quota.TemplatesToo:
		selections = append(selections, []client.ListOption{client.MatchingFields{index.Template: d.rules.Template}})
		fallthrough
	case quota.OwnersOnly:
		selections = append(selections, []client.ListOption{client.MatchingFields{index.Owner: s.owner.Name}})
	}
	found := map[string]v1alpha1.Workspace{}
	var uses []quota.Use
	for _, selection := range selections {
		var list v1alpha1.WorkspaceList
		if err := from.List(ctx, &list, selection...); err != nil {
			return nil, nil, err
		}
		for _, w := range list.Items {
			if _, seen := found[string(w.UID)]; seen || w.UID == s.workspace.UID || !d.namespaces[w.Namespace] {
				continue
			}
			builds, err := phase.Builds(ctx, r, &w) // from the cache, whoever knows the workspace
			if err != nil {
				return nil, nil, err
			}
			found[string(w.UID)] = w
			uses = append(uses, quota.Count(&w, builds))
		}
	}
	return uses, found, nil
}

// tooDear ends the pass of a start that a quota refuses as it is accepted: a person's build fails with the reason, the
// manager's own is taken back, and its number used again. Another leader that has just reserved for it meets the fence.
func (r *Reconciler) tooDear(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild, why error) error {
	if !ledger.OfManager(build) {
		return r.fail(ctx, build, why, s)
	}
	err := r.fence(ctx, &s.workspace, build.UID)
	if apierrors.IsConflict(err) {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "the workspace has changed; deciding anew")
	}
	if err == nil {
		err = client.IgnoreNotFound(r.Delete(ctx, build, client.Preconditions{UID: &build.UID}))
	}
	return errors.Join(r.report(s, why), err)
}
