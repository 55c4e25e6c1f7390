// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// update changes what is said of a template; 304 says that there was nothing to change.
func (h *Handlers) update(ctx context.Context, p store.TemplateParts, in codersdk.UpdateTemplateMeta) (httpapi.Reply[codersdk.Template], error) {
	none := httpapi.Reply[codersdk.Template]{}
	now := h.Now().UTC().Truncate(time.Second) // as exact as a status is
	apply := func(t *v1alpha1.Template) error {
		if in.UpdateWorkspaceLastUsedAt {
			if t.Annotations == nil {
				t.Annotations = map[string]string{}
			}
			t.Annotations[v1alpha1.AnnotationUsedAt] = now.Format(time.RFC3339)
		}
		return applyMeta(t, in)
	}
	write := h.Store.ChangeTemplate
	if in.Name != "" && in.Name != p.Template.WireName() {
		write = func(ctx context.Context, t *v1alpha1.Template, edit func(*v1alpha1.Template) error) (*v1alpha1.Template, error) {
			return h.Store.RenameTemplate(ctx, t, in.Name, edit)
		}
		// What the request itself has wrong is told before anybody looks whose the name is.
		if err := apply(p.Template.DeepCopy()); err != nil {
			return none, err
		}
	}
	before := p.Template.ResourceVersion
	var err error
	if p.Template, err = write(ctx, p.Template, apply); err != nil {
		return none, err
	}
	if err := h.actOnWorkspaces(ctx, p, in, now); err != nil {
		return none, err
	}
	if p.Template.ResourceVersion == before && !in.UpdateWorkspaceLastUsedAt && !in.UpdateWorkspaceDormantAt {
		return httpapi.Reply[codersdk.Template]{Status: http.StatusNotModified}, nil
	}
	if p, err = h.Store.WithFigures(ctx, p); err != nil {
		return none, err
	}
	return httpapi.Reply[codersdk.Template]{Body: view.Template(view.TemplateParts(p))}, nil
}

// applyMeta changes a template as a request says. What the request leaves out and git holds is not turned off.
func applyMeta(t *v1alpha1.Template, in codersdk.UpdateTemplateMeta) error {
	r := &input{}
	if in.Name != "" {
		r.name(in.Name)
		t.Spec.Name = wireName(t, in.Name)
	}
	if in.DisplayName != nil {
		t.Spec.DisplayName = r.displayName(*in.DisplayName)
	}
	if in.Description != nil {
		t.Spec.Description = r.text("description", *in.Description, maxDescription)
	}
	if in.Icon != nil {
		t.Spec.Icon = v1alpha1.Icon(r.text("icon", *in.Icon, maxIcon))
	}
	if in.DeprecationMessage != nil {
		t.Spec.DeprecationMessage = r.text("deprecation_message", *in.DeprecationMessage, maxDeprecation)
		t.Spec.Deprecated = t.Spec.Deprecated && *in.DeprecationMessage != ""
	}
	if in.DisableEveryoneGroupAccess {
		t.Spec.Access = slices.DeleteFunc(slices.Clone(t.Spec.Access), func(e v1alpha1.AccessEntry) bool { return e.Kind == v1alpha1.AccessKindEveryone })
	}
	if in.RequireActiveVersion != nil || !gitops.Holds(t, "spec", "requireActiveVersion") {
		t.Spec.RequireActiveVersion = in.RequireActiveVersion != nil && *in.RequireActiveVersion
	}
	applyLifecycle(r, t, in)
	return r.err()
}

func applyLifecycle(r *input, t *v1alpha1.Template, in codersdk.UpdateTemplateMeta) {
	l := &v1alpha1.Lifecycle{}
	if t.Spec.Lifecycle != nil {
		l = t.Spec.Lifecycle.DeepCopy()
	}
	for _, d := range []struct {
		field, path string
		given       *int64
		at          *v1alpha1.Duration
	}{
		{"default_ttl_ms", "autostopAfter", in.DefaultTTLMillis, &l.AutostopAfter},
		{"max_ttl_ms", "autostopMax", in.MaxTTLMillis, &l.AutostopMax},
		{"failure_ttl_ms", "failureStopAfter", in.FailureTTLMillis, &l.FailureStopAfter},
		{"time_til_dormant_ms", "dormantAfter", in.TimeTilDormantMillis, &l.DormantAfter},
		{"time_til_dormant_autodelete_ms", "deleteDormantAfter", in.TimeTilDormantAutoDeleteMillis, &l.DeleteDormantAfter},
	} {
		var ms int64
		if d.given != nil {
			ms = *d.given
		} else if gitops.Holds(t, "spec", "lifecycle", d.path) {
			continue
		}
		if ms != schedule.Duration(*d.at).Milliseconds() {
			*d.at = r.duration(d.field, ms)
		}
	}
	for _, p := range []struct {
		path  string
		given *bool
		at    *v1alpha1.Permission
	}{
		{"userAutostart", in.AllowUserAutostart, &l.UserAutostart},
		{"userAutostop", in.AllowUserAutostop, &l.UserAutostop},
		{"userCancel", in.AllowUserCancelWorkspaceJobs, &l.UserCancel},
	} {
		if p.given == nil && gitops.Holds(t, "spec", "lifecycle", p.path) {
			continue
		}
		if allowed := p.given != nil && *p.given; allowed != (*p.at != v1alpha1.PermissionForbid) {
			*p.at = permission(allowed)
		}
	}
	if in.AutostopRequirement != nil {
		l.AutostopRequirement = sameRequirement(l.AutostopRequirement, r.autostopRequirement(in.AutostopRequirement))
	}
	if in.AutostartRequirement != nil {
		if days := r.autostartDays(in.AutostartRequirement); !sameDays(allOr(l.AutostartDays), allOr(days)) {
			l.AutostartDays = days
		}
	}
	r.within(l)
	if t.Spec.Lifecycle != nil || !reflect.ValueOf(*l).IsZero() {
		t.Spec.Lifecycle = l
	}
}

