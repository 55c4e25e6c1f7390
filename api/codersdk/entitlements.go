// SPDX-License-Identifier: Apache-2.0

package codersdk

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Entitlements says which features the deployment has, and which of them are on.
type Entitlements struct {
	// Features are all features that clients know of, by name. One that is left out is taken for one that is not there.
	Features map[string]Feature `json:"features"`
	// Warnings and Errors are shown to people; neither is null.
	Warnings []string `json:"warnings"`
	Errors   []string `json:"errors"`
	// HasLicense makes clients offer the features that are enabled; without it they offer none.
	HasLicense       bool `json:"has_license"`
	Trial            bool `json:"trial"`
	RequireTelemetry bool `json:"require_telemetry"`
	// RefreshedAt is when this was found out.
	RefreshedAt time.Time `json:"refreshed_at"`
}

// Feature is one that the deployment has, or has not.
type Feature struct {
	Entitlement Entitlement `json:"entitlement"`
	// Enabled says that it is on.
	Enabled bool `json:"enabled"`
	// Limit and Actual are how much of it may be used, and how much is; left out where it is not counted.
	Limit  *int64 `json:"limit,omitempty"`
	Actual *int64 `json:"actual,omitempty"`
}

// Entitlement says whether a feature may be used.
type Entitlement string

// The entitlements.
const (
	// EntitlementEntitled is of a feature that may be used.
	EntitlementEntitled Entitlement = "entitled"
	// EntitlementGracePeriod is of a feature that may be used for a while yet.
	EntitlementGracePeriod Entitlement = "grace_period"
	// EntitlementNotEntitled is of a feature that is not there.
	EntitlementNotEntitled Entitlement = "not_entitled"
)

// License is what somebody was sold.
type License struct {
	ID         int32                      `json:"id"`
	UUID       uuid.UUID                  `json:"uuid"`
	UploadedAt time.Time                  `json:"uploaded_at"`
	Claims     map[string]json.RawMessage `json:"claims"`
}

// AddLicenseRequest brings a licence.
type AddLicenseRequest struct {
	License string `json:"license"`
}
