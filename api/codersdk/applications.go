// SPDX-License-Identifier: Apache-2.0

package codersdk

// AppHostResponse says where workspaces' apps have hosts of their own.
type AppHostResponse struct {
	// Host is what those hosts end with, without the dot before it; "" where there are none.
	Host string `json:"host"`
}
