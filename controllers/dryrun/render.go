// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"context"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/render"
)

// The stages of a dry run, as its log shows them.
const (
	stageRendering = "Rendering"
	stageDryRun    = "Dry run against the cluster"
)

// errCanceled ends a dry run that somebody asked to end.
var errCanceled = fault.New(fault.Conflict, "the dry run was canceled").Because(v1alpha1.ReasonCanceled)

// observe reads what the dry run is about.
func (r *Reconciler) observe(ctx context.Context, s *scope) (err error) {
	if s.run.Spec.Cancel != nil {
		return errCanceled
	}
	if s.org, err = phase.Home(ctx, r, &s.run, "DryRun"); err != nil {
		return err
	}
	ref := s.run.Spec.VersionRef
	err = r.Get(ctx, client.ObjectKey{Namespace: s.run.Namespace, Name: string(ref.Name)}, &s.version)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || s.version.UID != ref.UID || !phase.IsReady(&s.version) {
		if s.now.Sub(s.run.CreationTimestamp.Time) < settling {
			return phase.Wait(settling/10, v1alpha1.ReasonProgressing, "version %s is not known to be right yet", ref.Name)
		}
		return fault.On("spec.versionRef", "there is no TemplateVersion %s that was checked with success", ref.Name).Because(v1alpha1.ReasonVersionMissing)
	}
	user := s.run.Spec.Owner.User
	if err := r.Get(ctx, client.ObjectKey{Name: string(user)}, &s.owner); err != nil {
		if apierrors.IsNotFound(err) {
			return fault.On("spec.owner.user", "no User %q", user).Because(v1alpha1.ReasonOwnerMissing)
		}
		return err
	}
	if ref := s.version.Spec.TemplateRef; ref != nil {
		var t v1alpha1.Template
		err := r.Get(ctx, client.ObjectKey{Namespace: s.run.Namespace, Name: string(ref.Name)}, &t)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil {
			s.template = &t
		}
	}
	return nil
}

// render works out what a start would make.
func (r *Reconciler) render(_ context.Context, s *scope) error {
	given := map[string]v1alpha1.Value{}
	if p := s.run.Spec.Parameters; p != nil {
		maps.Copy(given, p.Values)
		maps.Copy(given, p.Ephemeral)
	}
	at := func(name string) string { return "spec.parameters." + name }
	resolved, refusal := parameters.Resolve(s.version.Spec.Content.Parameters, given, nil, at)
	if refusal != nil {
		return refusal
	}
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return render.Fault(problems)
	}
	workload, refusal := compiled.Render(r.input(s, resolved))
	if refusal != nil {
		return refusal
	}
	s.workload = workload
	what := fmt.Sprintf("a pod of %d containers, %d volume claims, %d extra objects", len(workload.Pod.Spec.Containers), len(workload.Claims), len(workload.Extras))
	s.say(stageRendering, v1alpha1.LogInfo, "rendered", "version %s was rendered: %s, at %d credits a day", s.version.WireName(), what, workload.DailyCost)
	return nil
}

// input is what the version is rendered with: as a workspace of the owner would be.
func (r *Reconciler) input(s *scope, resolved parameters.Resolved) render.Input {
	name := string(s.run.Spec.WorkspaceName)
	if name == "" {
		name = "dry-run"
	}
	in := render.Input{
		Parameters: resolved.All(),
		Workspace: render.Workspace{
			ID: string(s.run.UID), Name: name, ObjectName: s.owner.Name + "--" + strings.ToLower(name),
		},
		Owner: render.Owner{
			ID: ids.Of(&s.owner).String(), Name: s.owner.WireName(), Email: s.owner.Spec.Email, DisplayName: s.owner.Spec.DisplayName,
		},
		Organization: render.Organization{Name: s.org.WireName(), ServiceAccountName: s.org.ServiceAccount()},
		Platform:     r.Platform,
	}
	if s.template != nil {
		in.Template = render.Template{Name: s.template.WireName(), DisplayName: string(s.template.Spec.DisplayName)}
	}
	return in
}
