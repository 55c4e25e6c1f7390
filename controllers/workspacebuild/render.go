// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// render works out what the build makes. What is wrong with it is wrong for good, as neither version nor build change:
// its faults end the build.
func (r *Reconciler) render(ctx context.Context, s *scope) error {
	if s.outside != nil {
		return s.outside
	}
	if s.version == nil {
		return fault.New(fault.NotFound, "the build's TemplateVersion is gone; start the workspace again to take the active one").
			Because(v1alpha1.ReasonTemplateNotReady)
	}
	input, err := r.input(ctx, s)
	if err != nil {
		return err
	}
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return render.Fault(problems)
	}
	rendered, refusal := compiled.Render(input)
	if refusal != nil {
		return refusal
	}
	s.workload = rendered
	return nil
}

// input is what the version is rendered with: the build's own parameters, and who and what they are for.
func (r *Reconciler) input(ctx context.Context, s *scope) (render.Input, error) {
	var owner v1alpha1.User
	if err := r.Get(ctx, client.ObjectKey{Name: string(s.workspace.Spec.Owner.User)}, &owner); err != nil {
		if apierrors.IsNotFound(err) {
			err = fault.On("spec.owner.user", "no User %q", s.workspace.Spec.Owner.User).Because(v1alpha1.ReasonOwnerMissing)
		}
		return render.Input{}, err
	}
	in := render.InputOf(&s.workspace, &owner, s.template, s.organization, s.build.Spec.Parameters, r.Platform)
	s.heirlooms(in.Workspace.ClaimNames)
	return in, nil
}
