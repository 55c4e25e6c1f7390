// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// maxIcon is how long an icon may be to stand in the log; pictures within the text are longer.
const maxIcon = 512

// about says what an object is in the log; false where it has no word for the kind. Of a new build the action is the
// build's transition. What else is not known, such as an organization that is gone, is left out.
func (s *Store) about(ctx context.Context, o v1alpha1.Object) (c audit.Change, ok bool) {
	c.Resource = audit.Resource{ID: ids.Of(o)}
	switch o := o.(type) {
	case *v1alpha1.Organization:
		c.Resource.Type, c.Resource.Target, c.Resource.Icon = codersdk.ResourceTypeOrganization, o.WireName(), string(o.Spec.Icon)
		c.Resource.OrganizationID, c.Resource.Organization = ids.Of(o), o.WireName()
	case *v1alpha1.User:
		c.Resource.Type, c.Resource.Target = codersdk.ResourceTypeUser, o.WireName()
	case *v1alpha1.Group:
		c.Resource.Type, c.Resource.Target = codersdk.ResourceTypeGroup, o.WireName()
	case *v1alpha1.Template:
		c.Resource.Type, c.Resource.Target, c.Resource.Icon = codersdk.ResourceTypeTemplate, o.WireName(), string(o.Spec.Icon)
	case *v1alpha1.TemplateVersion:
		c.Resource.Type, c.Resource.Target = codersdk.ResourceTypeTemplateVersion, o.WireName()
	case *v1alpha1.DryRun:
		c.Resource.Type, c.Resource.Target = codersdk.ResourceTypeTemplateVersion, string(o.Spec.VersionRef.Name)
		c.Additional.Note = "a dry run of the version"
	case *v1alpha1.Workspace:
		c.Resource.Type, c.Resource.Target = codersdk.ResourceTypeWorkspace, o.WireName()
		c.Additional.WorkspaceName, c.Additional.WorkspaceOwner = o.WireName(), s.username(ctx, string(o.Spec.Owner.User))
		c.Additional.WorkspaceID = ids.Of(o).String()
	case *v1alpha1.WorkspaceBuild:
		c.Resource.Type, c.Action = codersdk.ResourceTypeWorkspaceBuild, transitionAction(o.Spec.Transition)
		c.Resource.Target = string(o.Spec.WorkspaceRef.Name)
		c.Additional.BuildNumber = strconv.FormatInt(o.Spec.Number, 10)
		c.Additional.BuildReason = buildReason(o.Spec.Reason)
		w := &v1alpha1.Workspace{}
		if s.get(ctx, o.Namespace, string(o.Spec.WorkspaceRef.Name), w) == nil && w.UID == o.Spec.WorkspaceRef.UID {
			c.Resource.ID, c.Resource.Target = ids.Build(ids.Of(w), o.Spec.Number), w.WireName()
			c.Additional.WorkspaceName, c.Additional.WorkspaceOwner = w.WireName(), s.username(ctx, string(w.Spec.Owner.User))
			c.Additional.WorkspaceID = ids.Of(w).String()
		}
	default:
		return c, false
	}
	if len(c.Resource.Icon) > maxIcon {
		c.Resource.Icon = ""
	}
	if c.Resource.OrganizationID == uuid.Nil && o.GetNamespace() != "" {
		if organization, err := s.organizationOfNamespace(ctx, o.GetNamespace()); err == nil {
			c.Resource.OrganizationID, c.Resource.Organization = ids.Of(organization), organization.WireName()
		}
	}
	return c, true
}

// username is how people call the User of the metadata.name, or that where the User is gone.
func (s *Store) username(ctx context.Context, name string) string {
	if u, err := s.User(ctx, name); err == nil {
		return u.WireName()
	}
	return name
}

func transitionAction(t v1alpha1.Transition) codersdk.AuditAction {
	switch t {
	case v1alpha1.TransitionStart:
		return codersdk.AuditActionStart
	case v1alpha1.TransitionStop:
		return codersdk.AuditActionStop
	case v1alpha1.TransitionDelete:
		return codersdk.AuditActionDelete
	}
	return codersdk.AuditActionWrite
}

func buildReason(r v1alpha1.BuildReason) codersdk.BuildReason {
	switch r {
	case v1alpha1.BuildReasonAutostart:
		return codersdk.BuildReasonAutostart
	case v1alpha1.BuildReasonAutostop, v1alpha1.BuildReasonDormancy, v1alpha1.BuildReasonFailure:
		return codersdk.BuildReasonAutostop
	}
	return codersdk.BuildReasonInitiator
}

// Gone tells whether what an entry is about is no more. What can't be looked up by its id counts as there.
func (s *Store) Gone(ctx context.Context, r audit.Resource, workspace uuid.UUID) bool {
	id, err := r.ID, error(nil)
	if id == uuid.Nil {
		return false
	}
	switch r.Type {
	case codersdk.ResourceTypeUser, codersdk.ResourceTypeAPIKey, codersdk.ResourceTypeGitSSHKey:
		_, err = s.UserByID(ctx, id)
	case codersdk.ResourceTypeOrganization:
		_, err = s.OrganizationByID(ctx, id)
	case codersdk.ResourceTypeGroup:
		_, _, err = s.GroupByID(ctx, id)
	case codersdk.ResourceTypeTemplate:
		_, err = first(list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, index.ID, id.String()))
	case codersdk.ResourceTypeTemplateVersion:
		_, err = first(list[*v1alpha1.TemplateVersion](ctx, s, &v1alpha1.TemplateVersionList{}, index.ID, id.String()))
	case codersdk.ResourceTypeWorkspace:
		workspace = id
		fallthrough
	case codersdk.ResourceTypeWorkspaceBuild:
		if workspace != uuid.Nil {
			_, err = first(list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.ID, workspace.String()))
		}
	}
	return fault.Is(err, fault.NotFound)
}
