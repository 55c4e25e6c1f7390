// SPDX-License-Identifier: Apache-2.0

package query

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
)

// AuditRead is what a search calls refused attempts to read; the API's list of actions has no word for it.
const AuditRead = "read"

// Audit is what a search of the audit log asks for. Empty fields ask for nothing. All texts are in lower case.
type Audit struct {
	Action       codersdk.AuditAction
	ResourceType codersdk.ResourceType
	// ResourceID and RequestID are the nil UUID where they are not asked for.
	ResourceID, RequestID uuid.UUID
	// Target is what the resource is called.
	Target string
	// Username and Email are those of who did it; the username may be "me".
	Username, Email string
	// From and Until are the first day and the last one, which is asked for to its end.
	From, Until time.Time
	BuildReason codersdk.BuildReason
	// Organization is a name or an id.
	Organization string
}

// AuditFacts are what a search looks at of an entry.
type AuditFacts struct {
	Time                  time.Time
	Action                codersdk.AuditAction
	ResourceType          codersdk.ResourceType
	ResourceID, RequestID uuid.UUID
	Target                string
	OrganizationID        uuid.UUID
	Organization          string
	BuildReason           codersdk.BuildReason
	Actor                 *codersdk.User // nil where nobody is known
}

// ParseAudit reads a search. A bare word is a type of resource. The fault names every term that is wrong.
func ParseAudit(text string) (Audit, error) {
	t := split(text, func(word string, add func(key, value string)) string {
		add("resource_type", strings.Trim(word, `"`))
		return ""
	})
	const day = "a date, such as 2026-01-31"
	a := Audit{
		Action:       codersdk.AuditAction(t.choice("action", auditActions()...)),
		ResourceType: codersdk.ResourceType(t.choice("resource_type", resourceTypes()...)),
		ResourceID:   t.uuid("resource_id"),
		RequestID:    t.uuid("request_id"),
		Target:       t.one("resource_target"),
		Username:     t.one("username"),
		Email:        t.one("email"),
		From:         t.instant("date_from", time.DateOnly, day),
		Until:        t.instant("date_to", time.DateOnly, day),
		BuildReason: codersdk.BuildReason(t.choice("build_reason",
			string(codersdk.BuildReasonInitiator), string(codersdk.BuildReasonAutostart), string(codersdk.BuildReasonAutostop))),
		Organization: t.one("organization"),
	}
	return a, t.err()
}

// By is the search with "me" as the username.
func (q Audit) By(me string) Audit {
	if q.Username == "me" {
		q.Username = strings.ToLower(me)
	}
	return q
}

// Match tells whether an entry is asked for.
func (q *Audit) Match(e AuditFacts) bool {
	switch {
	case q.Action != "" && q.Action != e.Action:
	case q.ResourceType != "" && q.ResourceType != e.ResourceType:
	case q.ResourceID != uuid.Nil && q.ResourceID != e.ResourceID:
	case q.RequestID != uuid.Nil && q.RequestID != e.RequestID:
	case q.BuildReason != "" && q.BuildReason != e.BuildReason:
	case !q.From.IsZero() && e.Time.Before(q.From):
	case !q.Until.IsZero() && !e.Time.Before(q.Until.AddDate(0, 0, 1)):
	case q.Target != "" && !strings.EqualFold(q.Target, e.Target):
	case q.Username != "" && (e.Actor == nil || !strings.EqualFold(q.Username, e.Actor.Username)):
	case q.Email != "" && (e.Actor == nil || !strings.EqualFold(q.Email, e.Actor.Email)):
	case q.Organization != "" && !strings.EqualFold(q.Organization, e.Organization) && q.Organization != e.OrganizationID.String():
	default:
		return true
	}
	return false
}

func auditActions() []string {
	return []string{
		string(codersdk.AuditActionCreate), string(codersdk.AuditActionWrite), string(codersdk.AuditActionDelete),
		string(codersdk.AuditActionStart), string(codersdk.AuditActionStop), string(codersdk.AuditActionLogin),
		string(codersdk.AuditActionLogout), string(codersdk.AuditActionRegister), AuditRead,
	}
}

func resourceTypes() []string {
	return []string{
		string(codersdk.ResourceTypeTemplate), string(codersdk.ResourceTypeTemplateVersion), string(codersdk.ResourceTypeUser),
		string(codersdk.ResourceTypeWorkspace), string(codersdk.ResourceTypeWorkspaceBuild), string(codersdk.ResourceTypeGitSSHKey),
		string(codersdk.ResourceTypeAPIKey), string(codersdk.ResourceTypeGroup), string(codersdk.ResourceTypeLicense),
		string(codersdk.ResourceTypeConvertLogin), string(codersdk.ResourceTypeHealthSettings),
		string(codersdk.ResourceTypeWorkspaceProxy), string(codersdk.ResourceTypeOrganization),
		string(codersdk.ResourceTypeCustomRole), string(codersdk.ResourceTypeIDPSyncSettingsGroup),
		string(codersdk.ResourceTypeIDPSyncSettingsOrganization), string(codersdk.ResourceTypeIDPSyncSettingsRole),
		string(codersdk.ResourceTypeNotificationTemplate), string(codersdk.ResourceTypeNotificationsSettings),
		string(codersdk.ResourceTypeOAuth2ProviderApp), string(codersdk.ResourceTypeOAuth2ProviderAppSecret),
		string(codersdk.ResourceTypeOrganizationMember), string(codersdk.ResourceTypePrebuildsSettings),
		string(codersdk.ResourceTypeTask), string(codersdk.ResourceTypeWorkspaceAgent), string(codersdk.ResourceTypeWorkspaceApp),
	}
}
