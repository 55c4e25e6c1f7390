// SPDX-License-Identifier: Apache-2.0

package codersdk

import "github.com/google/uuid"

// UploadResponse tells how an uploaded archive is called from now on.
type UploadResponse struct {
	// ID is the file's id; its key is older than that.
	ID uuid.UUID `json:"hash"`
}
