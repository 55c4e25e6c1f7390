// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/rollout"
)

// mostNames is how many names a message lists.
const mostNames = 10

// resolve works out what a start would take now, and what stands against it. What it refuses ends no pass by itself:
// a workspace that runs, or is to stop, needs none of it.
func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	owner, err := r.owner(ctx, s)
	s.owner = owner
	if err == nil {
		s.owner = owner
	}
	template, missing := r.ofName(ctx, s) // its times count also where nothing can be started
	s.template = template
	if err == nil {
		err = missing
	}
	var version *v1alpha1.TemplateVersion
	if err == nil {
		version, err = r.next(ctx, s, owner)
	}
	if err == nil {
		s.start, err = resolution(s, owner, version)
	}
	s.refusal = err
	f, refused := fault.As(err)
	var wait *phase.Waiting
	switch {
	case err == nil || errors.As(err, &wait):
	case !refused:
		return err
	case f.Reason == v1alpha1.ReasonOwnerSuspended || s.fitsHeld(owner, f):
	case f.Reason == v1alpha1.ReasonTemplateNotOpen && s.accepted != nil: // taken back: what there is goes on
	case f.Reason == v1alpha1.ReasonExternalAuthRequired && s.accepted != nil: // what runs goes on; the next start asks
	default:
		s.wrong = err
	}
	return nil
}

// heldVersion reads the version of the accepted build.
func (r *Reconciler) heldVersion(ctx context.Context, s *scope) error {
	if s.organization == nil || s.accepted == nil || s.accepted.Spec.VersionRef == nil {
		return nil
	}
	ref := s.accepted.Spec.VersionRef
	var version v1alpha1.TemplateVersion
	err := r.Get(ctx, s.ofTemplate(ref.Name), &version)
	if err == nil && version.UID == ref.UID {
		s.version = &version
	}
	return client.IgnoreNotFound(err)
}

// owner reads the User whose workspace it is.
func (r *Reconciler) owner(ctx context.Context, s *scope) (*v1alpha1.User, error) {
	name := string(s.workspace.Spec.Owner.User)
	var owner v1alpha1.User
	err := r.Get(ctx, client.ObjectKey{Name: name}, &owner)
	if !apierrors.IsNotFound(err) {
		return &owner, err
	}
	var users v1alpha1.UserList
	if err := r.List(ctx, &users); err != nil {
		return nil, err
	}
	var known []string
	for _, u := range users.Items {
		known = append(known, u.Name)
	}
	detail := fmt.Sprintf("no User %q", name)
	if near := fault.Nearest(name, known); near != "" {
		detail += fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, fault.On("spec.owner.user", "%s", detail).Because(v1alpha1.ReasonOwnerMissing)
}

// ofTemplate is the key of what stands beside the workspace's template: its versions.
func (s *scope) ofTemplate(name v1alpha1.ObjectName) client.ObjectKey {
	return client.ObjectKey{Namespace: s.workspace.Spec.TemplateRef.Home(s.organization.Name), Name: string(name)}
}

// ofName reads the Template that the workspace names, or says which there are.
func (r *Reconciler) ofName(ctx context.Context, s *scope) (*v1alpha1.Template, error) {
	name := string(s.workspace.Spec.TemplateRef.Name)
	var template v1alpha1.Template
	err := r.Get(ctx, s.ofTemplate(s.workspace.Spec.TemplateRef.Name), &template)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, err
	case s.workspace.Spec.TemplateRef.Organization != "":
		return s.opened(&template)
	case err == nil:
		return &template, nil
	}
	var templates v1alpha1.TemplateList
	if err := r.List(ctx, &templates, client.InNamespace(s.organization.Name)); err != nil {
		return nil, err
	}
	var known []string
	for _, t := range templates.Items {
		known = append(known, t.Name)
	}
	slices.Sort(known)
	detail := fmt.Sprintf("no Template %q in %s", name, s.organization.Name)
	if near := fault.Nearest(name, known); near != "" {
		detail += fmt.Sprintf("; did you mean %q? There are: ", near)
	} else {
		detail += "; there are: "
	}
	switch {
	case len(known) == 0:
		detail = fmt.Sprintf("no Template %q in %s; there is none yet", name, s.organization.Name)
	case len(known) > mostNames:
		detail += fmt.Sprintf("%s and %d more", strings.Join(known[:mostNames], ", "), len(known)-mostNames)
	default:
		detail += strings.Join(known, ", ")
	}
	return nil, fault.On("spec.templateRef.name", "%s", detail).Because(v1alpha1.ReasonTemplateMissing)
}

