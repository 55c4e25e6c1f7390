// SPDX-License-Identifier: Apache-2.0

package groups

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/fault"
)

// The fields of a request that name members.
const (
	addField    = "add_users"
	removeField = "remove_users"
)

// update changes a group. Whom the API adds is declared in the Group's spec.
func (h *Handlers) update(ctx context.Context, p store.GroupParts, in codersdk.PatchGroupRequest) (codersdk.Group, error) {
	if p.Group == nil {
		return h.updateEveryone(ctx, p, in)
	}
	add, remove, err := h.people(ctx, p, in)
	if err != nil {
		return codersdk.Group{}, err
	}
	edit := func(g *v1alpha1.Group) error {
		if err := apply(g, in); err != nil {
			return err
		}
		setMembers(g, add, remove)
		return nil
	}
	write := h.Store.ChangeGroup
	if in.Name != "" && in.Name != p.Group.WireName() {
		// What the request itself has wrong is told before anybody looks whose the name is.
		if err := edit(p.Group.DeepCopy()); err != nil {
			return codersdk.Group{}, err
		}
		write = func(ctx context.Context, g *v1alpha1.Group, edit func(*v1alpha1.Group) error) (*v1alpha1.Group, error) {
			return h.Store.RenameGroup(ctx, g, in.Name, edit)
		}
	}
	if p.Group, err = write(ctx, p.Group, edit); err != nil {
		return codersdk.Group{}, whose(err, in)
	}
	return h.show(ctx, p, httpapi.None{})
}

// apply changes what a group is called and gives.
func apply(g *v1alpha1.Group, in codersdk.PatchGroupRequest) error {
	r := &input{}
	if in.Name != "" && in.Name != g.WireName() {
		r.name(in.Name)
		if g.Spec.Name = in.Name; in.Name == g.Name {
			g.Spec.Name = ""
		}
	}
	if in.DisplayName != nil {
		g.Spec.DisplayName = r.displayName(*in.DisplayName)
	}
	if in.AvatarURL != nil {
		g.Spec.AvatarURL = r.avatar(*in.AvatarURL)
	}
	if in.QuotaAllowance != nil {
		setAllowance(&g.Spec.Quota, r.allowance(*in.QuotaAllowance))
	}
	return r.err()
}

// setAllowance says what a group adds. Where nothing is stated, 0 comes to the same and is not stated either: a group that
// states 0 limits its members, and a client that sends all it knows means no such thing.
func setAllowance(q **v1alpha1.Quota, credits int64) {
	if *q == nil && credits == 0 || *q != nil && (*q).DailyCost == nil && credits == 0 {
		return
	}
	if *q == nil {
		*q = &v1alpha1.Quota{}
	}
	(*q).DailyCost = &credits
}

// setMembers adds and removes declared members; whoever is there already, or is not, stays so.
func setMembers(g *v1alpha1.Group, add, remove []v1alpha1.ObjectName) {
	members := slices.DeleteFunc(slices.Clone(g.Spec.Members), func(m v1alpha1.ObjectName) bool { return slices.Contains(remove, m) })
	for _, m := range add {
		if !slices.Contains(members, m) {
			members = append(members, m)
		}
	}
	g.Spec.Members = members
}

// people are the Users that a request names, by metadata.name. Whom it adds must belong to the organization; whom it
// removes must not have been brought by an identity provider, which would bring them again.
func (h *Handlers) people(ctx context.Context, p store.GroupParts, in codersdk.PatchGroupRequest) (add, remove []v1alpha1.ObjectName, err error) {
	if view.ByProvider(p.Group) && len(in.AddUsers)+len(in.RemoveUsers) > 0 {
		f := fault.New(fault.Invalid, "The identity provider decides who is in group %s.", p.Group.WireName())
		f.Fields = []fault.Field{{Path: addField, Detail: "is the identity provider's to decide"}}
		return nil, nil, whose(f, in)
	}
	r := &input{}
	seen := map[uuid.UUID]bool{}
	read := func(field string, texts []string) (names []v1alpha1.ObjectName, err error) {
		for _, text := range texts {
			id, parseErr := uuid.Parse(text)
			if parseErr != nil || seen[id] {
				r.refuse(field, text+" is no id of a user, or stands there twice")
				continue
			}
			seen[id] = true
			u, err := h.Store.UserByID(ctx, id)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			if err == nil {
				a, err := h.Store.Account(ctx, u)
				switch {
				case err != nil:
					return nil, err
				case field == removeField && slices.Contains(u.Status.Groups, p.Group.Namespace+"/"+p.Group.Name):
					r.refuse(field, u.WireName()+" is in the group by the identity provider's word")
					continue
				case field == removeField, a.Member(p.Organization):
					names = append(names, v1alpha1.ObjectName(u.Name))
					continue
				}
			}
			r.refuse(field, text+" is no member of the organization")
		}
		return names, nil
	}
	if add, err = read(addField, in.AddUsers); err != nil {
		return nil, nil, err
	}
	if remove, err = read(removeField, in.RemoveUsers); err != nil {
		return nil, nil, err
	}
	return add, remove, r.err()
}

// whose gives a complaint about members the field that the request has.
func whose(err error, in codersdk.PatchGroupRequest) error {
	if f, ok := fault.As(err); ok && len(in.AddUsers) == 0 {
		for i := range f.Fields {
			if f.Fields[i].Path == addField {
				f.Fields[i].Path = removeField
			}
		}
	}
	return err
}

// updateEveryone changes what all members get. Who they are and what the group is called is nobody's to say.
func (h *Handlers) updateEveryone(ctx context.Context, p store.GroupParts, in codersdk.PatchGroupRequest) (codersdk.Group, error) {
	r := &input{}
	for field, given := range map[string]bool{
		"name":         in.Name != "" && in.Name != view.Everyone,
		"display_name": in.DisplayName != nil && *in.DisplayName != "",
		addField:       len(in.AddUsers) > 0,
		removeField:    len(in.RemoveUsers) > 0,
	} {
		if given {
			r.refuse(field, "can't be changed: Everyone is the group of all members")
		}
	}
	var avatar string
	var credits int64
	if in.AvatarURL != nil {
		avatar = r.avatar(*in.AvatarURL)
	}
	if in.QuotaAllowance != nil {
		credits = r.allowance(*in.QuotaAllowance)
	}
	if err := r.err(); err != nil {
		return codersdk.Group{}, err
	}
	o, err := h.Store.ChangeOrganization(ctx, p.Organization, func(o *v1alpha1.Organization) error {
		e := v1alpha1.Everyone{}
		if o.Spec.Everyone != nil {
			e = *o.Spec.Everyone
		}
		if in.AvatarURL != nil {
			e.AvatarURL = avatar
		}
		if in.QuotaAllowance != nil {
			setAllowance(&e.Quota, credits)
		}
		if o.Spec.Everyone != nil || e != (v1alpha1.Everyone{}) {
			o.Spec.Everyone = &e
		}
		return nil
	})
	if err != nil {
		return codersdk.Group{}, err
	}
	return h.show(ctx, store.GroupParts{Organization: o}, httpapi.None{})
}
