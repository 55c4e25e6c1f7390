// SPDX-License-Identifier: Apache-2.0

// Package authcheck tells clients beforehand what the caller may do, so that they offer nothing that would be refused. It
// finds what a question is about; the answer is internal/authz's, as it is for the deed itself.
package authcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// maxChecks is how many questions one request may ask.
const maxChecks = 1000

// Handlers serves questions.
type Handlers struct {
	// Store is where what they are about is found.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/authcheck", Tag: "Authorization", Door: httpapi.Session, Action: authz.Use, Status: 200,
			Do: httpapi.Plain(h.check)},
	}
}

// check answers each question by its key.
func (h *Handlers) check(ctx context.Context, in codersdk.AuthorizationRequest) (codersdk.AuthorizationResponse, error) {
	if len(in.Checks) > maxChecks {
		return nil, fault.On("checks", "must be at most %d", maxChecks)
	}
	answers := codersdk.AuthorizationResponse{}
	var wrong []fault.Field
	for key, c := range in.Checks {
		q := &question{caller: authz.From(ctx), at: "checks." + key}
		q.read(c)
		if err := h.find(ctx, q, c.Object); err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		} else if err == nil {
			answers[key] = q.answer()
		} else {
			answers[key] = false // what is not there can't be dealt with
		}
		wrong = append(wrong, q.wrong...)
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
		return nil, &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: wrong}
	}
	return answers, nil
}

// question is one that is being read.
type question struct {
	caller *authz.Caller
	at     string // its path in the request
	action authz.Action
	object authz.Object
	wrong  []fault.Field
}

func (q *question) refuse(field, format string, args ...any) {
	q.wrong = append(q.wrong, fault.Field{Path: q.at + "." + field, Detail: fmt.Sprintf(format, args...)})
}

// actions are the words that clients ask with. Those of later editions are part of one of ours, asked of the same object.
var actions = map[string]authz.Action{
	"create": authz.Create, "read": authz.Read, "update": authz.Update, "delete": authz.Delete, "use": authz.Use,
	"start": authz.Update, "stop": authz.Update, "share": authz.Update,
	"create_agent": authz.Update, "update_agent": authz.Update, "delete_agent": authz.Update,
	"ssh": authz.Create, "application_connect": authz.Create, // of a shell, and of a connection: see read
	"assign": authz.Update, "unassign": authz.Update,
	"read_personal": authz.Read, "update_personal": authz.Update,
	"view_insights": authz.Read,
}

// read takes the action and the type.
func (q *question) read(c codersdk.AuthorizationCheck) {
	action, ok := actions[c.Action]
	if !ok {
		q.refuse("action", "must be create, read, update or delete, or an action of a later edition; %q is none", c.Action)
	}
	if !slices.Contains(types(), c.Object.ResourceType) {
		q.refuse("object.resource_type", "%q is no type of resource", string(c.Object.ResourceType))
	}
	q.action, q.object.Kind = action, authz.Kind(c.Object.ResourceType)
	switch {
	case c.Action == "ssh" && q.object.Kind == authz.Workspace:
		q.object.Kind = authz.Execution
	case c.Action == "application_connect" && q.object.Kind == authz.Workspace:
		q.object.Kind = authz.Connect
	case c.Action == "view_insights" && q.object.Kind == authz.Template:
		q.object.Kind = authz.Insights
	}
}

// ofOwner are the kinds that belong to a person within an organization.
func ofOwner(k authz.Kind) bool {
	switch k {
	case authz.Workspace, authz.Execution, authz.Connect, authz.Task, authz.Prebuilt, authz.Dormant:
		return true
	}
	return false
}

// answer is whether the caller may. Without an organization, the own things in any of the caller's are meant.
func (q *question) answer() bool {
	if q.caller.Can(q.action, q.object) {
		return true
	}
	if !ofOwner(q.object.Kind) || q.object.Organization != "" || q.object.Owner != q.caller.User {
		return false
	}
	for organization := range q.caller.Memberships {
		o := q.object
		if o.Organization = organization; q.caller.Can(q.action, o) {
			return true
		}
	}
	return false
}
