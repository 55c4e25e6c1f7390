// SPDX-License-Identifier: Apache-2.0

// Package policy decides whether a workspace may start: whether its owner may use the template, whether the version may
// be started, whether the parameters are as the version wants them and the schedule can be kept. The API server asks it
// for an early refusal, the manager for every start by whatever door, so both refuse the same in the same words. It reads
// nothing: whoever asks brings the objects.
//
// What it does not decide: what the caller of an API may see or do (internal/authz at each route), whether the
// cluster has room, and quotas (internal/quota), which are judged as a start is accepted.
package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/schedule"
)

// Start is a start that somebody asks for.
type Start struct {
	// Workspace is what is to start. Its spec is judged as it stands, so an edit that belongs to the start is made first.
	Workspace *v1alpha1.Workspace
	// New tells that the workspace has never started.
	New bool
	// Owner is whose workspace it is, and Rights what they may do: a start gives nobody more than the owner has.
	Owner  *v1alpha1.User
	Rights authz.Subject
	// Organization is the metadata.name of the one that the workspace belongs to.
	Organization string
	// Template and Version are what is started.
	Template *v1alpha1.Template
	Version  *v1alpha1.TemplateVersion
	// Due is the uid of the version that the rollout has for the workspace, where that is not the active one yet; a start on
	// it needs nobody's choice.
	Due types.UID
	// Chooser are the rights of whoever chose the version in place of the active one; the zero value when nobody did.
	Chooser authz.Subject
	// Given are the values that were asked for: the workspace's own and this build's ephemeral ones.
	Given map[string]v1alpha1.Value
	// SignedIn are the external providers that the owner is signed in to; nil means those that stand in the owner's status.
	SignedIn []string
	// Previous are the lasting values of the last start; nil before the first.
	Previous map[string]v1alpha1.Value
	// At gives the path of a parameter where its value was given; nil is that of a manifest.
	At func(name string) string
}

// MayStart gives the parameters that the start takes, or the fault that refuses it.
func MayStart(s Start) (parameters.Resolved, error) {
	for _, rule := range []func(Start) *fault.Error{owner, opened, access, deprecation, version, activeOnly, signedIn} {
		if f := rule(s); f != nil {
			return parameters.Resolved{}, f
		}
	}
	if err := schedule.Check(&s.Workspace.Spec); err != nil {
		return parameters.Resolved{}, err
	}
	at := s.At
	if at == nil {
		at = func(name string) string { return "spec.parameters." + name }
	}
	resolved, f := parameters.Resolve(s.Version.Spec.Content.Parameters, s.Given, s.Previous, at)
	if f != nil {
		return parameters.Resolved{}, inVersion(f, s.Version.Name)
	}
	return resolved, nil
}

// inVersion says which version has the bound that a value is beyond: another one may have another, and a manifest names
// none.
func inVersion(f *fault.Error, version string) *fault.Error {
	for i, field := range f.Fields {
		if strings.HasSuffix(field.Detail, ", the maximum") || strings.HasSuffix(field.Detail, ", the minimum") {
			f.Fields[i].Detail += " in " + version
		}
	}
	return f
}

// owner: a suspended account's workspaces stay stopped.
func owner(s Start) *fault.Error {
	if s.Owner.Spec.Suspended {
		return fault.New(fault.Forbidden, "The owner %s is suspended; activate the account to start the workspace.", s.Owner.WireName()).
			Because(v1alpha1.ReasonOwnerSuspended)
	}
	return nil
}

// opened: a template of another organization must be open to the workspace's. It is the only door between the two, so a name
// that leads nowhere is refused in the same words.
func opened(s Start) *fault.Error {
	if authz.TemplateObject(s.Template).OpenTo(s.Organization) {
		return nil
	}
	return NotOpen(&s.Workspace.Spec.TemplateRef, s.Organization)
}

// NotOpen refuses the template of another organization, whether it is there or not.
func NotOpen(ref *v1alpha1.TemplateReference, organization string) *fault.Error {
	f := fault.On("spec.templateRef.organization", "organization %s has no Template %q that is open to %s; who administers it can add "+
		"{kind: Organization, name: %s, role: Use} to its spec.access", ref.Organization, ref.Name, organization, organization)
	f.Kind = fault.Forbidden
	return f.Because(v1alpha1.ReasonTemplateNotOpen)
}

// Counts tells whether a workspace of an organization counts as one of the template: it names it, and may be made of it or
// was, before that was taken back. One that names another organization's template and never might have started counts nowhere.
func Counts(t *v1alpha1.Template, w *v1alpha1.Workspace, organization string) bool {
	ref := w.Spec.TemplateRef
	if ref.Home(organization) != t.Namespace || string(ref.Name) != t.Name {
		return false
	}
	return authz.TemplateObject(t).OpenTo(organization) || w.Status.Build != nil
}