// opened is ofName for a Template of another organization; one that is not there has no name. One that was taken back from
// this organization is given with the refusal, as it still says how long what was made of it runs and lives.
func (s *scope) opened(t *v1alpha1.Template) (*v1alpha1.Template, error) {
	ref, own := &s.workspace.Spec.TemplateRef, s.organization.Name
	switch {
	case string(ref.Organization) == own:
		return nil, fault.On("spec.templateRef.organization", "%s is the workspace's own organization; leave the field out", own).
			Because(v1alpha1.ReasonTemplateMissing)
	case authz.TemplateObject(t).OpenTo(own):
		return t, nil
	case policy.Counts(t, &s.workspace, own):
		return t, policy.NotOpen(ref, own)
	}
	return nil, policy.NotOpen(ref, own)
}

// next reads the version that the next start takes, as package rollout says.
func (r *Reconciler) next(ctx context.Context, s *scope, owner *v1alpha1.User) (*v1alpha1.TemplateVersion, error) {
	asked := rollout.Asked{Workspace: &s.workspace, Template: s.template}
	if s.version != nil {
		asked.Last = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(s.version.Name), UID: s.version.UID}
	}
	if rollout.ByGroup(s.template) {
		groups, err := phase.Groups(ctx, r, owner)
		if err != nil {
			return nil, err
		}
		asked.In = func(name string) bool { return groups[client.ObjectKey{Namespace: s.template.Namespace, Name: name}] }
	}
	choice, ok := rollout.Next(asked)
	if !ok {
		return nil, notReady(s.template)
	}
	s.due = choice.UID
	path, name, uid := choice.Path, string(choice.Name), string(choice.UID)
	if s.version != nil && s.version.UID == choice.UID {
		return s.version, nil
	}
	var version v1alpha1.TemplateVersion
	err := r.Get(ctx, s.ofTemplate(choice.Name), &version)
	switch {
	case apierrors.IsNotFound(err) || err == nil && uid != "" && string(version.UID) != uid:
		return nil, fault.On(path, "no TemplateVersion %q in %s", name, s.template.Namespace).Because(v1alpha1.ReasonTemplateNotReady)
	case err != nil:
		return nil, err
	case version.Spec.TemplateRef == nil || string(version.Spec.TemplateRef.Name) != s.template.Name:
		return nil, fault.On(path, "TemplateVersion %q is not one of template %s", name, s.template.Name).Because(v1alpha1.ReasonTemplateNotReady)
	case version.Status.Job == nil || !version.Status.Job.Phase.Ended():
		return nil, phase.Wait(0, v1alpha1.ReasonTemplateNotReady, "version %s is still being checked", name)
	}
	return &version, nil
}

// notReady is why a template has no version yet: it is being checked, or it is wrong.
func notReady(t *v1alpha1.Template) error {
	ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
	stalled := meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionStalled)
	if ready == nil || !stalled || t.Status.ObservedGeneration != t.Generation {
		return phase.Wait(0, v1alpha1.ReasonTemplateNotReady, "the first version of template %s is being checked", t.Name)
	}
	return fault.On("spec.templateRef.name", "template %s has no version that could be built: %s", t.Name, ready.Message).
		Because(v1alpha1.ReasonTemplateNotReady)
}

// resolution checks the start and gives what it takes. The access list is not asked: who wrote the manifest is not known
// here, and may have been an administrator; admission and the API server judge the person.
func resolution(s *scope, owner *v1alpha1.User, version *v1alpha1.TemplateVersion) (*ledger.Resolution, error) {
	resolved, err := policy.MayStart(policy.Start{
		Workspace:    &s.workspace,
		New:          s.workspace.Status.Build == nil && len(s.builds) == 0,
		Owner:        owner,
		Rights:       authz.Subject{User: v1alpha1.InitiatorSystem, Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}},
		Organization: s.organization.Name,
		Template:     s.template,
		Version:      version,
		Due:          s.due,
		Given:        s.workspace.Spec.Parameters,
		Previous:     s.previous(),
	})
	if err != nil {
		return nil, err
	}
	hash, err := parameters.Hash(version.UID, resolved)
	if err != nil {
		return nil, err
	}
	return &ledger.Resolution{
		Version:    &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(version.Name), UID: version.UID},
		Parameters: &v1alpha1.BuildParameters{Values: resolved.Values, Ephemeral: resolved.Ephemeral},
		Hash:       hash,
	}, nil
}

// previous are the lasting parameters of the last start.
func (s *scope) previous() map[string]v1alpha1.Value {
	last := ledger.LastStart(s.builds)
	if last == nil || last.Spec.Parameters == nil {
		return nil
	}
	return last.Spec.Parameters.Values
}

// fitsHeld tells whether only a newer version refuses the parameters: the manifest is right for what runs, and the
// refusal waits for the next start.
func (s *scope) fitsHeld(owner *v1alpha1.User, f *fault.Error) bool {
	if f.Reason != v1alpha1.ReasonParameterRefused || owner == nil || s.version == nil || s.template == nil {
		return false
	}
	_, err := resolution(s, owner, s.version)
	return err == nil
}
