// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/query"
)

// ActionRead is a refused attempt to read. Reading itself is not recorded, and the API's list of actions has no word for
// it, so it is shown as a write whose description says what it was.
const ActionRead codersdk.AuditAction = query.AuditRead

// DoorManifest is the door of what came by a manifest, past the API.
const DoorManifest = "manifest"

// maxAgent is how much of a user agent is kept.
const maxAgent = 256

// Entry is one thing that was done or refused, as it is kept and as it is written to the stream. It is read only once it
// is in a Book.
type Entry struct {
	ID   uuid.UUID `json:"id"`
	Time time.Time `json:"time"`
	// Actor is who did it, as the account was then; nil where nobody is known.
	Actor *codersdk.User `json:"user,omitempty"`
	// Door is the way in: session, aggregated, or DoorManifest. Route is the method and path as the table of routes spells
	// it, empty behind the manifest's door.
	Door  string `json:"door"`
	Route string `json:"route,omitempty"`
	// RequestID is the id under which the log speaks of the request; the nil UUID when there was none.
	RequestID uuid.UUID            `json:"request_id"`
	IP        string               `json:"ip,omitempty"`
	UserAgent string               `json:"user_agent,omitempty"`
	Action    codersdk.AuditAction `json:"action"`
	// Status is the HTTP status of the answer; 200 for what came by a manifest.
	Status int `json:"status_code"`
	Resource
	// Diff is a codersdk.AuditDiff; empty when nothing is known to have changed.
	Diff json.RawMessage `json:"diff,omitempty"`
	// Additional tells more, by names that clients know.
	Additional Additional `json:"additional_fields,omitzero"`
	// Object is the Kubernetes object and its generations that the entry accounts for.
	Object Object `json:"object,omitzero"`
}

// Resource is what an entry is about, as it was then.
type Resource struct {
	Type codersdk.ResourceType `json:"resource_type"`
	// ID is the id on the wire; the nil UUID when it is not known.
	ID uuid.UUID `json:"resource_id"`
	// Target is what people call it.
	Target string `json:"resource_target"`
	Icon   string `json:"resource_icon,omitempty"`
	// OrganizationID is the nil UUID for what belongs to no organization; Organization is its name.
	OrganizationID uuid.UUID `json:"organization_id"`
	Organization   string    `json:"organization,omitempty"`
}

// Additional are the additional_fields of an entry.
type Additional struct {
	// WorkspaceName, WorkspaceOwner, WorkspaceID, BuildNumber and BuildReason tell of a build.
	WorkspaceName  string               `json:"workspace_name,omitempty"`
	WorkspaceOwner string               `json:"workspace_owner,omitempty"`
	WorkspaceID    string               `json:"workspace_id,omitempty"`
	BuildNumber    string               `json:"build_number,omitempty"`
	BuildReason    codersdk.BuildReason `json:"build_reason,omitempty"`
	// Manager is the field manager that wrote a manifest, and Identity the Kubernetes identity that asked, where that is
	// no account's.
	Manager  string `json:"field_manager,omitempty"`
	Identity string `json:"identity,omitempty"`
	// Attempts is how many refused attempts the entry stands for, where that is more than one.
	Attempts int `json:"attempts,omitempty"`
	// Note says what else should be known.
	Note string `json:"note,omitempty"`
	// Given is what a client gave to a test entry.
	Given json.RawMessage `json:"given,omitempty"`
}

// Object is a Kubernetes object in the states that an entry accounts for, both ends included.
type Object struct {
	UID types.UID `json:"uid,omitempty"`
	// From and To are its generations.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
	// Gone says that the entry is of its deletion.
	Gone bool `json:"gone,omitempty"`
}

// Line is the entry as one line of JSON, without its end.
func (e *Entry) Line() ([]byte, error) { return json.Marshal(e) }

// Refused tells whether the entry is of something that was refused or went wrong.
func (e *Entry) Refused() bool { return e.Status >= 400 }

// Matches tells whether the entry is searched for.
func (e *Entry) Matches(q *query.Audit) bool {
	return q.Match(query.AuditFacts{
		Time: e.Time, Action: e.Action, ResourceType: e.Type, ResourceID: e.Resource.ID, Target: e.Target, RequestID: e.RequestID,
		OrganizationID: e.OrganizationID, Organization: e.Organization, BuildReason: e.Additional.BuildReason, Actor: e.Actor,
	})
}

// UserAgent is what a client calls itself, cut to what is kept and without what would confuse a terminal.
func UserAgent(text string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)
	for len(clean) > maxAgent {
		cut := []rune(clean)
		clean = string(cut[:min(len(cut)-1, maxAgent)])
	}
	return clean
}

// namespace is what ids of entries are derived in that two processes must give alike.
var namespace = uuid.MustParse("5f0c1f0b-3a53-5f57-9d0c-2b7a1f3f6a55")

// ManifestID is the id of the entry of an object's state, the same in every process, so that two that saw the same change
// record it once.
func ManifestID(o Object) uuid.UUID {
	data, _ := json.Marshal(o) // an Object has nothing that can't be encoded
	return uuid.NewSHA1(namespace, data)
}
