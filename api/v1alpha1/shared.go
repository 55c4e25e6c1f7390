// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	"k8s.io/apimachinery/pkg/types"
)

// ID is an object's id on the wire: a lower-case UUID. Where a manifest gives none, the manager sets it to the object's
// uid with its first write, so that exports, restores and moves keep it. Once set it never changes.
//
// +kubebuilder:validation:MaxLength=36
// +kubebuilder:validation:Pattern=`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
type ID string

// Duration is a length of time in Go's units h, m and s: "8h", "1h30m", "0s" where zero has a meaning. There are no
// days: write 168h for a week. At most 87840h (ten years).
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s))+$') && duration(self) <= duration('87840h')",message="must be a length of time in h, m and s, such as 8h or 1h30m, of at most 87840h; write 48h for two days"
type Duration string

// WireName is a name as people type and see it in the API: letters and digits in parts joined by single hyphens, at
// most 32 characters. Capitals are kept, and do not make a name different.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$')",message="must be letters and digits in parts joined by single hyphens, such as my-api"
type WireName string

// ObjectName is the metadata.name of another object.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",messageExpression="self != self.lowerAscii() ? 'names are lower case: ' + self.lowerAscii() : 'must be lower case letters, digits, hyphens and dots, such as go-dev'"
type ObjectName string

// Icon is the path or URL of a picture that clients show beside a name.
//
// +kubebuilder:validation:MaxLength=8192
type Icon string

// DisplayName is a name for people, free in its characters.
//
// +kubebuilder:validation:MaxLength=64
type DisplayName string

// UIDReference names one particular object of a known kind in the same namespace.
type UIDReference struct {
	// Name is the object's metadata.name.
	Name ObjectName `json:"name"`

	// UID is the object's metadata.uid, so that a successor of the same name is not meant.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	UID types.UID `json:"uid"`
}

// NameReference names an object of a known kind.
type NameReference struct {
	// Name is the object's metadata.name.
	Name ObjectName `json:"name"`
}

// TemplateReference names a Template in the home namespace of an organization: the one that whoever names it belongs to, or
// another that has opened the template to it.
type TemplateReference struct {
	// Name is the Template's metadata.name.
	Name ObjectName `json:"name"`

	// Organization is the Organization, by metadata.name, whose template it is, where that is another one; its spec.access
	// must have an entry {kind: Organization, role: Use} with the name of this one. Absent means the own organization.
	// +optional
	Organization ObjectName `json:"organization,omitempty"`
}

// Home is the namespace that the Template stands in, for whoever belongs to an organization.
func (r TemplateReference) Home(organization string) string {
	return cmp.Or(string(r.Organization), organization)
}

// Key is the reference in words, and tells the templates that an organization uses apart: "go-dev", "platform/go-dev".
func (r TemplateReference) Key() string {
	if r.Organization == "" {
		return string(r.Name)
	}
	return string(r.Organization) + "/" + string(r.Name)
}

