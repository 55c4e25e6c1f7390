// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// AuditLogResponse is a page of the audit log.
type AuditLogResponse struct {
	// AuditLogs are the newest first.
	AuditLogs []AuditLog `json:"audit_logs"`
	// Count is how many entries match, on all pages.
	Count int64 `json:"count"`
}

// AuditLog is one thing that was done, or refused.
type AuditLog struct {
	ID uuid.UUID `json:"id"`
	// RequestID is the id under which the server's log speaks of the request; the nil UUID when there was none.
	RequestID uuid.UUID `json:"request_id"`
	Time      time.Time `json:"time"`
	// IP is the client's address, or "" when there was none.
	IP        string `json:"ip"`
	UserAgent string `json:"user_agent"`
	// ResourceType, ResourceID and ResourceTarget are what it was done to, as it was called then.
	ResourceType   ResourceType `json:"resource_type"`
	ResourceID     uuid.UUID    `json:"resource_id"`
	ResourceTarget string       `json:"resource_target"`
	ResourceIcon   string       `json:"resource_icon"`
	Action         AuditAction  `json:"action"`
	// Diff is what changed.
	Diff AuditDiff `json:"diff"`
	// StatusCode is that of the answer.
	StatusCode int `json:"status_code"`
	// AdditionalFields is an object.
	AdditionalFields json.RawMessage `json:"additional_fields"`
	// Description is a sentence in which clients fill in {user} and {target}.
	Description string `json:"description"`
	// ResourceLink is the page of the resource, or "".
	ResourceLink string `json:"resource_link"`
	// IsDeleted says that the resource is gone by now.
	IsDeleted bool `json:"is_deleted"`
	// OrganizationID is the nil UUID for what belongs to no organization.
	OrganizationID uuid.UUID `json:"organization_id"`
	// User is who did it, as the account was then; null when nobody is known.
	User *User `json:"user"`
}

// AuditDiff is what changed, by field.
type AuditDiff map[string]AuditDiffField

// AuditDiffField is one field's change.
type AuditDiffField struct {
	// Old and New are the values; left out where there is none.
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`
	// Secret says that the values are kept secret: both are "".
	Secret bool `json:"secret"`
}

// CreateTestAuditLogRequest makes an entry, to try what reads the log.
type CreateTestAuditLogRequest struct {
	Action       AuditAction  `json:"action,omitempty"`
	ResourceType ResourceType `json:"resource_type,omitempty"`
	ResourceID   uuid.UUID    `json:"resource_id,omitempty"`
	// AdditionalFields is any JSON object.
	AdditionalFields json.RawMessage `json:"additional_fields,omitempty"`
	Time             time.Time       `json:"time,omitempty"`
	BuildReason      BuildReason     `json:"build_reason,omitempty"`
}

// AuditAction is what was done.
type AuditAction string

// The actions.
const (
	AuditActionCreate   AuditAction = "create"
	AuditActionWrite    AuditAction = "write"
	AuditActionDelete   AuditAction = "delete"
	AuditActionStart    AuditAction = "start"
	AuditActionStop     AuditAction = "stop"
	AuditActionLogin    AuditAction = "login"
	AuditActionLogout   AuditAction = "logout"
	AuditActionRegister AuditAction = "register"
)

// ResourceType is a kind of thing that the audit log speaks of.
type ResourceType string

// The kinds.
const (
	ResourceTypeTemplate        ResourceType = "template"
	ResourceTypeTemplateVersion ResourceType = "template_version"
	ResourceTypeUser            ResourceType = "user"
	ResourceTypeWorkspace       ResourceType = "workspace"
	ResourceTypeWorkspaceBuild  ResourceType = "workspace_build"
	ResourceTypeGitSSHKey       ResourceType = "git_ssh_key"
	ResourceTypeAPIKey          ResourceType = "api_key"
	ResourceTypeGroup           ResourceType = "group"
	ResourceTypeLicense         ResourceType = "license"
	ResourceTypeConvertLogin    ResourceType = "convert_login"
	ResourceTypeHealthSettings  ResourceType = "health_settings"
	ResourceTypeWorkspaceProxy  ResourceType = "workspace_proxy"
	ResourceTypeOrganization    ResourceType = "organization"

	// Those of later editions.
	ResourceTypeCustomRole                  ResourceType = "custom_role"
	ResourceTypeIDPSyncSettingsGroup        ResourceType = "idp_sync_settings_group"
	ResourceTypeIDPSyncSettingsOrganization ResourceType = "idp_sync_settings_organization"
	ResourceTypeIDPSyncSettingsRole         ResourceType = "idp_sync_settings_role"
	ResourceTypeNotificationTemplate        ResourceType = "notification_template"
	ResourceTypeNotificationsSettings       ResourceType = "notifications_settings"
	ResourceTypeOAuth2ProviderApp           ResourceType = "oauth2_provider_app"
	ResourceTypeOAuth2ProviderAppSecret     ResourceType = "oauth2_provider_app_secret"
	ResourceTypeOrganizationMember          ResourceType = "organization_member"
	ResourceTypePrebuildsSettings           ResourceType = "prebuilds_settings"
	ResourceTypeTask                        ResourceType = "task"
	ResourceTypeWorkspaceAgent              ResourceType = "workspace_agent"
	ResourceTypeWorkspaceApp                ResourceType = "workspace_app"
)
