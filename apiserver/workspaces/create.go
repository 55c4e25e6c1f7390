// SPDX-License-Identifier: Apache-2.0

package workspaces

import (
	"context"
	"errors"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/schedule"
	"github.com/berth-dev/berth/internal/warm"
)

// takeBack is how long a workspace whose first build could not be made may take to be removed again.
const takeBack = 5 * time.Second

// create makes a workspace and its first build. The workspace is stored first, since the build belongs to it; should this
// process die between the two, the manager makes the build.
func (h *Handlers) create(ctx context.Context, at place, in codersdk.CreateWorkspaceRequest) (codersdk.Workspace, error) {
	if err := checkName(in.Name); err != nil {
		return codersdk.Workspace{}, err
	}
	template, version, err := h.choice(ctx, at, in)
	if err != nil {
		return codersdk.Workspace{}, err
	}
	w, err := h.newWorkspace(ctx, at, template, version, in)
	if err != nil {
		return codersdk.Workspace{}, err
	}
	resolved, err := h.mayStart(ctx, at, template, version, w, in)
	if err != nil {
		return codersdk.Workspace{}, err
	}
	if taken, err := h.Store.WorkspaceNameTaken(ctx, at.owner, in.Name); err != nil || taken {
		return codersdk.Workspace{}, errors.Join(err, nameTaken(taken))
	}
	if err := h.Store.CreateWorkspace(ctx, w); err != nil {
		if fault.Is(err, fault.Conflict) {
			err = errors.Join(nameTaken(true), err)
		}
		return codersdk.Workspace{}, err
	}
	b, err := h.firstBuild(ctx, w, template.Template, version, resolved)
	if err != nil {
		// Nothing half-made: without its build the workspace would start by itself in a moment, after an answer of failure.
		left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
		defer cancel()
		return codersdk.Workspace{}, errors.Join(err, h.Store.DeleteWorkspace(left, w))
	}
	p := view.WorkspaceParts{
		Workspace: w, Owner: at.owner, Organization: at.organization, Template: template.Template, Active: template.Active,
		Build: b, Version: version,
	}
	return view.Workspace(p, h.Now()), nil
}

// checkName says what a workspace may be called.
func checkName(name string) error {
	detail := ""
	switch lower := strings.ToLower(name); {
	case name == "":
		detail = "is required"
	case len(name) > 32:
		detail = "must have at most 32 characters"
	case !policy.IsName(name, 32):
		detail = "must be letters and digits in parts joined by single hyphens, such as my-api"
	case lower == "new" || lower == "create":
		detail = "is a word that clients use themselves; choose another"
	default:
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: []fault.Field{{Path: "name", Detail: detail}}}
}

func nameTaken(taken bool) error {
	if !taken {
		return nil
	}
	f := fault.New(fault.Conflict, "A workspace of this name exists already.")
	f.Fields = []fault.Field{{Path: "name", Detail: "This value is already in use and should be unique."}}
	return f
}

// choice finds the template and the version of a request. A template that the caller may not see is not there.
func (h *Handlers) choice(ctx context.Context, at place, in codersdk.CreateWorkspaceRequest) (store.TemplateParts, *v1alpha1.TemplateVersion, error) {
	none := func(err error) (store.TemplateParts, *v1alpha1.TemplateVersion, error) {
		return store.TemplateParts{}, nil, err
	}
	if (in.TemplateID == uuid.Nil) == (in.TemplateVersionID == uuid.Nil) {
		const detail = "exactly one of template_id and template_version_id must be given"
		return none(&fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: []fault.Field{
			{Path: "template_id", Detail: detail}, {Path: policy.VersionField, Detail: detail},
		}})
	}
	field, id := "template_id", in.TemplateID
	var chosen *v1alpha1.TemplateVersion
	if in.TemplateVersionID != uuid.Nil {
		field = policy.VersionField
		v, _, err := h.Store.VersionByID(ctx, in.TemplateVersionID)
		if err != nil {
			return none(unknown(field, err))
		}
		if v.Template == nil {
			return none(unknown(field, fault.New(fault.NotFound, "")))
		}
		id, chosen = ids.Of(v.Template), v.Version
	}
	t, rights, err := h.Store.TemplateByID(ctx, id)
	if err != nil {
		return none(unknown(field, err))
	}
	if !authz.From(ctx).Can(authz.Read, rights) || !rights.OpenTo(at.organization.Name) {
		return none(unknown(field, fault.New(fault.NotFound, "")))
	}
	// while a version comes out step by step, this is the one that the new workspace is due
	if t.Active, err = h.Store.DueVersion(ctx, t, at.owner, in.Name); err != nil {
		return none(err)
	}
	if chosen == nil {
		chosen = t.Active
	}
	return t, chosen, nil
}

// unknown names the input that leads nowhere, in the same words whether it exists or not.
func unknown(field string, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	f := fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
	f.Fields = []fault.Field{{Path: field, Detail: "names nothing in this organization that you have access to"}}
	return f
}

