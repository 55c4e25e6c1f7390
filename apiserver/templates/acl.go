// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// The fields of a request that name people and groups.
const (
	usersField  = "user_perms"
	groupsField = "group_perms"
)

// sees tells whether the caller may see an account beside the template: whoever may change who uses it must know whom.
func sees(ctx context.Context, t *v1alpha1.Template) func(store.Account) bool {
	caller := authz.From(ctx)
	if caller.Can(authz.Update, authz.TemplateObject(t)) {
		return func(store.Account) bool { return true }
	}
	return func(a store.Account) bool { return caller.Can(authz.Read, a.Rights) }
}

// acl shows who may use a template and who may change it, by the access list. A name in it that is no member's gives
// nobody anything, and is not shown.
func (h *Handlers) acl(ctx context.Context, p store.TemplateParts, _ httpapi.None) (codersdk.TemplateACL, error) {
	shown := codersdk.TemplateACL{Users: []codersdk.TemplateUser{}, Groups: []codersdk.TemplateGroup{}}
	visible := sees(ctx, p.Template)
	for i, e := range p.Template.Spec.Access {
		if slices.ContainsFunc(p.Template.Spec.Access[:i], func(o v1alpha1.AccessEntry) bool { return o.Kind == e.Kind && o.Name == e.Name }) {
			continue // named again
		}
		role := strongest(p.Template.Spec.Access, e)
		switch e.Kind {
		case v1alpha1.AccessKindUser:
			u, err := h.Store.User(ctx, string(e.Name))
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return shown, err
			}
			a, err := h.Store.Account(ctx, u)
			if err != nil {
				return shown, err
			}
			if a.Member(p.Organization) && visible(a) {
				shown.Users = append(shown.Users, codersdk.TemplateUser{User: h.account(a), Role: role})
			}
		case v1alpha1.AccessKindGroup, v1alpha1.AccessKindEveryone:
			g, err := h.Store.GroupOf(ctx, p.Organization, string(e.Name))
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return shown, err
			}
			group, err := h.group(ctx, g, visible)
			if err != nil {
				return shown, err
			}
			shown.Groups = append(shown.Groups, codersdk.TemplateGroup{Group: group, Role: role})
		}
	}
	slices.SortFunc(shown.Users, func(a, b codersdk.TemplateUser) int { return byName(a.Username, b.Username) })
	slices.SortFunc(shown.Groups, func(a, b codersdk.TemplateGroup) int { return byName(a.Name, b.Name) })
	return shown, nil
}

// available are the members and groups of the organization, whom an access list may name.
func (h *Handlers) available(ctx context.Context, p store.TemplateParts, _ httpapi.None) (codersdk.ACLAvailable, error) {
	shown := codersdk.ACLAvailable{Users: []codersdk.User{}, Groups: []codersdk.Group{}}
	visible := sees(ctx, p.Template)
	everyone, err := h.Store.Members(ctx, store.GroupParts{Organization: p.Organization})
	if err != nil {
		return shown, err
	}
	for _, a := range everyone {
		if visible(a) {
			shown.Users = append(shown.Users, h.account(a))
		}
	}
	groups, err := h.Store.Groups(ctx, p.Organization)
	if err != nil {
		return shown, err
	}
	for _, g := range groups {
		group, err := h.group(ctx, g, visible)
		if err != nil {
			return shown, err
		}
		shown.Groups = append(shown.Groups, group)
	}
	return shown, nil
}

func (h *Handlers) account(a store.Account) codersdk.User {
	return view.User(a.User, a.Organizations, h.Now())
}

// group shows a group with the members that are visible.
func (h *Handlers) group(ctx context.Context, g store.GroupParts, visible func(store.Account) bool) (codersdk.Group, error) {
	members, err := h.Store.Members(ctx, g)
	parts := view.GroupParts{Group: g.Group, Organization: g.Organization}
	for _, a := range members {
		if visible(a) {
			parts.Members = append(parts.Members, h.account(a))
		}
	}
	return view.Group(parts), err
}

// strongest is the most that the entries of one person or group give.
func strongest(access []v1alpha1.AccessEntry, of v1alpha1.AccessEntry) codersdk.TemplateRole {
	for _, e := range access {
		if e.Kind == of.Kind && e.Name == of.Name && e.Role == v1alpha1.AccessRoleAdmin {
			return codersdk.TemplateRoleAdmin
		}
	}
	return codersdk.TemplateRoleUse
}

