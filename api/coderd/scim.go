// SPDX-License-Identifier: Apache-2.0

// Package coderd holds the wire structs that Coder's API takes from its server's own package, which only identity
// providers send.
package coderd

import (
	"encoding/json"
	"fmt"
	"strings"
)

// SCIMUser is an account as an identity provider knows it: a User of RFC 7643.
type SCIMUser struct {
	// Schemas name what the rest is.
	Schemas []string `json:"schemas"`
	// ID is the account's id, as we gave it.
	ID string `json:"id"`
	// ExternalID is the id that the identity provider has for it. It is never compared with ours.
	ExternalID string `json:"externalId,omitempty"`
	// UserName is the name that the identity provider knows the account by, often an e-mail address.
	UserName string `json:"userName"`
	// Name is the person's name.
	Name SCIMName `json:"name"`
	// Emails are the person's addresses. Only one is kept: the primary one, or else the first.
	Emails []SCIMEmail `json:"emails"`
	// Active is false for an account that nobody may sign in with.
	Active SCIMBool `json:"active"`
	// Groups are sent by some providers, and not read.
	Groups []any `json:"groups"`
	// Meta says what kind of resource it is.
	Meta SCIMMeta `json:"meta"`
}

// SCIMUserRequest is a SCIMUser as a provider sends it.
type SCIMUserRequest struct {
	SCIMUser
	// Active is absent where nothing is said of it.
	Active *SCIMBool `json:"active"`
}

// SCIMName is a person's name in parts.
type SCIMName struct {
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
}

// SCIMEmail is an address.
type SCIMEmail struct {
	Primary SCIMBool `json:"primary"`
	Value   string   `json:"value"`
	Type    string   `json:"type"`
	Display string   `json:"display"`
}

// SCIMMeta says what a resource is.
type SCIMMeta struct {
	ResourceType string `json:"resourceType"`
}

// SCIMBool is true or false; some providers send it as text, in whatever capitals.
type SCIMBool bool

// UnmarshalJSON reads true, false, "True" and the like.
func (b *SCIMBool) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	switch strings.ToLower(text) {
	case "true":
		*b = true
	case "false":
		*b = false
	default:
		return fmt.Errorf("must be true or false, not %.20s", data)
	}
	return nil
}
