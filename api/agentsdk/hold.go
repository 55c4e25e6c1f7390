// SPDX-License-Identifier: Apache-2.0

// Package agentsdk holds what a workspace's agent and the API server say to each other, as JSON. It holds no logic.
package agentsdk

const (
	// TokenHeader carries the agent's token: its pod's projected service-account token.
	TokenHeader = "Coder-Session-Token"
	// SecretHeader carries the secret that the agent of a claimed pod was given, beside the token.
	SecretHeader = "Berth-Agent-Secret"
	// AgentParameter is the query parameter that names the agent, since the agents of a pod share its token.
	AgentParameter = "agent"
	// HoldPath is the websocket on which the agent of a prepared pod hears whose the pod has become: one Claim, which it
	// acknowledges by any message. Berth's own, beside the paths of the codersdk API. An agent that has its secret already is
	// told nothing more: the server notes that it has come, and closes in good order.
	HoldPath = "/api/v2/workspaceagents/me/hold"
)

// Claim says whose a prepared pod has become. It is sent once.
type Claim struct {
	// Secret is what the agent shows beside its token from now on. It is nowhere else.
	Secret string `json:"secret"`
	// Env are the variables that its command has beside those of the container, in the order in which they are set.
	Env []EnvVar `json:"env"`
}

// EnvVar is a variable of the environment.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
