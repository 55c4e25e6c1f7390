// SPDX-License-Identifier: Apache-2.0

package codersdk

// BuildInfoResponse says which server answers. It needs no login.
type BuildInfoResponse struct {
	// Version is a semantic version with a leading v and our own build metadata behind it.
	Version string `json:"version"`
	// ExternalURL leads to this release: its source or its notes.
	ExternalURL string `json:"external_url"`
	// DashboardURL is the address at which people open the dashboard, without a trailing slash.
	DashboardURL string `json:"dashboard_url"`
	// WorkspaceProxy is true when a workspace proxy answers in place of the API server.
	WorkspaceProxy bool `json:"workspace_proxy"`
	// AgentAPIVersion is the newest version of the agent's protocol that the server speaks, as major.minor.
	AgentAPIVersion string `json:"agent_api_version"`
}
