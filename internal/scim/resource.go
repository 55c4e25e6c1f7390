// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
)

// Resource is an account as a provider asks about it.
type Resource struct {
	ID, ExternalID, UserName, DisplayName, Email string
	Active                                       bool
}

// The attributes that are kept, in lower case, since SCIM compares their names without regard to capitals.
const (
	attributeID          = "id"
	attributeExternalID  = "externalid"
	attributeUserName    = "username"
	attributeDisplayName = "displayname"
	attributeActive      = "active"
	attributeEmails      = "emails"
	attributeEmailValue  = "emails.value"
	attributeName        = "name"
	attributeGivenName   = "name.givenname"
	attributeFamilyName  = "name.familyname"
	attributeFormatted   = "name.formatted"
)

// text is the value of an attribute that is text; ok is false for one that is none, or that is not kept.
func (r Resource) text(attribute string) (value string, ok bool) {
	given, family := SplitName(r.DisplayName)
	switch attribute {
	case attributeID:
		return r.ID, true
	case attributeExternalID:
		return r.ExternalID, true
	case attributeUserName:
		return r.UserName, true
	case attributeDisplayName, attributeFormatted:
		return r.DisplayName, true
	case attributeEmails, attributeEmailValue:
		return r.Email, true
	case attributeGivenName:
		return given, true
	case attributeFamilyName:
		return family, true
	}
	return "", false
}

// exact tells whether an attribute is compared with regard to capitals.
func exact(attribute string) bool {
	return attribute == attributeID || attribute == attributeExternalID
}

// SplitName divides a name into what stands before its last word, and that word.
func SplitName(name string) (given, family string) {
	if at := strings.LastIndexByte(name, ' '); at >= 0 {
		return strings.TrimSpace(name[:at]), name[at+1:]
	}
	return name, ""
}

// JoinName is the name of two parts, of which either may be empty.
func JoinName(given, family string) string {
	return strings.TrimSpace(strings.TrimSpace(given) + " " + strings.TrimSpace(family))
}