// newWorkspace is the object of a request, without its parameters.
func (h *Handlers) newWorkspace(ctx context.Context, at place, t store.TemplateParts, v *v1alpha1.TemplateVersion, in codersdk.CreateWorkspaceRequest) (*v1alpha1.Workspace, error) {
	caller := authz.From(ctx)
	namespace, name, err := h.Store.WorkspacePlace(ctx, at.organization, at.owner, in.Name)
	if err != nil {
		return nil, err
	}
	w := &v1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			v1alpha1.AnnotationFirstBuild: "api",
			v1alpha1.AnnotationCreatedAt:  h.Now().UTC().Format(time.RFC3339Nano),
			v1alpha1.AnnotationCreatedBy:  caller.User,
		}},
		Spec: v1alpha1.WorkspaceSpec{
			Name:        v1alpha1.WireName(in.Name),
			Owner:       v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(at.owner.Name)},
			TemplateRef: v1alpha1.TemplateReference{Name: v1alpha1.ObjectName(t.Template.Name)},
		},
	}
	if t.Organization.Name != at.organization.Name {
		w.Spec.TemplateRef.Organization = v1alpha1.ObjectName(t.Organization.Name)
	}
	if w.Spec.Updates, err = updates(in.AutomaticUpdates); err != nil {
		return nil, err
	}
	if w.Spec.Updates == v1alpha1.UpdatesManual && v.UID != t.Active.UID {
		w.Spec.VersionRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(v.Name)}
	}
	return w, setSchedule(w, t.Template, in)
}

func updates(a codersdk.AutomaticUpdates) (v1alpha1.Updates, error) {
	switch a {
	case "", codersdk.AutomaticUpdatesNever:
		return v1alpha1.UpdatesManual, nil
	case codersdk.AutomaticUpdatesAlways:
		return v1alpha1.UpdatesOnStart, nil
	}
	return "", &fault.Error{Kind: fault.Invalid, Message: "Validation failed.",
		Fields: []fault.Field{{Path: "automatic_updates", Detail: "must be always or never"}}}
}

// setSchedule takes over the running time and the autostart, where the request has them; the running time is the
// template's where it has none.
func setSchedule(w *v1alpha1.Workspace, t *v1alpha1.Template, in codersdk.CreateWorkspaceRequest) error {
	if in.TTLMillis != nil {
		after, err := schedule.ParseTTL(in.TTLMillis, t.Spec.Lifecycle)
		if err != nil {
			return err
		}
		if err := policy.MayAutostop(t); err != nil {
			return err
		}
		w.Spec.Autostop = &v1alpha1.Autostop{After: after}
	}
	cron, err := schedule.ParseCron(in.AutostartSchedule)
	if err != nil || cron == nil {
		return err
	}
	w.Spec.Autostart = cron
	return policy.MayAutostart(t)
}

// mayStart asks whether the workspace may start, and gives it the parameters that stay with it.
func (h *Handlers) mayStart(ctx context.Context, at place, t store.TemplateParts, v *v1alpha1.TemplateVersion, w *v1alpha1.Workspace, in codersdk.CreateWorkspaceRequest) (parameters.Resolved, error) {
	given, err := policy.FromWire(v.Spec.Content.Parameters, values(in.RichParameterValues))
	if err != nil {
		return parameters.Resolved{}, err
	}
	rights, err := identity.Rights(ctx, h.Store, at.owner)
	if err != nil {
		return parameters.Resolved{}, err
	}
	w.Spec.Parameters = maps.Clone(given.Lasting)
	signedIn, err := h.External.SignedIn(ctx, at.owner, v.Spec.Content.ExternalAuth)
	if err != nil {
		return parameters.Resolved{}, err
	}
	return policy.MayStart(policy.Start{
		Workspace: w, New: true, Owner: at.owner, Rights: rights, Organization: at.organization.Name, Template: t.Template, Version: v, Due: t.Active.UID,
		Chooser: authz.From(ctx).Subject, Given: given.All(), SignedIn: signedIn, At: func(name string) string { return name },
	})
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

// firstBuild makes build 1 of a workspace that was just stored.
// Where the template's pool has a prepared workspace for it, the build takes that over.
func (h *Handlers) firstBuild(ctx context.Context, w *v1alpha1.Workspace, t *v1alpha1.Template, v *v1alpha1.TemplateVersion, r parameters.Resolved) (*v1alpha1.WorkspaceBuild, error) {
	hash, err := parameters.Hash(v.UID, r)
	if err != nil {
		return nil, err
	}
	chosen := &v1alpha1.BuildParameters{Values: r.Values, Ephemeral: r.Ephemeral}
	slot, err := h.Store.ClaimWarm(ctx, w, t, warm.Wish{
		Namespace: w.Namespace, Template: v1alpha1.ObjectName(t.Name), Parameters: chosen, Hash: hash,
	}, h.Now())
	if err != nil {
		return nil, err
	}
	return h.Store.CreateBuild(ctx, store.NewBuild(w, store.BuildRequest{
		Transition: v1alpha1.TransitionStart,
		Number:     1,
		Version:    &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID},
		Parameters: chosen,
		Hash:       hash,
		Slot:       slot,
		Initiator:  authz.From(ctx).Account,
		RequestID:  httpapi.RequestID(ctx),
		Now:        h.Now(),
	}))
}
