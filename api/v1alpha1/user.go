// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Reasons that a User gives beside the shared ones.
const (
	// ReasonUsernameTaken: an older User has the username; choose another.
	ReasonUsernameTaken = "UsernameTaken"
	// ReasonEmailTaken: an older User has the e-mail address; every account needs its own.
	ReasonEmailTaken = "EmailTaken"
	// ReasonIdentityTaken: another User lists the same account at an identity provider; take it out of one of them.
	ReasonIdentityTaken = "IdentityTaken"
	// ReasonPasswordSecretMissing: spec.passwordSecret names no Secret of Berth's namespace; make it, or correct the name.
	ReasonPasswordSecretMissing = "PasswordSecretMissing"
	// ReasonPasswordSecretInvalid: the Secret that spec.passwordSecret names has no password that can be used, or the account
	// does not sign in with one; the message says what would be right.
	ReasonPasswordSecretInvalid = "PasswordSecretInvalid"
	// ReasonPasswordPending: an API server has not looked at the Secret of spec.passwordSecret yet; wait.
	ReasonPasswordPending = "PasswordPending"
	// ReasonSuspended: the account is suspended as wished; nobody can sign in with it.
	ReasonSuspended = "Suspended"
)

// LoginType is how a person proves who they are.
// +kubebuilder:validation:Enum=Password;OIDC;GitHub;None
type LoginType string

const (
	// LoginTypePassword signs in with a password that Berth keeps hashed.
	LoginTypePassword LoginType = "Password"
	// LoginTypeOIDC signs in at the OpenID Connect provider.
	LoginTypeOIDC LoginType = "OIDC"
	// LoginTypeGitHub signs in at GitHub.
	LoginTypeGitHub LoginType = "GitHub"
	// LoginTypeNone cannot sign in: a machine with tokens, or a person known by a Kubernetes identity alone.
	LoginTypeNone LoginType = "None"
)

// SiteRole is a role over the whole deployment.
// +kubebuilder:validation:Enum=Owner;TemplateAdmin;UserAdmin;Auditor
type SiteRole string

const (
	// SiteRoleOwner may do everything.
	SiteRoleOwner SiteRole = "Owner"
	// SiteRoleTemplateAdmin may read and write every template and read workspaces.
	SiteRoleTemplateAdmin SiteRole = "TemplateAdmin"
	// SiteRoleUserAdmin may read and write users and groups below its own rank.
	SiteRoleUserAdmin SiteRole = "UserAdmin"
	// SiteRoleAuditor may read the audit log and what it names.
	SiteRoleAuditor SiteRole = "Auditor"
)

// OrganizationRole is a role in one organization.
// +kubebuilder:validation:Enum=OrganizationAdmin
type OrganizationRole string

// OrganizationRoleAdmin may do everything in its organization.
const OrganizationRoleAdmin OrganizationRole = "OrganizationAdmin"

// Membership makes a User a member of an organization.
type Membership struct {
	// Organization is the Organization's metadata.name.
	Organization ObjectName `json:"organization"`

	// Roles are the member's roles there; absent means an ordinary member.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Roles []OrganizationRole `json:"roles,omitempty"`
}

// LinkedIdentity is an account at an identity provider.
type LinkedIdentity struct {
	// Issuer is the provider's URL, as its tokens name it: https://login.example.org/realms/dev, or https://github.com.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer"`

	// Subject is what the provider calls the account for ever: the claim "sub", or GitHub's number of the user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Subject string `json:"subject"`
}

