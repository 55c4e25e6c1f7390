// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/render"
)

// defaultServiceAccount is the account of pods where the organization names none; the organization's controller makes
// it.
const defaultServiceAccount = "berth-workspace"

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
	workload, refusal := compiled.Render(input)
	if refusal != nil {
		return refusal
	}
	s.workload = workload
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
	w := &s.workspace
	input := render.Input{
		Workspace: render.Workspace{ID: ledger.ID(w), Name: w.WireName(), ObjectName: w.Name, ClaimNames: map[string]string{}},
		Owner: render.Owner{
			ID: ids.Of(&owner).String(), Name: owner.WireName(), Email: owner.Spec.Email, DisplayName: owner.Spec.DisplayName,
		},
		Template:     render.Template{Name: string(w.Spec.TemplateRef.Name)},
		Organization: render.Organization{Name: s.organization.WireName(), ServiceAccountName: string(s.organization.Spec.ServiceAccountName)},
		Platform:     r.Platform,
	}
	if s.template != nil {
		input.Template = render.Template{Name: s.template.WireName(), DisplayName: string(s.template.Spec.DisplayName)}
	}
	if input.Organization.ServiceAccountName == "" {
		input.Organization.ServiceAccountName = defaultServiceAccount
	}
	for _, v := range w.Status.Volumes {
		input.Workspace.ClaimNames[v.Name] = v.ClaimName
	}
	var chosen parameters.Resolved
	if p := s.build.Spec.Parameters; p != nil {
		chosen = parameters.Resolved{Values: p.Values, Ephemeral: p.Ephemeral}
	}
	input.Parameters = chosen.All()
	return input, nil
}

// mountable refuses a pod that names a Secret or ConfigMap which nobody has opened to templates. Only the object's
// metadata is asked for, live, and kept nowhere. One that is not there may still be made, so a start waits for it; one that
// is there without the label was not meant for templates, and the start fails at once.
func (r *Reconciler) mountable(ctx context.Context, s *scope) error {
	for _, ref := range s.workload.References {
		o := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: ref.Kind}}
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.workspace.Namespace, Name: ref.Name}, o)
		switch {
		case apierrors.IsNotFound(err) && ref.Optional:
		case apierrors.IsNotFound(err):
			missing := fmt.Sprintf("there is no %s %s in namespace %s", ref.Kind, ref.Name, s.workspace.Namespace)
			if from := s.workspace.Spec.TemplateRef.Organization; from != "" {
				missing += fmt.Sprintf("; template %s is organization %s's, whose own are not read for others: make a copy here, labelled %s=true",
					s.workspace.Spec.TemplateRef.Name, from, render.LabelMountable)
			}
			return waitFor(ref, missing)
		case apierrors.IsForbidden(err):
			return waitFor(ref, fmt.Sprintf("Berth may not look whether %s %s is open to templates; the RoleBinding "+
				"berth-manager-mountable, which it makes in namespace %s, lets it: %s", ref.Kind, ref.Name, s.workspace.Namespace, reasonOf(err)))
		case err != nil:
			return err
		case o.Labels[render.LabelMountable] != "true":
			closed := fmt.Sprintf("%s %s is not open to templates; who may write it can label it: kubectl label %s %s -n %s %s=true",
				ref.Kind, ref.Name, ref.Kind, ref.Name, s.workspace.Namespace, render.LabelMountable)
			if ledger.InProgress(&s.build) {
				return fault.On(ref.Path, "%s", closed).Because(v1alpha1.ReasonContainerConfig)
			}
			return waitFor(ref, closed) // what ran comes back when the label does
		}
	}
	return nil
}

func waitFor(ref render.Reference, message string) error {
	return phase.Wait(10*time.Second, v1alpha1.ReasonContainerConfig, "%s: %s", ref.Path, message)
}
