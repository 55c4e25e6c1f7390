// SPDX-License-Identifier: Apache-2.0

package authcheck

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
)

// find completes a question with what its object is: one that is named by its id, or all of a type, narrowed by owner and
// organization. NotFound is for what is not there.
func (h *Handlers) find(ctx context.Context, q *question, o codersdk.AuthorizationObject) error {
	resource := q.id("object.resource_id", o.ResourceID)
	organization := q.id("object.organization_id", o.OrganizationID)
	owner := uuid.Nil
	if o.OwnerID != "me" {
		owner = q.id("object.owner_id", o.OwnerID)
	}
	if len(q.wrong) > 0 {
		return nil
	}
	if resource != uuid.Nil {
		if find := h.one(q.object.Kind); find != nil {
			rights, err := find(ctx, resource)
			rights.Kind = q.object.Kind
			q.object = rights
			return err
		}
	}
	if organization != uuid.Nil {
		found, err := h.Store.OrganizationByID(ctx, organization)
		if err != nil {
			return err
		}
		q.object.Organization = found.Name
	}
	switch {
	case o.OwnerID == "me" || o.OwnerID == "" && q.object.Kind == authz.File: // an archive is its sender's
		return h.owned(ctx, q, q.caller.Account)
	case owner != uuid.Nil:
		u, err := h.Store.UserByID(ctx, owner)
		if err != nil {
			return err
		}
		return h.owned(ctx, q, u)
	}
	return nil
}

// owned makes the object a person's.
func (h *Handlers) owned(ctx context.Context, q *question, u *v1alpha1.User) error {
	q.object.Owner = u.Name
	switch q.object.Kind {
	case authz.User:
		a, err := h.Store.Account(ctx, u)
		q.object = a.Rights
		return err
	case authz.Member:
		q.object = authz.MemberObject(u, q.object.Organization)
	case authz.File:
		edits := false
		if u.Name == q.caller.User {
			var err error
			if edits, err = h.Store.EditsTemplates(ctx, q.caller); err != nil {
				return err
			}
		}
		q.object = authz.FileObject(u.Name, edits)
	}
	return nil
}

// one is how an object of the kind is found by its id; nil for kinds that are no objects.
func (h *Handlers) one(kind authz.Kind) func(context.Context, uuid.UUID) (authz.Object, error) {
	switch kind {
	case authz.Workspace, authz.Execution, authz.Connect, authz.Task, authz.Prebuilt, authz.Dormant:
		return rightsOf(h.Store.WorkspaceByID)
	case authz.Template, authz.Insights:
		return rightsOf(h.Store.TemplateByID)
	case authz.Group, authz.GroupMember:
		return rightsOf(h.Store.GroupByID)
	case authz.User, authz.UserData:
		return rightsOf(h.user)
	case authz.Organization:
		return rightsOf(h.organization)
	}
	return nil
}

func rightsOf[T any](find func(context.Context, uuid.UUID) (T, authz.Object, error)) func(context.Context, uuid.UUID) (authz.Object, error) {
	return func(ctx context.Context, id uuid.UUID) (authz.Object, error) {
		_, rights, err := find(ctx, id)
		return rights, err
	}
}

func (h *Handlers) user(ctx context.Context, id uuid.UUID) (store.Account, authz.Object, error) {
	u, err := h.Store.UserByID(ctx, id)
	if err != nil {
		return store.Account{}, authz.Object{}, err
	}
	a, err := h.Store.Account(ctx, u)
	return a, a.Rights, err
}

func (h *Handlers) organization(ctx context.Context, id uuid.UUID) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationByID(ctx, id)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.OrganizationObject(o), nil
}

// id reads an id; the nil UUID where none is given.
func (q *question) id(field, text string) uuid.UUID {
	if text == "" {
		return uuid.Nil
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		q.refuse(field, "must be a UUID of 36 characters")
	}
	return id
}

// types are all that can be asked about.
func types() []codersdk.RBACResource {
	return []codersdk.RBACResource{
		codersdk.ResourceWorkspace, codersdk.ResourceWorkspaceProxy, codersdk.ResourceWorkspaceExecution,
		codersdk.ResourceApplicationConnect, codersdk.ResourceAuditLog, codersdk.ResourceTemplate, codersdk.ResourceGroup,
		codersdk.ResourceFile, codersdk.ResourceProvisionerDaemon, codersdk.ResourceOrganization,
		codersdk.ResourceAssignRole, codersdk.ResourceAssignOrgRole, codersdk.ResourceAPIKey, codersdk.ResourceUser,
		codersdk.ResourceUserData, codersdk.ResourceOrganizationMember, codersdk.ResourceLicense,
		codersdk.ResourceDeploymentConfig, codersdk.ResourceDeploymentStats, codersdk.ResourceReplicas,
		codersdk.ResourceDebugInfo, codersdk.ResourceSystem, codersdk.ResourceTemplateInsights, codersdk.ResourceAny,
		codersdk.ResourceAIBridgeInterception, codersdk.ResourceBoundaryUsage, codersdk.ResourceConnectionLog,
		codersdk.ResourceCryptoKey, codersdk.ResourceGroupMember, codersdk.ResourceIDPSyncSettings,
		codersdk.ResourceInboxNotification, codersdk.ResourceNotificationMessage, codersdk.ResourceNotificationPreference,
		codersdk.ResourceNotificationTemplate, codersdk.ResourceOAuth2App, codersdk.ResourceOAuth2AppCodeToken,
		codersdk.ResourceOAuth2AppSecret, codersdk.ResourcePrebuiltWorkspace, codersdk.ResourceProvisionerJobs,
		codersdk.ResourceTailnetCoordinator, codersdk.ResourceTask, codersdk.ResourceUsageEvent, codersdk.ResourceUserSecret,
		codersdk.ResourceWebpushSubscription, codersdk.ResourceWorkspaceAgentDevcontainers,
		codersdk.ResourceWorkspaceAgentResourceMonitor, codersdk.ResourceWorkspaceDormant,
	}
}
