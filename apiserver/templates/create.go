// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
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
)

// newTemplate is where a template is to be made.
func (h *Handlers) newTemplate(ctx context.Context, text string) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.NewTemplate(o.Name), nil
}

// create makes a template of a version that belongs to none. It has no content of its own: its versions are those that
// are uploaded for it, and the pin names the one that is active.
func (h *Handlers) create(ctx context.Context, o *v1alpha1.Organization, in codersdk.CreateTemplateRequest) (codersdk.Template, error) {
	spec, err := newSpec(in)
	if err != nil {
		return codersdk.Template{}, err
	}
	v, err := h.unbound(ctx, o, in.VersionID)
	if err != nil {
		return codersdk.Template{}, err
	}
	caller := authz.From(ctx)
	t := &v1alpha1.Template{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Name, Name: strings.ToLower(in.Name), Annotations: map[string]string{
			v1alpha1.AnnotationCreatedAt: h.Now().UTC().Format(time.RFC3339Nano),
			v1alpha1.AnnotationCreatedBy: caller.User,
		}},
		Spec: spec,
	}
	t.Spec.Name = wireName(t, in.Name)
	t.Spec.Rollout = &v1alpha1.Rollout{Strategy: v1alpha1.RolloutManual, Pin: v1alpha1.ObjectName(v.Name)}
	if v, err = h.Store.CreateTemplate(ctx, t, v); err != nil {
		return codersdk.Template{}, err
	}
	return view.Template(view.TemplateParts{Template: t, Organization: o, Active: v, Creator: caller.Account}), nil
}

// wireName is spec.name of a template that people call so: absent where that is its metadata.name.
func wireName(t *v1alpha1.Template, name string) v1alpha1.WireName {
	if name == t.Name {
		return ""
	}
	return v1alpha1.WireName(name)
}

// newSpec is what a request says of a template, without its versions.
func newSpec(in codersdk.CreateTemplateRequest) (v1alpha1.TemplateSpec, error) {
	r := &input{}
	r.name(in.Name)
	allowed := func(p *bool) v1alpha1.Permission { return permission(p == nil || *p) }
	l := v1alpha1.Lifecycle{
		AutostopAfter:       r.duration("default_ttl_ms", in.DefaultTTLMillis),
		AutostopMax:         r.duration("max_ttl_ms", in.MaxTTLMillis),
		AutostopRequirement: r.autostopRequirement(in.AutostopRequirement),
		AutostartDays:       r.autostartDays(in.AutostartRequirement),
		FailureStopAfter:    r.duration("failure_ttl_ms", in.FailureTTLMillis),
		DormantAfter:        r.duration("dormant_ttl_ms", in.DormantTTLMillis),
		DeleteDormantAfter:  r.duration("delete_ttl_ms", in.DeleteTTLMillis),
		UserAutostart:       allowed(in.AllowUserAutostart),
		UserAutostop:        allowed(in.AllowUserAutostop),
		UserCancel:          allowed(in.AllowUserCancelWorkspaceJobs),
	}
	r.within(&l)
	spec := v1alpha1.TemplateSpec{
		DisplayName:          r.displayName(in.DisplayName),
		Description:          r.text("description", in.Description, maxNewDescription),
		Icon:                 v1alpha1.Icon(r.text("icon", in.Icon, maxIcon)),
		RequireActiveVersion: in.RequireActiveVersion,
	}
	if !reflect.ValueOf(l).IsZero() {
		spec.Lifecycle = &l
	}
	if !in.DisableEveryoneGroupAccess {
		spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
	}
	if in.VersionID == uuid.Nil {
		r.refuse(versionField, "is required")
	}
	return spec, r.err()
}

// versionField is the version's name in a request for a new template.
const versionField = "template_version_id"

// unbound is a good version of the organization that no template has yet. One that the caller may not see is not there.
func (h *Handlers) unbound(ctx context.Context, o *v1alpha1.Organization, id uuid.UUID) (*v1alpha1.TemplateVersion, error) {
	p, err := h.visibleVersion(ctx, o.Name, id, versionField)
	if err != nil {
		return nil, err
	}
	if p.Template != nil || p.Version.Spec.TemplateRef != nil {
		return nil, refusedVersion(versionField, "belongs to another template; make a new version")
	}
	return p.Version, good(p.Version, versionField)
}

// visibleVersion is a version of the organization that the caller may see.
func (h *Handlers) visibleVersion(ctx context.Context, organization string, id uuid.UUID, field string) (store.VersionParts, error) {
	p, rights, err := h.Store.VersionByID(ctx, id)
	if err == nil && (p.Organization.Name != organization || !authz.From(ctx).Can(authz.Read, rights)) {
		err = fault.New(fault.NotFound, "")
	}
	if fault.Is(err, fault.NotFound) {
		f := fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
		f.Fields = []fault.Field{{Path: field, Detail: "names no version in this organization that you have access to"}}
		return p, f
	}
	return p, err
}

// good refuses a version that can't be promoted. One whose check has not ended may become good, which 412 says.
func good(v *v1alpha1.TemplateVersion, field string) error {
	switch job := v.Status.Job; {
	case v.Spec.Archived:
		return refusedVersion(field, "is archived; bring it back first, or choose another")
	case job == nil || !job.Phase.Ended():
		f := fault.New(fault.Conflict, "The template version is still being checked. Wait until that has ended.")
		f.Fields = []fault.Field{{Path: field, Detail: "is still being checked"}}
		return &httpapi.Refusal{Fault: f, Status: http.StatusPreconditionFailed}
	case job.Phase != v1alpha1.JobSucceeded:
		return refusedVersion(field, "has failed its check: "+job.Error)
	}
	return nil
}

func refusedVersion(field, detail string) error {
	f := fault.New(fault.Invalid, "The template version %s.", detail)
	f.Fields = []fault.Field{{Path: field, Detail: detail}}
	return f
}

func itoa(n int) string { return strconv.Itoa(n) }