// sameRequirement is the present requirement where the wish comes to the same, so that nothing is written.
func sameRequirement(now, wish *v1alpha1.AutostopRequirement) *v1alpha1.AutostopRequirement {
	weeks := func(r *v1alpha1.AutostopRequirement) int32 {
		if r.Weeks == nil {
			return 1
		}
		return *r.Weeks
	}
	switch {
	case now != nil && wish != nil && sameDays(now.DaysOfWeek, wish.DaysOfWeek) && weeks(now) == weeks(wish):
		return now
	case now != nil && wish == nil && len(now.DaysOfWeek) == 0:
		return now
	}
	return wish
}

// sameDays tells whether two lists name the same days, in whatever order.
func sameDays(a, b []v1alpha1.Weekday) bool {
	has := func(list []v1alpha1.Weekday) func(v1alpha1.Weekday) bool {
		return func(d v1alpha1.Weekday) bool { return !slices.Contains(list, d) }
	}
	return !slices.ContainsFunc(a, has(b)) && !slices.ContainsFunc(b, has(a))
}

func allOr(days []v1alpha1.Weekday) []v1alpha1.Weekday {
	if len(days) == 0 {
		return week()
	}
	return days
}

// actOnWorkspaces does once to a template's workspaces what the request asks for, after the template has changed: what is
// measured from their use begins anew.
func (h *Handlers) actOnWorkspaces(ctx context.Context, p store.TemplateParts, in codersdk.UpdateTemplateMeta, now time.Time) error {
	if !in.UpdateWorkspaceLastUsedAt && !in.UpdateWorkspaceDormantAt {
		return nil
	}
	workspaces, err := h.Store.WorkspacesOf(ctx, p.Template)
	if err != nil {
		return err
	}
	for _, w := range workspaces {
		if w.DeletionTimestamp != nil {
			continue
		}
		if in.UpdateWorkspaceLastUsedAt {
			if err := h.Store.SetLastUsed(ctx, w, now); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		if in.UpdateWorkspaceDormantAt {
			if err := h.Store.RestartDormancy(ctx, w, now); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
	}
	return nil
}

// promote makes a version of the template the active one.
func (h *Handlers) promote(ctx context.Context, p store.TemplateParts, in codersdk.UpdateActiveTemplateVersion) (codersdk.Response, error) {
	const field = "id"
	none := codersdk.Response{}
	v, err := h.visibleVersion(ctx, p.Organization.Name, in.ID, field)
	if err != nil {
		return none, err
	}
	if v.Template == nil || v.Template.UID != p.Template.UID {
		return none, refusedVersion(field, "is not a version of template "+p.Template.WireName())
	}
	if err := good(v.Version, field); err != nil {
		return none, err
	}
	if _, err := h.Store.ChangeTemplate(ctx, p.Template, func(t *v1alpha1.Template) error {
		return pin(t, v.Version, p.Active, h.Now())
	}); err != nil {
		return none, err
	}
	return codersdk.Response{Message: "Updated the active template version!"}, nil
}

// pin names the version in the template's rollout. Where it is active already without a pin, it stays without: a pin would
// keep what comes later from being promoted.
func pin(t *v1alpha1.Template, v, active *v1alpha1.TemplateVersion, now time.Time) error {
	if hold := t.Spec.Hold; hold != nil && string(hold.Version) != v.Name {
		if until, err := time.Parse(time.RFC3339, hold.Until); err == nil && now.Before(until) {
			return fault.New(fault.Conflict, "Template %s is held at version %s until %s; end the hold first.", t.WireName(), hold.Version, hold.Until)
		}
	}
	if active.UID == v.UID && (t.Spec.Rollout == nil || t.Spec.Rollout.Pin == "") {
		return nil
	}
	if t.Spec.Rollout == nil {
		t.Spec.Rollout = &v1alpha1.Rollout{}
	}
	t.Spec.Rollout.Pin = v1alpha1.ObjectName(v.Name)
	return nil
}

// remove deletes a template that no workspace uses.
func (h *Handlers) remove(ctx context.Context, p store.TemplateParts, _ httpapi.None) (codersdk.Response, error) {
	none := codersdk.Response{}
	workspaces, err := h.Store.WorkspacesOf(ctx, p.Template)
	if err != nil {
		return none, err
	}
	if len(workspaces) > 0 {
		return none, inUse("")
	}
	err = h.Store.DeleteTemplate(ctx, p.Template)
	if f, ok := fault.As(err); ok && f.Kind == fault.Forbidden && strings.Contains(f.Detail, "cannot be deleted") {
		// The cluster's own policy counts what the manager has seen: one that was made, or went, a moment ago.
		return none, inUse(f.Detail)
	}
	if err != nil {
		return none, err
	}
	return codersdk.Response{Message: "Template has been deleted!"}, nil
}

func inUse(detail string) error {
	f := fault.New(fault.Invalid, "All workspaces must be deleted before a template can be removed.")
	f.Detail = detail
	return f
}

// archiveUnused archives the versions that nothing needs.
func (h *Handlers) archiveUnused(ctx context.Context, p store.TemplateParts, in codersdk.ArchiveTemplateVersionsRequest) (codersdk.ArchiveTemplateVersionsResponse, error) {
	archived, err := h.Store.ArchiveUnused(ctx, p, in.All)
	return codersdk.ArchiveTemplateVersionsResponse{TemplateID: ids.Of(p.Template), ArchivedIDs: archived}, err
}
