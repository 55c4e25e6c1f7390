// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"time"

	"github.com/google/uuid"
)

// GitSSHKey is the public half of the key by which a person's workspaces reach git.
type GitSSHKey struct {
	UserID    uuid.UUID `json:"user_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// PublicKey is a line of an authorized_keys file, with its newline.
	PublicKey string `json:"public_key"`
}