// access: who lost the template keeps the workspace and can't start it.
func access(s Start) *fault.Error {
	if s.Rights.Can(authz.Use, authz.TemplateObject(s.Template)) {
		return nil
	}
	return fault.New(fault.Forbidden, "%s may not use template %s; its spec.access must name the user, one of the user's groups or Everyone.",
		s.Owner.WireName(), s.Template.WireName()).Because(v1alpha1.ReasonNotAllowed)
}

// deprecation: no new workspaces; those that are there go on.
func deprecation(s Start) *fault.Error {
	if !s.New || !Deprecated(s.Template) {
		return nil
	}
	f := fault.New(fault.Invalid, "Template %s has been deprecated, and cannot be used to create a new workspace.", s.Template.WireName()).
		Because(v1alpha1.ReasonNotAllowed)
	f.Detail = s.Template.Spec.DeprecationMessage
	return f
}

// Deprecated tells whether a template takes no new workspaces.
func Deprecated(t *v1alpha1.Template) bool {
	return t.Spec.Deprecated || t.Spec.DeprecationMessage != ""
}

// version: it must be the template's, checked and not put away.
func version(s Start) *fault.Error {
	v := s.Version
	switch {
	case v.Namespace != s.Template.Namespace || v.Spec.TemplateRef == nil || string(v.Spec.TemplateRef.Name) != s.Template.Name:
		return refuseVersion(fault.Invalid, "is not a version of template "+s.Template.WireName())
	case v.Spec.Archived:
		return refuseVersion(fault.Invalid, "is archived; choose another, or bring it back first")
	case v.Status.Job == nil || !v.Status.Job.Phase.Ended():
		return refuseVersion(fault.Conflict, "is still being checked; wait until that has ended")
	case v.Status.Job.Phase != v1alpha1.JobSucceeded:
		return refuseVersion(fault.Invalid, "has failed its check: "+v.Status.Job.Error)
	}
	return nil
}

// ExternalAuthField is the wire's name of what a start lacks whose owner is not signed in where the version says so.
const ExternalAuthField = "external_auth"

// signedIn: the owner must be signed in to each provider that the version does not call optional.
func signedIn(s Start) *fault.Error {
	at, in := ExternalAuthField, s.SignedIn
	if s.At == nil {
		at = "spec.content.externalAuth"
	}
	if in == nil {
		in = s.Owner.Status.ExternalAuth
	}
	var lacks []*fault.Error
	for _, need := range s.Version.Spec.Content.ExternalAuth {
		if !need.Optional && !slices.Contains(in, need.Name) {
			lacks = append(lacks, fault.On(at, "%s is not signed in to %s, which version %s needs; sign in at /external-auth/%s/callback",
				s.Owner.WireName(), need.Name, s.Version.WireName(), need.Name))
		}
	}
	f := fault.Join(s.Owner.WireName()+" is not signed in to the external providers that the template version needs.", lacks...)
	if f == nil {
		return nil
	}
	return f.Because(v1alpha1.ReasonExternalAuthRequired)
}

func refuseVersion(kind fault.Kind, detail string) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: v1alpha1.ReasonTemplateNotReady, Message: "The template version " + detail + ".",
		Fields: []fault.Field{{Path: VersionField, Detail: detail}},
	}
}

// VersionField is the wire's name of the version that a request chooses.
const VersionField = "template_version_id"

// activeOnly: a template may want every start on its active version.
func activeOnly(s Start) *fault.Error {
	if !s.Template.Spec.RequireActiveVersion || isActive(s.Template, s.Version) || s.Version.UID == s.Due || s.Chooser.Can(authz.Update, authz.TemplateObject(s.Template)) {
		return nil
	}
	return fault.New(fault.Forbidden, "Template %s requires its active version; only its administrators may start another.", s.Template.WireName()).
		Because(v1alpha1.ReasonNotAllowed)
}

func isActive(t *v1alpha1.Template, v *v1alpha1.TemplateVersion) bool {
	return t.Status.ActiveVersion != nil && t.Status.ActiveVersion.UID == v.UID
}

// MayAutostart refuses the choice of an autostart where the template lets no workspace have one. It would not be acted on,
// whoever made it.
func MayAutostart(t *v1alpha1.Template) error {
	return allows(t, func(l *v1alpha1.Lifecycle) v1alpha1.Permission { return l.UserAutostart }, "autostart")
}

// MayAutostop refuses the choice of a running time where the template's own counts for every workspace.
func MayAutostop(t *v1alpha1.Template) error {
	return allows(t, func(l *v1alpha1.Lifecycle) v1alpha1.Permission { return l.UserAutostop }, "autostop")
}

func allows(t *v1alpha1.Template, permission func(*v1alpha1.Lifecycle) v1alpha1.Permission, what string) error {
	if t.Spec.Lifecycle == nil || permission(t.Spec.Lifecycle) != v1alpha1.PermissionForbid {
		return nil
	}
	return fault.New(fault.Forbidden, "Template %s does not allow custom %s.", t.WireName(), what)
}
