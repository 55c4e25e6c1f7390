// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"strconv"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// SCIMPrefix begins every path of SCIM, the protocol by which identity providers keep accounts.
	SCIMPrefix = "/scim/v2/"
	// SCIMMedia is the media type of its bodies.
	SCIMMedia = "application/scim+json"
)

// scimError is a refusal as SCIM's clients read it (RFC 7644, 3.12).
type scimError struct {
	Schemas  []string `json:"schemas"`
	Status   string   `json:"status"`
	SCIMType string   `json:"scimType,omitempty"`
	Detail   string   `json:"detail"`
}

// asSCIMError says in one sentence what the session door says in several fields. A fault's reason is SCIM's own word for
// what is wrong, where it has one.
func asSCIMError(status int, body codersdk.Response, err error) scimError {
	e := scimError{
		Schemas: []string{"urn:ietf:params:scim:api:messages:2.0:Error"},
		Status:  strconv.Itoa(status), Detail: body.Message,
	}
	if body.Detail != "" {
		e.Detail += " " + body.Detail
	}
	for _, v := range body.Validations {
		e.Detail += " " + v.Field + ": " + v.Detail + "."
	}
	if f, ok := fault.As(err); ok {
		e.SCIMType = f.Reason
	}
	return e
}
