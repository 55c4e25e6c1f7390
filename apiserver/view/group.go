// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// Everyone is the name of the group of all members of an organization.
const Everyone = "Everyone"

// GroupParts is what a group shows.
type GroupParts struct {
	// Group is nil for the group of all members, which stands on the Organization.
	Group *v1alpha1.Group
	// Organization is the group's.
	Organization *v1alpha1.Organization
	// Members are shown in this order.
	Members []codersdk.User
}

// ID is the group's id: the organization's for the group of all members.
func (p GroupParts) ID() uuid.UUID {
	if p.Group == nil {
		return ids.Of(p.Organization)
	}
	return ids.Of(p.Group)
}

// Group shows a group.
func Group(p GroupParts) codersdk.Group {
	shown := codersdk.Group{
		ID: p.ID(), OrganizationID: ids.Of(p.Organization), Name: Everyone, Source: codersdk.GroupSourceUser,
		Members: p.Members,
	}
	if shown.Members == nil {
		shown.Members = []codersdk.User{}
	}
	if g := p.Group; g != nil {
		shown.Name, shown.DisplayName, shown.AvatarURL = g.WireName(), string(g.Spec.DisplayName), g.Spec.AvatarURL
		shown.QuotaAllowance = allowance(g.Spec.Quota)
		if ByProvider(g) {
			shown.Source = codersdk.GroupSourceOIDC
		}
		return shown
	}
	if e := p.Organization.Spec.Everyone; e != nil {
		shown.AvatarURL, shown.QuotaAllowance = e.AvatarURL, allowance(e.Quota)
	}
	return shown
}

// ByProvider tells whether an identity provider alone decides who is in a group.
func ByProvider(g *v1alpha1.Group) bool { return len(g.Spec.Subjects) > 0 && len(g.Spec.Members) == 0 }

func allowance(q *v1alpha1.Quota) int {
	if q == nil || q.DailyCost == nil {
		return 0
	}
	return int(*q.DailyCost)
}
