// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// WorkspaceResource is one thing in the cluster that a build made, such as the pod or a volume claim.
type WorkspaceResource struct {
	// ID is new with every build.
	ID                  uuid.UUID           `json:"id"`
	CreatedAt           time.Time           `json:"created_at"`
	JobID               uuid.UUID           `json:"job_id"`
	WorkspaceTransition WorkspaceTransition `json:"workspace_transition"`
	// Type is kubernetes_ and the kind in snake case, such as kubernetes_persistent_volume_claim.
	Type string `json:"type"`
	Name string `json:"name"`
	// Hide asks clients to leave the resource out of what they show.
	Hide bool `json:"hide"`
	// Icon is the address of a picture, or "".
	Icon string `json:"icon"`
	// Agents lists the agents that run in it; left out when there are none.
	Agents []WorkspaceAgent `json:"agents,omitempty"`
	// Metadata lists facts to show beside it; left out when there are none.
	Metadata []WorkspaceResourceMetadata `json:"metadata,omitempty"`
	// DailyCost is in the credits that quotas count.
	DailyCost int32 `json:"daily_cost"`
}

// WorkspaceResourceMetadata is one fact about a resource.
type WorkspaceResourceMetadata struct {
	Key string `json:"key"`
	// Value is "" while Sensitive is true: a secret never leaves the cluster this way.
	Value     string `json:"value"`
	Sensitive bool   `json:"sensitive"`
}
