// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/query"
)

const (
	// pageSize is how many entries a page has where the client does not say, and maxPage how many it may ask for.
	pageSize, maxPage = 100, 10_000
	// maxGiven is how many bytes of further fields a test entry may have.
	maxGiven = 4096
)

// Handlers serves the log.
type Handlers struct {
	// Auditor holds it.
	Auditor *Auditor
	// Store is where what entries are about is looked up.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/api/v2/audit", Tag: "Audit", Door: httpapi.Session, Status: 200,
			Do: httpapi.Visible(h.list)},
		{Method: "POST", Path: "/api/v2/audit/testgenerate", Tag: "Audit", Door: httpapi.Session, Action: authz.Create, Status: 204,
			Do: httpapi.Plain(h.generate)},
	}
}

// list is a page of what is searched for.
func (h *Handlers) list(ctx context.Context, q httpapi.Query) (codersdk.AuditLogResponse, error) {
	var none codersdk.AuditLogResponse
	if err := httpapi.Allow(ctx, authz.Read, authz.AuditObject()); err != nil {
		return none, err
	}
	page := q.Page()
	if err := q.Err(); err != nil {
		return none, err
	}
	if page.Limit > maxPage {
		return none, fault.On("limit", "must be at most %d", maxPage)
	}
	if page.Limit == 0 {
		page.Limit = pageSize
	}
	search, err := query.ParseAudit(q.String("q"))
	if err != nil {
		return none, err
	}
	found, total := h.Auditor.Book.Find(search.By(authz.From(ctx).Account.WireName()), page.Offset, page.Limit)
	answer := codersdk.AuditLogResponse{AuditLogs: make([]codersdk.AuditLog, 0, len(found)), Count: int64(total)}
	gone := map[uuid.UUID]bool{}
	for _, e := range found {
		id := e.Resource.ID
		if _, known := gone[id]; !known {
			workspace, _ := uuid.Parse(e.Additional.WorkspaceID)
			gone[id] = h.Store.Gone(ctx, e.Resource, workspace)
		}
		shown, err := view.AuditLog(e, gone[id])
		if err != nil {
			return none, err
		}
		answer.AuditLogs = append(answer.AuditLogs, shown)
	}
	return answer, nil
}

// generate stores an entry of what nobody did, to try what reads the log.
func (h *Handlers) generate(ctx context.Context, in codersdk.CreateTestAuditLogRequest) (httpapi.None, error) {
	var none httpapi.None
	if err := httpapi.Allow(ctx, authz.Create, authz.AuditObject()); err != nil {
		return none, err
	}
	e, err := h.wished(in)
	if err != nil {
		return none, err
	}
	audit.From(ctx).Changed(audit.Change{Action: e.Action, Resource: e.Resource, Additional: e.Additional, At: in.Time})
	return none, nil
}

// wished is what a test entry says; what is left out is a user that is made.
func (h *Handlers) wished(in codersdk.CreateTestAuditLogRequest) (*audit.Entry, error) {
	e := newEntry(h.Auditor.o.Now())
	e.Action, e.Type, e.Resource.ID = codersdk.AuditActionCreate, codersdk.ResourceTypeUser, uuid.New()
	var wrong []fault.Field
	if in.Action != "" {
		if e.Action = in.Action; !slices.Contains(testActions, in.Action) {
			wrong = append(wrong, fault.Field{Path: "action", Detail: "must be create, write, delete, start or stop"})
		}
	}
	if in.ResourceType != "" {
		e.Type = in.ResourceType
		if e.Type == auditableGroup {
			e.Type = codersdk.ResourceTypeGroup
		}
		if !slices.Contains(testTypes, e.Type) {
			wrong = append(wrong, fault.Field{Path: "resource_type",
				Detail: "must be template, template_version, user, workspace, workspace_build, git_ssh_key or auditable_group"})
		}
	}
	if in.ResourceID != uuid.Nil {
		e.Resource.ID = in.ResourceID
	}
	switch in.BuildReason {
	case "", codersdk.BuildReasonInitiator, codersdk.BuildReasonAutostart, codersdk.BuildReasonAutostop:
		e.Additional.BuildReason = in.BuildReason
	default:
		wrong = append(wrong, fault.Field{Path: "build_reason", Detail: "must be autostart, autostop or initiator"})
	}
	if given := bytes.TrimSpace(in.AdditionalFields); len(given) > 0 && string(given) != "null" {
		var fields map[string]json.RawMessage
		if len(given) > maxGiven || json.Unmarshal(given, &fields) != nil {
			wrong = append(wrong, fault.Field{Path: "additional_fields", Detail: "must be a JSON object of at most 4096 bytes"})
		}
		e.Additional.Given = json.RawMessage(given)
	}
	if len(wrong) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: wrong}
	}
	e.Additional.Note = "a test entry: nothing was done"
	return e, nil
}

// auditableGroup is what clients call a group here.
const auditableGroup codersdk.ResourceType = "auditable_group"

var (
	testActions = []codersdk.AuditAction{
		codersdk.AuditActionCreate, codersdk.AuditActionWrite, codersdk.AuditActionDelete, codersdk.AuditActionStart, codersdk.AuditActionStop,
	}
	testTypes = []codersdk.ResourceType{
		codersdk.ResourceTypeTemplate, codersdk.ResourceTypeTemplateVersion, codersdk.ResourceTypeUser, codersdk.ResourceTypeWorkspace,
		codersdk.ResourceTypeWorkspaceBuild, codersdk.ResourceTypeGitSSHKey, codersdk.ResourceTypeGroup,
	}
)
