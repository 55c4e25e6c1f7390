// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// AnyDomain in Rules.EmailDomains lets in addresses of every domain.
const AnyDomain = "*"

// Rules are what a deployment makes of what a provider says. The zero value lets in who has an account already, and gives
// no group and no role.
type Rules struct {
	// EmailDomains are the domains that addresses may have; empty means those that accounts here have been given.
	EmailDomains []string
	// IgnoreEmailVerified believes addresses that the provider has not verified.
	IgnoreEmailVerified bool
	// Signups lets in who has no account, by making one.
	Signups bool

	// SyncGroups puts people into the groups that the provider names, and out of those that it does not.
	SyncGroups bool
	// GroupMapping renames the provider's groups; AllowedGroups, where it is not empty, lets in only who is in one of them, as
	// they are called afterwards; GroupFilter, where it is not nil, leaves out all others.
	GroupMapping  map[string]string
	AllowedGroups []string
	GroupFilter   *regexp.Regexp

	// SyncRoles gives people the roles that the provider names, and takes those that it does not.
	SyncRoles bool
	// RoleMapping says which roles a name means; one that it does not list means none. DefaultRoles are everybody's.
	RoleMapping  map[string][]v1alpha1.SiteRole
	DefaultRoles []v1alpha1.SiteRole
}

// Admitted is a person who may come in, with what the rules make of the provider's groups and roles.
type Admitted struct {
	Person
	// Groups are the provider's groups that the rules leave.
	Groups []Group
	// Roles are the roles over the deployment, in order.
	Roles []v1alpha1.SiteRole
}

// Group is a group of the provider.
type Group struct {
	// Raw is what the provider calls it, Name what the deployment does; Mapped says that the mapping names it.
	Raw, Name string
	Mapped    bool
}

// emailForm is what an address is: the schema's pattern, in ASCII, since other letters may fold to these and make two
// addresses look like one.
var emailForm = regexp.MustCompile(`^[!#-'*+\-./0-9=?A-Z^-~]+@[0-9A-Za-z][0-9A-Za-z.-]*$`)

// Admit tells what a person may come in with, or why not.
func (r *Rules) Admit(p Person) (Admitted, error) {
	a := Admitted{Person: p, Roles: r.roles(p.Roles)}
	switch {
	case p.Email == "":
		return a, refused("The identity provider does not tell your e-mail address. Ask who runs it to send it.")
	case len(p.Email) > 254 || !emailForm.MatchString(p.Email):
		return a, refused("The identity provider knows you by what is no e-mail address.")
	case !p.EmailVerified && !r.IgnoreEmailVerified:
		return a, refused("The identity provider has not verified that %s is your address. Verify it there and sign in again.", p.Email)
	case len(r.EmailDomains) > 0 && !r.ofDomain(p.Email):
		return a, refused("Addresses of this domain may not sign in: %s.", p.Email)
	}
	allowed := len(r.AllowedGroups) == 0
	for _, raw := range p.Groups {
		g := Group{Raw: raw, Name: raw}
		if name, ok := r.GroupMapping[raw]; ok {
			g.Name, g.Mapped = name, true
		}
		allowed = allowed || slices.Contains(r.AllowedGroups, g.Name)
		if g.Name != "" && (r.GroupFilter == nil || r.GroupFilter.MatchString(g.Name)) {
			a.Groups = append(a.Groups, g)
		}
	}
	if !allowed {
		return a, refused("You are in none of the groups that may sign in.")
	}
	return a, nil
}

// ofDomain tells whether the address is of one of the domains: the whole of what stands behind the one @, in ASCII letters.
func (r *Rules) ofDomain(email string) bool {
	_, domain, one := strings.Cut(email, "@")
	return one && !strings.Contains(domain, "@") && slices.ContainsFunc(r.EmailDomains, func(d string) bool {
		return d == AnyDomain || isASCII(d) && strings.EqualFold(d, domain)
	})
}

func (r *Rules) roles(named []string) []v1alpha1.SiteRole {
	roles := slices.Clone(r.DefaultRoles)
	for _, name := range named {
		roles = append(roles, r.RoleMapping[name]...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII })
}

// Username is what a person is called who would like to be called so: letters and digits joined by single hyphens, as many
// as fit. A wish that is an address is what stands before its @; one of which nothing is left is "user".
func Username(wish string, longest int) string {
	wish, _, _ = strings.Cut(wish, "@")
	parts := strings.FieldsFunc(wish, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	})
	name := strings.Join(parts, "-")
	name = strings.TrimRight(name[:min(len(name), longest)], "-")
	if name == "" {
		return "user"
	}
	return name
}
