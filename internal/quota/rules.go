// SPDX-License-Identifier: Apache-2.0

package quota

import "github.com/berth-dev/berth/api/v1alpha1"

// Unlimited is the budget of who has none.
const Unlimited = -1

// Group is a Group that a person belongs to, with its quota.
type Group struct {
	Name  string
	Quota *v1alpha1.Quota
	// Members are the Users in it, by metadata.name. They are asked for only where the quota caps them together.
	Members map[string]bool
}

// Rules are all that limit the start of one person's workspace of one template.
type Rules struct {
	// Owner is the User's metadata.name.
	Owner string
	// Groups are those of the owner in the organization.
	Groups []Group
	// Everyone is the organization's quota for all its members.
	Everyone *v1alpha1.Quota
	// Template is the template, by the key of the workspace's reference to it, Limits its caps. They hold for each
	// organization that uses the template by itself.
	Template string
	Limits   *v1alpha1.TemplateLimits
}

// Budget is how many credits a day the owner's workspaces may cost together: the sum over the owner's groups and
// Everyone, or Unlimited where none of them states any.
func (r Rules) Budget() int64 {
	sum, stated := int64(0), false
	for _, q := range r.quotas() {
		if q.DailyCost != nil {
			sum, stated = sum+*q.DailyCost, true
		}
	}
	if !stated {
		return Unlimited
	}
	return sum
}

func (r Rules) quotas() []*v1alpha1.Quota {
	var all []*v1alpha1.Quota
	for _, g := range r.Groups {
		if g.Quota != nil {
			all = append(all, g.Quota)
		}
	}
	if r.Everyone != nil {
		all = append(all, r.Everyone)
	}
	return all
}

// Scope is which workspaces of the organization a start is judged beside.
type Scope string

const (
	// Nothing limits the start.
	Nothing Scope = ""
	// OwnersOnly: those of the owner.
	OwnersOnly Scope = "Owner"
	// TemplatesToo: those of the owner and those of the template.
	TemplatesToo Scope = "Template"
	// All of the organization.
	All Scope = "All"
)

// Scope tells what must be read before Check.
func (r Rules) Scope() Scope {
	scope := Nothing
	if r.Budget() != Unlimited {
		scope = OwnersOnly
	}
	for _, l := range r.limits() {
		switch l.of {
		case everybodys:
			return All
		case templates:
			scope = TemplatesToo
		default:
			if scope == Nothing {
				scope = OwnersOnly
			}
		}
	}
	return scope
}

// whose says which workspaces a cap counts.
type whose string

const (
	owners          whose = "owner"
	templates       whose = "template"
	ownersTemplates whose = "owner and template"
	everybodys      whose = "everybody"
)

// limit is one cap.
type limit struct {
	of   whose
	kept bool // else running
	most int64
	// who is whose workspaces they are, in words; path the field that says so, and of what.
	who, path, object string
	// members are whose workspaces count where of is everybodys; nil counts all.
	members map[string]bool
}

// limits are all caps, the widest last.
func (r Rules) limits() []limit {
	var all []limit
	add := func(l limit, running, kept *int64) {
		path := l.path
		if running != nil {
			l.most, l.kept, l.path = *running, false, path+".running"
			all = append(all, l)
		}
		if kept != nil {
			l.most, l.kept, l.path = *kept, true, path+".kept"
			all = append(all, l)
		}
	}
	quota := func(who, object, path string, q *v1alpha1.Quota, members map[string]bool) {
		if q == nil {
			return
		}
		if per := q.PerMember; per != nil {
			add(limit{of: owners, who: r.Owner, object: object, path: path + ".perMember"}, per.Running, per.Kept)
		}
		add(limit{of: everybodys, who: who, object: object, path: path, members: members}, q.Running, q.Kept)
	}
	if l := r.Limits; l != nil {
		if l.PerUser != nil {
			add(limit{of: ownersTemplates, who: r.Owner, object: "Template " + r.Template, path: "spec.limits.perUser"}, l.PerUser.Running, l.PerUser.Kept)
		}
		add(limit{of: templates, who: "Template " + r.Template, object: "Template " + r.Template, path: "spec.limits"}, l.Running, l.Kept)
	}
	for _, g := range r.Groups {
		members := g.Members
		if members == nil {
			members = map[string]bool{}
		}
		quota("Group "+g.Name, "Group "+g.Name, "spec.quota", g.Quota, members)
	}
	quota("Everyone", "the Organization", "spec.everyone.quota", r.Everyone, nil)
	return all
}

// counts tells whether a cap counts a workspace.
func (l limit) counts(r Rules, u Use) bool {
	switch l.of {
	case owners:
		return u.Owner == r.Owner
	case templates:
		return u.Template == r.Template
	case ownersTemplates:
		return u.Owner == r.Owner && u.Template == r.Template
	}
	return l.members == nil || l.members[u.Owner]
}