// Subject is a Kubernetes identity, as in a RoleBinding.
type Subject struct {
	// Kind is what the name names: User, Group or ServiceAccount.
	// +kubebuilder:validation:Enum=User;Group;ServiceAccount
	Kind string `json:"kind"`

	// Name is the identity's name as Kubernetes sees it, its prefix included: "oidc:ada".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Namespace is the ServiceAccount's; the other kinds have none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// Quota is what a group gives each member, and what caps its members. A member's budget is the sum of the dailyCost of
// all the member's groups and of Everyone; caps do not add up, each of them holds.
type Quota struct {
	// DailyCost is how many credits a day it adds to what each member's workspaces may cost together; absent adds none.
	// Who has no group that states one has no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000
	DailyCost *int64 `json:"dailyCost,omitempty"`

	// Running is how many workspaces of all the members together may run at once; absent sets no cap.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Running *int64 `json:"running,omitempty"`

	// Kept is how many workspaces of all the members together may run or have volumes; absent sets no cap.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Kept *int64 `json:"kept,omitempty"`

	// PerMember caps the workspaces of each member alone.
	// +optional
	PerMember *Caps `json:"perMember,omitempty"`
}

// Caps are how many workspaces there may be at once.
type Caps struct {
	// Running is how many may run; absent sets no cap.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Running *int64 `json:"running,omitempty"`

	// Kept is how many may run or have volumes; absent sets no cap.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Kept *int64 `json:"kept,omitempty"`
}

const (
	// LabelOrganization on a namespace says which Organization it belongs to.
	LabelOrganization = "berth.dev/organization"
	// LabelOwner on a namespace says whose workspaces alone it takes: a User's metadata.name.
	LabelOwner = "berth.dev/owner"
	// LabelAccess on a Role or RoleBinding marks it as what people have by their Users and Groups; its value is "user".
	LabelAccess = "berth.dev/access"
	// LabelID on a pod or claim is the id of its workspace.
	LabelID = "berth.dev/id"
	// LabelBuild on a pod is the number of the build that made it.
	LabelBuild = "berth.dev/build"
	// LabelSlot on a pod or claim is the uid of the prepared workspace that it was made for, which is nobody's yet.
	LabelSlot = "berth.dev/slot"
	// LabelVolume on a claim is the volume's name in the template version.
	LabelVolume = "berth.dev/volume"
	// LabelManagedBy marks every object that Berth makes; its value is ManagedBy.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "berth"

	// AnnotationOwner on a pod or claim is the metadata.name of the workspace's User.
	AnnotationOwner = "berth.dev/owner"
	// AnnotationWorkspace on a pod or claim is the metadata.name of its workspace.
	AnnotationWorkspace = "berth.dev/workspace"
	// AnnotationTemplate on a pod or claim is the metadata.name of its workspace's template.
	AnnotationTemplate = "berth.dev/template"
	// AnnotationIntent on a pod is the hash of what it was created from; drift is judged against it. On a prepared workspace
	// it is that of what is rendered for nobody.
	AnnotationIntent = "berth.dev/intent"
	// AnnotationAttempt on a prepared workspace is how many before it have failed in a row.
	AnnotationAttempt = "berth.dev/attempt"
	// AnnotationAgents on a pod names, as JSON, the agents it was made with and their containers.
	AnnotationAgents = "berth.dev/agents"
	// AnnotationFile begins the annotations of a pod that hold the files of its template's content.
	AnnotationFile = "berth.dev/file."
	// AnnotationScript begins the annotations of a pod that hold the scripts of its template's content, by agent and number.
	AnnotationScript = "berth.dev/script."
	// AnnotationKeys on a Secret that was made for a workspace names its keys, so that none need be read.
	AnnotationKeys = "berth.dev/keys"
	// AnnotationSecrets on a claim names the Secrets of its workspace, which go when its last claim goes.
	AnnotationSecrets = "berth.dev/secrets"
	// AnnotationKeepDeletedFor on a claim is how long it is kept after its workspace, as decided at the last accepted build.
	AnnotationKeepDeletedFor = "berth.dev/keep-deleted-for"
	// AnnotationDeleteAfter on a claim is the RFC 3339 time after which the manager removes it.
	AnnotationDeleteAfter = "berth.dev/delete-after"
	// AnnotationWhenDeleted on a claim is what was decided for it at the last accepted build: Delete or Retain.
	AnnotationWhenDeleted = "berth.dev/when-deleted"
	// AnnotationOrphan on a claim holds, as JSON, the labels that an orphaning deletion took off it.
	AnnotationOrphan = "berth.dev/orphaned"
	// AnnotationUndelete on a kept claim holds, as JSON, what bringing its workspace back needs.
	AnnotationUndelete = "berth.dev/undelete"
	// AnnotationRevision on a Template is the revision of its source, such as a commit, that whoever applies it sets; the
	// version that is stamped from it carries the same.
	AnnotationRevision = "berth.dev/revision"
	// AnnotationOutcome on a build is its result, so that a restore without status does not run it again: Succeeded, Failed
	// or Canceled. It is written when a build ends otherwise than well, and when a deletion has; of a start or stop that a
	// restore brings back without it, Succeeded is written then.
	AnnotationOutcome = "berth.dev/outcome"
	// AnnotationLastBuild on a Workspace that was brought back is the number of the last build of its earlier life; its
	// builds go on from there, as their ids follow from id and number.
	AnnotationLastBuild = "berth.dev/last-build"
	// AnnotationFirstBuild on a Workspace says that the API server makes build 1; the manager waits ten seconds for it.
	AnnotationFirstBuild = "berth.dev/first-build"
	// AnnotationUsedAt on a Template is the RFC 3339 time as whose use all its workspaces were counted at once, by whoever
	// changed it; nobody used them then.
	AnnotationUsedAt = "berth.dev/workspaces-used-at"
	// AnnotationCreatedAt is the RFC 3339 time of an object's creation with nanoseconds; it outlives a restore.
	AnnotationCreatedAt = "berth.dev/created-at"
	// AnnotationRequester is the Kubernetes user who made the object or changed its spec last, as its admission wrote it down;
	// absent where the cluster writes none. It is proof of nothing where the admission policies are not installed.
	AnnotationRequester = "berth.dev/requester"
	// AnnotationCreatedBy is the metadata.name of the User who created the object through the API.
	AnnotationCreatedBy = "berth.dev/created-by"

	// AnnotationProvisionedAs on a User is the name by which an identity provider knows the account that it keeps by SCIM. An
	// account without it is none of the provider's.
	AnnotationProvisionedAs = "berth.dev/provisioned-as"

	// AnnotationDormantSince on a Workspace is the RFC 3339 time since which it is dormant. The manager sets it by the
	// template's lifecycle.dormantAfter, people by the API or by kubectl; taking it away, or starting the workspace, wakes
	// it. What can't be read as a time counts as absent.
	AnnotationDormantSince = "berth.dev/dormant-since"
	// AnnotationExtendedTo on a Workspace is where a person has moved the stop of one build: its number, a slash, and an
	// RFC 3339 time. It counts for no other build.
	AnnotationExtendedTo = "berth.dev/extended-to"

	// FinalizerWorkspace holds a Workspace until its pod is gone and its claims are kept or removed.
	FinalizerWorkspace = "berth.dev/workspace"
)