// UserSpec says who a person is and what they may do.
type UserSpec struct {
	// ID is the user's id on the wire; set by the manager to the object's uid where it is absent.
	// +optional
	ID ID `json:"id,omitempty"`

	// Username is the name on the wire; absent means metadata.name. It may be changed; references keep metadata.name.
	// +optional
	Username WireName `json:"username,omitempty"`

	// Email is the person's address; no two Users have the same, whatever its capitals.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^\s@<>"(),:;\\]+@[^\s@<>"(),:;\\]+$`
	Email string `json:"email"`

	// DisplayName is the person's real name.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// AvatarURL is the person's picture.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	AvatarURL string `json:"avatarURL,omitempty"`

	// ThemePreference is the look that the person chose for the dashboard; absent means the browser's.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ThemePreference string `json:"themePreference,omitempty"`

	// LoginType is how the person signs in: Password, OIDC, GitHub or None; absent means None.
	// +optional
	LoginType LoginType `json:"loginType,omitempty"`

	// PasswordSecret names a Secret in Berth's own namespace, of type Opaque or kubernetes.io/basic-auth, whose key "password"
	// sets the password whenever it changes; or its key "passwordHash", which is an argon2id hash of one. All sessions and
	// tokens of the old one end. It is for accounts of login type Password.
	// +optional
	PasswordSecret *NameReference `json:"passwordSecret,omitempty"`

	// Roles are the roles over the whole deployment; absent means none but what a member has.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Roles []SiteRole `json:"roles,omitempty"`

	// Memberships are the organizations the person belongs to; absent means the default organization.
	// +optional
	// +listType=map
	// +listMapKey=organization
	// +kubebuilder:validation:MaxItems=64
	Memberships []Membership `json:"memberships,omitempty"`

	// Suspended ends every session and key of the person, and lets none begin.
	// +optional
	Suspended bool `json:"suspended,omitempty"`

	// Subjects are the Kubernetes identities that are this person. An identity that two Users list is nobody's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(s, s.kind != 'Group')",message="spec.subjects: a person is a User or a ServiceAccount; put groups into spec.subjects of a Group"
	Subjects []Subject `json:"subjects,omitempty"`

	// Identities are the accounts at an identity provider that sign in as this person, each of which is one person's. The
	// first sign-in writes its own where none stands; afterwards no other one signs in, whatever address it has.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Identities []LinkedIdentity `json:"identities,omitempty"`

	// QuietHours is when the person's day ends: then a template's autostop requirement stops the person's workspaces, on
	// the days that it names. Absent means midnight, UTC.
	// +optional
	QuietHours *Schedule `json:"quietHours,omitempty"`

	// ExternalID is the id that a SCIM provider knows the person by. It is never compared with ids of Berth.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ExternalID string `json:"externalID,omitempty"`
}

// UserState tells whether the account is in use.
// +kubebuilder:validation:MaxLength=32
type UserState string

const (
	// UserActive has signed in within 90 days.
	UserActive UserState = "Active"
	// UserDormant has never signed in, or not for 90 days; the next sign-in makes it Active.
	UserDormant UserState = "Dormant"
	// UserSuspended can't sign in.
	UserSuspended UserState = "Suspended"
)

// PasswordState is what an API server found when it looked for a password in the Secret that spec.passwordSecret names.
type PasswordState struct {
	// Secret is the name of the Secret.
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret"`

	// Reason is why no password can be taken from it, as the conditions give it; absent means that one was.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// Message says what is wrong with it, and what would be right; it holds nothing of the Secret's data.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// UserStatus is what the manager and the API server found.
type UserStatus struct {
	// ObservedGeneration is the generation this status was computed from; -1 before the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// State is Active, Dormant or Suspended.
	// +optional
	State UserState `json:"state,omitempty"`

	// LastSeenAt is when the person last signed in or called the API, at most an hour old; absent means never.
	// +optional
	LastSeenAt *metav1.Time `json:"lastSeenAt,omitempty"`

	// Groups are the Groups, as NAMESPACE/NAME, that a login or SCIM put the person into.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=320
	Groups []string `json:"groups,omitempty"`

	// Password is what became of spec.passwordSecret; absent where the password is no Secret's.
	// +optional
	Password *PasswordState `json:"password,omitempty"`

	// ExternalAuth are the external providers, by their ids in the deployment's settings, that the person is signed in to, as
	// far as the API server knows. It is what templates with spec.content.externalAuth ask for.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	ExternalAuth []string `json:"externalAuth,omitempty"`

	// Conditions are Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// User is a person, or a machine, that may own workspaces. It holds no secret: passwords and keys are Secrets in
// Berth's own namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=buser,categories=berth
// +kubebuilder:printcolumn:name=EMAIL,type=string,JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name=ROLES,type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name=STATE,type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name=LAST-SEEN,type=date,JSONPath=`.status.lastSeenAt`
// +kubebuilder:printcolumn:name=READY,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name=AGE,type=date,JSONPath=`.metadata.creationTimestamp`,priority=1
// +kubebuilder:printcolumn:name=MESSAGE,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.metadata.name.size() <= 32",message="metadata.name must be lower-case letters and digits joined by single hyphens, at most 32 characters; spec.username may hold capitals"
type User struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wished.
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="spec.id never changes once it is set"
	Spec UserSpec `json:"spec"`

	// Status is what is.
	// +optional
	// +default={"observedGeneration": -1}
	Status UserStatus `json:"status,omitempty"`
}

// UserList is a list of Users.
//
// +kubebuilder:object:root=true
type UserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []User `json:"items"`
}

// WireName is the username that people see.
func (u *User) WireName() string { return orName(u.Spec.Username, u.Name) }

// WireID implements Object.
func (u *User) WireID() ID { return u.Spec.ID }

// GetConditions implements Object.
func (u *User) GetConditions() []metav1.Condition { return u.Status.Conditions }

// GetObservedGeneration implements Object.
func (u *User) GetObservedGeneration() int64 { return u.Status.ObservedGeneration }
