// SPDX-License-Identifier: Apache-2.0

package authz

import "github.com/berth-dev/berth/api/v1alpha1"

// Kind is what an object is, as far as rights go.
type Kind string

// The kinds. A build has its workspace's rights, a version its template's.
const (
	Workspace    Kind = "workspace"
	Template     Kind = "template"
	Group        Kind = "group"
	User         Kind = "user"
	Organization Kind = "organization"
	File         Kind = "file"
	Member       Kind = "organization_member"
	// Provisioned is an account as the identity provider keeps it: nobody else speaks of it so.
	Provisioned Kind = "provisioned_account"
)

// Object is what something is asked of: only what the decision needs to know.
type Object struct {
	// Kind is what it is.
	Kind Kind
	// Organization is the metadata.name of the Organization that it belongs to; empty for users.
	Organization string
	// Owner is the metadata.name of the User whose workspace, or whose account, it is.
	Owner string
	// Access is a template's access list.
	Access []v1alpha1.AccessEntry
	// Memberships and Privileged are a user's: the organizations, and whether any role at all is held, there or over
	// the deployment. A member is privileged by roles over the deployment alone.
	Memberships map[string][]v1alpha1.OrganizationRole
	Privileged  bool
	// Editor is whether a file's owner may change a template, by its access list.
	Editor bool
}

// FileObject is an archive that the User with that metadata.name uploaded, or is about to.
func FileObject(uploader string, editor bool) Object {
	return Object{Kind: File, Owner: uploader, Editor: editor}
}

// KeyObject stands for the API keys of the User with that metadata.name; the empty name for everybody's.
func KeyObject(owner string) Object { return Object{Kind: APIKey, Owner: owner} }

// AuditObject is what rights to the audit log depend on: nothing but the role. It is one for all organizations.
func AuditObject() Object { return Object{Kind: AuditLog} }

// LicenseObject is what rights to the deployment's licences depend on: nothing but the role.
func LicenseObject() Object { return Object{Kind: License} }

// WorkspaceObject is a workspace of the User with that metadata.name in the organization, one to be made included.
func WorkspaceObject(organization, owner string) Object {
	return Object{Kind: Workspace, Organization: organization, Owner: owner}
}

// TemplateObject is a template. It stands in its organization's home namespace, which has the organization's name.
func TemplateObject(t *v1alpha1.Template) Object {
	return Object{Kind: Template, Organization: t.Namespace, Access: t.Spec.Access}
}

// NewTemplate is a template of the organization that has no object yet, or a version that no template has taken up.
func NewTemplate(organization string) Object {
	return Object{Kind: Template, Organization: organization}
}

// GroupObject is a group. It stands in its organization's home namespace.
func GroupObject(g *v1alpha1.Group) Object { return Object{Kind: Group, Organization: g.Namespace} }

// OrganizationObject is an organization.
func OrganizationObject(o *v1alpha1.Organization) Object {
	return Object{Kind: Organization, Organization: o.Name}
}

// NewGroup is a group of the organization that has no object yet, or Everyone, which never has.
func NewGroup(organization string) Object { return Object{Kind: Group, Organization: organization} }

// NewOrganization is an organization that has no object yet.
func NewOrganization() Object { return Object{Kind: Organization} }

// NewUser is an account that has no object yet, and no role.
func NewUser() Object { return Object{Kind: User} }

// ProvisionedObject is an account that the identity provider keeps, or is about to.
func ProvisionedObject() Object { return Object{Kind: Provisioned} }

// MemberObject is what the User is in the organization: the membership and its roles.
func MemberObject(u *v1alpha1.User, organization string) Object {
	return Object{Kind: Member, Organization: organization, Owner: u.Name, Privileged: len(u.Spec.Roles) > 0}
}

// UserObject is a User with the name of the default organization, which those without memberships belong to.
func UserObject(u *v1alpha1.User, defaultOrganization string) Object {
	o := Object{Kind: User, Owner: u.Name, Memberships: Memberships(u, defaultOrganization), Privileged: len(u.Spec.Roles) > 0}
	for _, roles := range o.Memberships {
		o.Privileged = o.Privileged || len(roles) > 0
	}
	return o
}
