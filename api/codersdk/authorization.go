// SPDX-License-Identifier: Apache-2.0

package codersdk

// AuthorizationRequest asks what the caller may do. The keys are the client's own.
type AuthorizationRequest struct {
	Checks map[string]AuthorizationCheck `json:"checks"`
}

// AuthorizationCheck is one question.
type AuthorizationCheck struct {
	Object AuthorizationObject `json:"object"`
	// Action is create, read, update or delete; younger clients ask for others too.
	Action string `json:"action"`
}

// AuthorizationObject is what a question is about: one object, or all of a type, narrowed by organization and owner.
type AuthorizationObject struct {
	ResourceType RBACResource `json:"resource_type"`
	// OwnerID is a user's id, or "me".
	OwnerID        string `json:"owner_id,omitempty"`
	OrganizationID string `json:"organization_id,omitempty"`
	// ResourceID is the one object's; its owner and organization need not be given.
	ResourceID string `json:"resource_id,omitempty"`
}

// AuthorizationResponse has an answer for each key.
type AuthorizationResponse map[string]bool

// RBACResource is a type of what can be asked about.
type RBACResource string

// The types.
const (
	ResourceWorkspace          RBACResource = "workspace"
	ResourceWorkspaceProxy     RBACResource = "workspace_proxy"
	ResourceWorkspaceExecution RBACResource = "workspace_execution"
	ResourceApplicationConnect RBACResource = "application_connect"
	ResourceAuditLog           RBACResource = "audit_log"
	ResourceTemplate           RBACResource = "template"
	ResourceGroup              RBACResource = "group"
	ResourceFile               RBACResource = "file"
	ResourceProvisionerDaemon  RBACResource = "provisioner_daemon"
	ResourceOrganization       RBACResource = "organization"
	ResourceAssignRole         RBACResource = "assign_role"
	ResourceAssignOrgRole      RBACResource = "assign_org_role"
	ResourceAPIKey             RBACResource = "api_key"
	ResourceUser               RBACResource = "user"
	ResourceUserData           RBACResource = "user_data"
	ResourceOrganizationMember RBACResource = "organization_member"
	ResourceLicense            RBACResource = "license"
	ResourceDeploymentConfig   RBACResource = "deployment_config"
	ResourceDeploymentStats    RBACResource = "deployment_stats"
	ResourceReplicas           RBACResource = "replicas"
	ResourceDebugInfo          RBACResource = "debug_info"
	ResourceSystem             RBACResource = "system"
	ResourceTemplateInsights   RBACResource = "template_insights"
)

// The types of later editions. Most stand for what this server has not, and an owner alone may do anything with that.
const (
	ResourceAny                           RBACResource = "*"
	ResourceAIBridgeInterception          RBACResource = "aibridge_interception"
	ResourceBoundaryUsage                 RBACResource = "boundary_usage"
	ResourceConnectionLog                 RBACResource = "connection_log"
	ResourceCryptoKey                     RBACResource = "crypto_key"
	ResourceGroupMember                   RBACResource = "group_member"
	ResourceIDPSyncSettings               RBACResource = "idpsync_settings"
	ResourceInboxNotification             RBACResource = "inbox_notification"
	ResourceNotificationMessage           RBACResource = "notification_message"
	ResourceNotificationPreference        RBACResource = "notification_preference"
	ResourceNotificationTemplate          RBACResource = "notification_template"
	ResourceOAuth2App                     RBACResource = "oauth2_app"
	ResourceOAuth2AppCodeToken            RBACResource = "oauth2_app_code_token"
	ResourceOAuth2AppSecret               RBACResource = "oauth2_app_secret"
	ResourcePrebuiltWorkspace             RBACResource = "prebuilt_workspace"
	ResourceProvisionerJobs               RBACResource = "provisioner_jobs"
	ResourceTailnetCoordinator            RBACResource = "tailnet_coordinator"
	ResourceTask                          RBACResource = "task"
	ResourceUsageEvent                    RBACResource = "usage_event"
	ResourceUserSecret                    RBACResource = "user_secret"
	ResourceWebpushSubscription           RBACResource = "webpush_subscription"
	ResourceWorkspaceAgentDevcontainers   RBACResource = "workspace_agent_devcontainers"
	ResourceWorkspaceAgentResourceMonitor RBACResource = "workspace_agent_resource_monitor"
	ResourceWorkspaceDormant              RBACResource = "workspace_dormant"
)
