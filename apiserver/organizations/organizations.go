// SPDX-License-Identifier: Apache-2.0

// Package organizations shows organizations to their members, makes them, and decides what a member may do there.
package organizations

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
)

// Handlers serves organizations.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	organization := httpapi.ByName("organization", h.find)
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/organizations", Tag: "Organizations", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(h.newOne, authz.Create, h.create)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}", Tag: "Organizations", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(organization, authz.Read, h.show)},
		{Method: "GET", Path: "/api/v2/organizations/{organization}/members/roles", Tag: "Members", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(organization, authz.Read, h.assignableRoles)},
		{Method: "PUT", Path: "/api/v2/organizations/{organization}/members/{user}/roles", Tag: "Members", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.member, authz.Update, h.setRoles)},
	}
}

// find takes an id or a name.
func (h *Handlers) find(ctx context.Context, text string) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(ctx, text)
	if err != nil {
		return nil, authz.Object{}, err
	}
	return o, authz.OrganizationObject(o), nil
}

func (h *Handlers) show(_ context.Context, o *v1alpha1.Organization, _ httpapi.None) (codersdk.Organization, error) {
	return view.Organization(o), nil
}

// newOne is the organization that is to be made. That organizations can be made is no secret, so who may not is told so.
func (h *Handlers) newOne(r *http.Request) (httpapi.None, authz.Object, error) {
	if !authz.From(r.Context()).Can(authz.Create, authz.NewOrganization()) {
		return httpapi.None{}, authz.Object{}, fault.New(fault.Forbidden, "You may not create organizations. Ask an owner.")
	}
	return httpapi.None{}, authz.NewOrganization(), nil
}

// create makes an organization, and so a namespace of its name.
func (h *Handlers) create(ctx context.Context, _ httpapi.None, in codersdk.CreateOrganizationRequest) (codersdk.Organization, error) {
	lower := strings.ToLower(in.Name)
	switch {
	case !policy.IsName(in.Name, 32):
		return codersdk.Organization{}, fault.On("name", "must be letters and digits joined by single hyphens, 1 to 32 characters")
	case lower == "new" || lower == "create" || lower == "default":
		return codersdk.Organization{}, fault.On("name", "%q has a meaning of its own in paths; choose another", in.Name)
	case strings.HasPrefix(lower, "kube-"):
		return codersdk.Organization{}, fault.On("name", "must not begin with kube-: such namespaces are the cluster's own")
	}
	o, err := h.Store.CreateOrganization(ctx, in.Name, authz.From(ctx).User)
	if err != nil {
		return codersdk.Organization{}, err
	}
	return view.Organization(o), nil
}

// assignableRoles lists the roles in an organization, and which of them the caller may give.
func (h *Handlers) assignableRoles(ctx context.Context, o *v1alpha1.Organization, _ httpapi.None) ([]codersdk.AssignableRoles, error) {
	caller, shown := authz.From(ctx), []codersdk.AssignableRoles{}
	for _, r := range view.OrganizationRoles() {
		role := view.OrganizationRole(r)
		shown = append(shown, codersdk.AssignableRoles{Name: role.Name, DisplayName: role.DisplayName, Assignable: caller.CanAssignIn(o.Name, r)})
	}
	return shown, nil
}

// membership is a User who belongs to an organization.
type membership struct {
	organization *v1alpha1.Organization
	user         *v1alpha1.User
}

// member finds a member of an organization.
func (h *Handlers) member(r *http.Request) (membership, authz.Object, error) {
	none := membership{}
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organization"))
	if err != nil {
		return none, authz.Object{}, err
	}
	u, err := h.Store.UserOf(r.Context(), r.PathValue("user"))
	if err != nil {
		return none, authz.Object{}, err
	}
	a, err := h.Store.Account(r.Context(), u)
	if err != nil {
		return none, authz.Object{}, err
	}
	if !a.Member(o) {
		return none, authz.Object{}, fault.New(fault.NotFound, "")
	}
	return membership{organization: o, user: u}, authz.MemberObject(u, o.Name), nil
}

// setRoles replaces a member's roles in the organization. Nobody decides about the own.
func (h *Handlers) setRoles(ctx context.Context, m membership, in codersdk.UpdateRoles) (codersdk.OrganizationMember, error) {
	none, caller := codersdk.OrganizationMember{}, authz.From(ctx)
	if caller.User == m.user.Name {
		f := fault.New(fault.Invalid, "You cannot change your own roles. Ask another administrator.")
		f.Fields = []fault.Field{{Path: "roles", Detail: "are your own"}}
		return none, f
	}
	wish, unknown := view.ReadOrganizationRoles(in.Roles, view.Organization(m.organization).ID)
	if len(unknown) > 0 {
		return none, fault.On("roles", "%s: the role in an organization is organization-admin; those over the deployment are its users'",
			strings.Join(unknown, ", "))
	}
	u, err := h.Store.ChangeUser(ctx, m.user, func(u *v1alpha1.User) error { return assign(caller, u, m.organization.Name, wish) })
	if err != nil {
		return none, err
	}
	return view.OrganizationMember(u, m.organization), nil
}

// assign gives the User these roles in the organization, as far as the caller may give and take them. Who names no
// organization belongs to the default one, and names it from then on.
func assign(caller *authz.Caller, u *v1alpha1.User, organization string, wish []v1alpha1.OrganizationRole) error {
	at := slices.IndexFunc(u.Spec.Memberships, func(m v1alpha1.Membership) bool { return string(m.Organization) == organization })
	if at < 0 && len(u.Spec.Memberships) > 0 {
		return fault.New(fault.NotFound, "The user has left the organization.")
	}
	has := v1alpha1.Membership{Organization: v1alpha1.ObjectName(organization)}
	if at >= 0 {
		has = u.Spec.Memberships[at]
	}
	same := true
	for _, r := range view.OrganizationRoles() {
		if slices.Contains(has.Roles, r) == slices.Contains(wish, r) {
			continue
		}
		if same = false; !caller.CanAssignIn(organization, r) {
			return fault.New(fault.Forbidden, "You may not give or take the role %s. Ask an administrator of the organization.", view.OrganizationRole(r).Name)
		}
	}
	if same {
		return nil
	}
	has.Roles = wish
	if at < 0 {
		u.Spec.Memberships = []v1alpha1.Membership{has}
		return nil
	}
	u.Spec.Memberships[at] = has
	return nil
}
