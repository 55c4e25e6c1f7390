// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/render"
)

// decisive tells whether the outcome of a pass says how the pool stands: it does unless the cluster did not answer, or
// something is being waited for. A pool that must not be is emptied.
func decisive(outcome error) bool {
	_, refused := fault.As(outcome)
	return outcome == nil || refused
}

// belongs finds the template's organization, and refuses a pool where workspaces stand in their owners' namespaces: a pod
// can't move there.
func (r *Reconciler) belongs(ctx context.Context, s *scope) (err error) {
	if s.template.Spec.WarmPool == nil || s.template.DeletionTimestamp != nil {
		return nil
	}
	if s.org, err = phase.Home(ctx, r, &s.template, "Template"); err != nil {
		return err
	}
	if s.org.Spec.WorkspaceNamespaces == v1alpha1.WorkspaceNamespacesPerOwner {
		return fault.On("spec.warmPool", "organization %s keeps workspaces in a namespace for each owner, and a prepared pod can't move there; "+
			"remove the pool", s.org.Name).Because(v1alpha1.ReasonNotPoolable)
	}
	return nil
}

// prepare works out what each prepared workspace is made with, or why none can be.
func (r *Reconciler) prepare(ctx context.Context, s *scope) error {
	if s.org == nil || s.org.DeletionTimestamp != nil {
		return nil // there is to be none
	}
	active := s.template.Status.ActiveVersion
	if active == nil {
		return phase.Wait(0, v1alpha1.ReasonTemplateNotReady, "the template has no version yet")
	}
	var version v1alpha1.TemplateVersion
	err := r.Get(ctx, client.ObjectKey{Namespace: s.template.Namespace, Name: string(active.Name)}, &version)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil || version.UID != active.UID {
		return phase.Wait(0, v1alpha1.ReasonTemplateNotReady, "version %s is not there", active.Name)
	}
	s.version = &version
	resolved, refusal := parameters.Resolve(version.Spec.Content.Parameters, s.template.Spec.WarmPool.Parameters, nil,
		func(name string) string { return "spec.warmPool.parameters." + name })
	if refusal != nil {
		return refusal
	}
	hash, err := parameters.Hash(version.UID, resolved)
	if err != nil {
		return err
	}
	s.parameters = &v1alpha1.BuildParameters{Values: resolved.Values, Ephemeral: resolved.Ephemeral}
	intent, err := r.intent(s)
	if err != nil {
		return err
	}
	s.make.Size, s.make.Hash, s.make.Intent = s.size, hash, intent
	return nil
}

// intent tells what is rendered for nobody now from what another release, or another account of the organization, would
// have had rendered. The fault says why the version can't be prepared.
func (r *Reconciler) intent(s *scope) (string, error) {
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return "", render.Fault(problems)
	}
	nobody := &v1alpha1.WarmWorkspace{Spec: v1alpha1.WarmWorkspaceSpec{Parameters: s.parameters}}
	nobody.Name = "warm"
	in := render.InputOfWarm(nobody, &s.template, s.org, r.Platform)
	if refusal := compiled.Poolable(in); refusal != nil {
		return "", refusal
	}
	workload, refusal := compiled.Render(in)
	if refusal != nil {
		return "", refusal
	}
	return render.Intent(&workload.Pod)
}