func byName(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// setACL gives roles on a template and takes them. Who is not named keeps what they have.
func (h *Handlers) setACL(ctx context.Context, p store.TemplateParts, in codersdk.UpdateTemplateACL) (codersdk.Response, error) {
	r := &input{}
	grants, err := h.grants(ctx, r, p, in)
	if err != nil {
		return codersdk.Response{}, err
	}
	if err := r.err(); err != nil {
		return codersdk.Response{}, err
	}
	_, err = h.Store.ChangeTemplate(ctx, p.Template, func(t *v1alpha1.Template) error {
		for _, g := range grants {
			t.Spec.Access = granted(t.Spec.Access, g)
		}
		return nil
	})
	if err != nil {
		return codersdk.Response{}, named(err, in)
	}
	return codersdk.Response{Message: "Successfully updated template ACL list."}, nil
}

// grants reads a request: an entry for each person and group, without a role where it is to be taken.
func (h *Handlers) grants(ctx context.Context, r *input, p store.TemplateParts, in codersdk.UpdateTemplateACL) ([]v1alpha1.AccessEntry, error) {
	roles := map[codersdk.TemplateRole]v1alpha1.AccessRole{
		codersdk.TemplateRoleAdmin: v1alpha1.AccessRoleAdmin, codersdk.TemplateRoleUse: v1alpha1.AccessRoleUse, codersdk.TemplateRoleDeleted: "",
	}
	var grants []v1alpha1.AccessEntry
	read := func(field string, perms map[string]codersdk.TemplateRole, find func(uuid.UUID) (v1alpha1.AccessEntry, error)) error {
		for text, wire := range perms {
			role, known := roles[wire]
			if !known {
				r.refuse(field, "role "+string(wire)+` of `+text+` is none of admin, use and "", which takes it away`)
				continue
			}
			id, err := uuid.Parse(text)
			if err != nil {
				r.refuse(field, text+" is no id")
				continue
			}
			entry, err := find(id)
			switch {
			case fault.Is(err, fault.NotFound):
				r.refuse(field, text+" is nobody's in this organization")
				continue
			case err != nil:
				return err
			}
			entry.Role = role
			grants = append(grants, entry)
		}
		return nil
	}
	err := read(usersField, in.UserPerms, func(id uuid.UUID) (v1alpha1.AccessEntry, error) { return h.person(ctx, p, id) })
	if err == nil {
		err = read(groupsField, in.GroupPerms, func(id uuid.UUID) (v1alpha1.AccessEntry, error) { return h.people(ctx, p, id) })
	}
	slices.SortFunc(grants, func(a, b v1alpha1.AccessEntry) int {
		return strings.Compare(string(a.Kind)+"/"+string(a.Name), string(b.Kind)+"/"+string(b.Name))
	})
	return grants, err
}

// person is the entry of a member of the template's organization.
func (h *Handlers) person(ctx context.Context, p store.TemplateParts, id uuid.UUID) (v1alpha1.AccessEntry, error) {
	u, err := h.Store.UserByID(ctx, id)
	if err != nil {
		return v1alpha1.AccessEntry{}, err
	}
	a, err := h.Store.Account(ctx, u)
	if err == nil && !a.Member(p.Organization) {
		err = fault.New(fault.NotFound, "")
	}
	return v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindUser, Name: v1alpha1.ObjectName(u.Name)}, err
}

// people is the entry of a group of the template's organization, that of all its members included.
func (h *Handlers) people(ctx context.Context, p store.TemplateParts, id uuid.UUID) (v1alpha1.AccessEntry, error) {
	g, _, err := h.Store.GroupByID(ctx, id)
	switch {
	case err != nil:
		return v1alpha1.AccessEntry{}, err
	case g.Organization.UID != p.Organization.UID:
		return v1alpha1.AccessEntry{}, fault.New(fault.NotFound, "")
	case g.Group == nil:
		return v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindEveryone}, nil
	}
	return v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindGroup, Name: v1alpha1.ObjectName(g.Group.Name)}, nil
}

// granted is an access list in which the entry's person or group has the entry's role, once, or none.
func granted(access []v1alpha1.AccessEntry, grant v1alpha1.AccessEntry) []v1alpha1.AccessEntry {
	result, done := make([]v1alpha1.AccessEntry, 0, len(access)+1), grant.Role == ""
	for _, e := range access {
		if e.Kind != grant.Kind || e.Name != grant.Name {
			result = append(result, e)
			continue
		}
		if !done {
			result, done = append(result, grant), true
		}
	}
	if !done {
		result = append(result, grant)
	}
	return result
}

// named gives a complaint about the access list the field that the request has.
func named(err error, in codersdk.UpdateTemplateACL) error {
	if f, ok := fault.As(err); ok {
		for i := range f.Fields {
			if strings.HasPrefix(f.Fields[i].Path, "spec.access") {
				if f.Fields[i].Path = usersField; len(in.UserPerms) == 0 {
					f.Fields[i].Path = groupsField
				}
			}
		}
	}
	return err
}
