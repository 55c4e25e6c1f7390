// SPDX-License-Identifier: Apache-2.0

package codersdk

import "github.com/google/uuid"

// WorkspaceApp is a program in a workspace that people open in a browser or a terminal.
type WorkspaceApp struct {
	// ID follows from the agent and the slug; a template cannot choose it.
	ID uuid.UUID `json:"id"`
	// URL is where the app listens inside the workspace, or the address that the client opens when External.
	URL string `json:"url,omitempty"`
	// External apps are opened by the client itself and never carry a session.
	External bool `json:"external"`
	// Slug stands in URLs and is unique for the agent.
	Slug        string `json:"slug"`
	DisplayName string `json:"display_name"`
	// Command is run in a terminal when the app is opened; left out for apps with a URL.
	Command string `json:"command,omitempty"`
	// Icon is the address of a picture.
	Icon string `json:"icon,omitempty"`
	// Subdomain apps have a host of their own, SubdomainName under the deployment's wildcard. The name is left out when
	// there is no wildcard or it would not fit into one DNS label.
	Subdomain     bool   `json:"subdomain"`
	SubdomainName string `json:"subdomain_name,omitempty"`
	// SharingLevel says who may open the app.
	SharingLevel WorkspaceAppSharingLevel `json:"sharing_level"`
	// Healthcheck is all zero when the app has none.
	Healthcheck Healthcheck        `json:"healthcheck"`
	Health      WorkspaceAppHealth `json:"health"`
}

// Healthcheck says how an agent finds out whether an app answers.
type Healthcheck struct {
	// URL is asked inside the workspace.
	URL string `json:"url"`
	// Interval is the time between two requests, in seconds.
	Interval int32 `json:"interval"`
	// Threshold is how many requests must fail in a row before the app is unhealthy.
	Threshold int32 `json:"threshold"`
}

// WorkspaceAppSharingLevel says who may open an app.
type WorkspaceAppSharingLevel string

// The levels, from the narrowest.
const (
	// WorkspaceAppSharingLevelOwner is the workspace's owner alone.
	WorkspaceAppSharingLevelOwner WorkspaceAppSharingLevel = "owner"
	// WorkspaceAppSharingLevelAuthenticated is everybody who is logged in.
	WorkspaceAppSharingLevelAuthenticated WorkspaceAppSharingLevel = "authenticated"
	// WorkspaceAppSharingLevelPublic is everybody who can reach the server.
	WorkspaceAppSharingLevelPublic WorkspaceAppSharingLevel = "public"
)

// WorkspaceAppHealth is what the health check last found.
type WorkspaceAppHealth string

// The states of an app.
const (
	// WorkspaceAppHealthDisabled is an app without a health check.
	WorkspaceAppHealthDisabled WorkspaceAppHealth = "disabled"
	// WorkspaceAppHealthInitializing is an app that has not been checked yet.
	WorkspaceAppHealthInitializing WorkspaceAppHealth = "initializing"
	// WorkspaceAppHealthHealthy is an app that answers.
	WorkspaceAppHealthHealthy WorkspaceAppHealth = "healthy"
	// WorkspaceAppHealthUnhealthy is an app that failed its last checks.
	WorkspaceAppHealthUnhealthy WorkspaceAppHealth = "unhealthy"
)
