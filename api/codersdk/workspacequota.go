// SPDX-License-Identifier: Apache-2.0

package codersdk

// WorkspaceQuota is what a person's workspaces may cost in credits a day, and what they cost.
type WorkspaceQuota struct {
	CreditsConsumed int64 `json:"credits_consumed"`
	// Budget is -1 where nothing limits it.
	Budget int64 `json:"budget"`
}
