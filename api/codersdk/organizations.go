// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// Organization is a tenant: it holds templates, groups, members and their workspaces.
type Organization struct {
	ID uuid.UUID `json:"id"`
	// Name stands in URLs and is unique in the deployment.
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// CreateOrganizationRequest makes an organization.
type CreateOrganizationRequest struct {
	Name string `json:"name"`
}
