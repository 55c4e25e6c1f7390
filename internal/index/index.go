// SPDX-License-Identifier: Apache-2.0

// Package index names the indexes of the caches and says which values an object has in each. Both processes use the
// same ones, so that a name means the same in both. It holds no cache and asks none; what is done with the objects found
// is the caller's.
//
// An index narrows, it does not decide: a value may be found at two objects (a copied spec.id, a name taken twice), and
// whoever looks one up checks which of them counts.
package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// The names of the indexes. A value is always lower-case where the wire compares without case.
const (
	// ID finds an object by its id on the wire: any kind. A build found here is to be compared with its workspace, as
	// part of what the value is made of can be written by others.
	ID = "wire.id"
	// Name finds a Template, Group, Organization or User by its name on the wire, in lower case.
	Name = "wire.name"
	// Owner finds Workspaces, DeletedWorkspaces and DryRuns by spec.owner.user.
	Owner = "spec.owner.user"
	// OwnerName finds a Workspace, or DeletedWorkspaces, by its owner and its name on the wire: OwnerNameKey.
	OwnerName = "wire.owner-name"
	// Template finds TemplateVersions and WarmWorkspaces by spec.templateRef.name, and Workspaces by it or, where they name an organization
	// too, by SharedTemplate.
	Template = "spec.templateRef.name"
	// OpenTo finds Templates by the organizations that their access lists name.
	OpenTo = "spec.access.organization"
	// File finds TemplateVersions by the id of the archive that their content can be had as.
	File = "wire.file"
	// Job finds a DryRun by the id of its job on the wire.
	Job = "wire.job"
	// Coming finds a Workspace by the id of the build that it shows when it has none: its first, or the accepted one whose
	// object is gone.
	Coming = "wire.coming-build"
	// Build finds DeletedWorkspaces by the ids of the builds that they remember.
	Build = "wire.builds"
	// Pending finds the WorkspaceBuilds that wait to be begun; the value is "true".
	Pending = "status.pending"
	// AtWork finds the starts among WorkspaceBuilds that are at work; the value is "true".
	AtWork = "status.at-work"
	// Version finds WorkspaceBuilds by the uid of their TemplateVersion.
	Version = "spec.versionRef.uid"
	// UID finds TemplateVersions by their uid, as builds in whatever organization refer to them.
	UID = "metadata.uid"
	// Workspace finds WorkspaceBuilds by the uid of their workspace.
	Workspace = "spec.workspaceRef.uid"
	// OfID finds what belongs to a workspace by the id that a label of it names: WorkspaceBuilds, Pods, claims and the
	// WarmWorkspace that it has claimed. A selector
	// for the label would walk all objects of the namespace. Builds are found by the uid of their workspace too, which is its
	// id unless the manifest gives another: one index is half the size of two.
	OfID = "labels.id"
	// Member finds Groups by the metadata.name of their declared members.
	Member = "spec.members"
	// Membership finds Users by the Organizations that they name as theirs.
	Membership = "spec.memberships"
	// PasswordSecret finds Users by the Secret of Berth's namespace that declares their password.
	PasswordSecret = "spec.passwordSecret"
	// Brought finds Users by the Groups that a login or SCIM put them into, as NAMESPACE/NAME.
	Brought = "status.groups"
	// Refused finds Workspaces by the reason for which they are Stalled.
	Refused = "status.stalled"
	// Email finds Users by their address, in lower case.
	Email = "spec.email"
	// ProvisionedAs finds Users by the name that an identity provider knows them by, in lower case.
	ProvisionedAs = "annotations.provisioned-as"
	// Identity finds Users by an account at an identity provider: IdentityKey.
	Identity = "spec.identities"
	// Subject finds Users and Groups by a Kubernetes identity: SubjectKey.
	Subject = "spec.subjects"
	// Pod finds the Workspace, and the WarmWorkspace, whose pod has a uid.
	Pod = "status.pod.uid"
	// Bearer finds the Roles and RoleBindings that were made for a User or a Group: BearerUser, BearerGroup.
	Bearer = "owner.bearer"
	// Default finds the Organizations that call themselves the default one; the value is "true".
	Default = "spec.default"
)

// Index is one index over one kind.
type Index struct {
	// Object is an empty object of the kind.
	Object client.Object
	// Name is the index's name.
	Name string
	// Values are an object's values in it.
	Values client.IndexerFunc
}

// Register adds indexes to a cache. It must happen before the cache starts.
func Register(ctx context.Context, to client.FieldIndexer, indexes ...Index) error {
	for _, i := range indexes {
		if err := to.IndexField(ctx, i.Object, i.Name, i.Values); err != nil {
			return fmt.Errorf("index %s of %T: %w", i.Name, i.Object, err)
		}
	}
	return nil
}

// All are the indexes of every kind. A process that reads only some of the kinds takes those of For.
func All() []Index {
	return []Index{
		{&v1alpha1.Organization{}, ID, wireID},
		{&v1alpha1.Organization{}, Name, wireName},
		{&v1alpha1.Organization{}, Default, of(func(o *v1alpha1.Organization) []string {
			if !o.Spec.Default {
				return nil
			}
			return []string{"true"}
		})},

		{&v1alpha1.User{}, ID, wireID},
		{&v1alpha1.User{}, Name, wireName},
		{&v1alpha1.User{}, Email, of(func(u *v1alpha1.User) []string { return []string{Fold(u.Spec.Email)} })},
		{&v1alpha1.User{}, ProvisionedAs, of(func(u *v1alpha1.User) []string {
			if name := u.Annotations[v1alpha1.AnnotationProvisionedAs]; name != "" {
				return []string{Fold(name)}
			}
			return nil
		})},
		{&v1alpha1.User{}, Subject, of(func(u *v1alpha1.User) []string { return subjects(u.Spec.Subjects) })},
		{&v1alpha1.User{}, Identity, of(identities)},
		{&v1alpha1.User{}, Membership, of(memberships)},
		{&v1alpha1.User{}, PasswordSecret, of(func(u *v1alpha1.User) []string {
			if u.Spec.PasswordSecret == nil {
				return nil
			}
			return []string{string(u.Spec.PasswordSecret.Name)}
		})},
		{&v1alpha1.User{}, Brought, of(func(u *v1alpha1.User) []string { return u.Status.Groups })},

		{&v1alpha1.Group{}, ID, wireID},
		{&v1alpha1.Group{}, Name, wireName},
		{&v1alpha1.Group{}, Subject, of(func(g *v1alpha1.Group) []string { return subjects(g.Spec.Subjects) })},
		{&v1alpha1.Group{}, Member, of(members)},

		{&v1alpha1.Template{}, ID, wireID},
		{&v1alpha1.Template{}, Name, wireName},
		{&v1alpha1.Template{}, OpenTo, of(openTo)},

		{&v1alpha1.TemplateVersion{}, ID, wireID},
		{&v1alpha1.TemplateVersion{}, Template, of(func(v *v1alpha1.TemplateVersion) []string {
			if v.Spec.TemplateRef == nil {
				return nil
			}
			return []string{string(v.Spec.TemplateRef.Name)}
		})},
		{&v1alpha1.TemplateVersion{}, File, of(func(v *v1alpha1.TemplateVersion) []string { return []string{ids.VersionFile(v).String()} })},

		{&v1alpha1.DryRun{}, Job, of(func(d *v1alpha1.DryRun) []string { return []string{ids.Job(ids.Of(d)).String()} })},
		{&v1alpha1.DryRun{}, Owner, of(func(d *v1alpha1.DryRun) []string { return []string{string(d.Spec.Owner.User)} })},

		{&v1alpha1.Workspace{}, ID, wireID},
		{&v1alpha1.Workspace{}, Owner, of(func(w *v1alpha1.Workspace) []string { return []string{string(w.Spec.Owner.User)} })},
		{&v1alpha1.Workspace{}, OwnerName, of(func(w *v1alpha1.Workspace) []string {
			return []string{OwnerNameKey(string(w.Spec.Owner.User), w.WireName())}
		})},
		{&v1alpha1.Workspace{}, Template, of(func(w *v1alpha1.Workspace) []string { return []string{w.Spec.TemplateRef.Key()} })},

		{&v1alpha1.WarmWorkspace{}, Template, of(func(w *v1alpha1.WarmWorkspace) []string { return []string{string(w.Spec.TemplateRef.Name)} })},

		{&v1alpha1.Workspace{}, Coming, of(func(w *v1alpha1.Workspace) []string {
			return []string{ids.Build(ids.Of(w), ComingNumber(w)).String()}
		})},

		{&v1alpha1.Workspace{}, Refused, of(func(w *v1alpha1.Workspace) []string {
			for _, c := range w.Status.Conditions {
				if c.Type == v1alpha1.ConditionStalled && c.Status == metav1.ConditionTrue {
					return []string{c.Reason}
				}
			}
			return nil
		})},

		{&v1alpha1.Workspace{}, Pod, of(func(w *v1alpha1.Workspace) []string { return podUID(w.Status.Pod) })},
		{&v1alpha1.WarmWorkspace{}, Pod, of(func(w *v1alpha1.WarmWorkspace) []string { return podUID(w.Status.Pod) })},

		{&v1alpha1.DeletedWorkspace{}, ID, wireID},
		{&v1alpha1.DeletedWorkspace{}, Owner, of(func(d *v1alpha1.DeletedWorkspace) []string { return []string{string(d.Spec.Owner.User)} })},
		{&v1alpha1.DeletedWorkspace{}, OwnerName, of(func(d *v1alpha1.DeletedWorkspace) []string {
			return []string{OwnerNameKey(string(d.Spec.Owner.User), d.WireName())}
		})},
		{&v1alpha1.DeletedWorkspace{}, Build, of(func(d *v1alpha1.DeletedWorkspace) []string {
			found := make([]string, 0, len(d.Spec.Builds))
			for _, b := range d.Spec.Builds {
				found = append(found, ids.Build(ids.Of(d), b.Number).String())
			}
			return found
		})},

		{&v1alpha1.WorkspaceBuild{}, ID, of(buildIDs)},
		{&v1alpha1.WorkspaceBuild{}, Pending, of(func(b *v1alpha1.WorkspaceBuild) []string {
			if b.Phase() != v1alpha1.JobPending || b.Annotations[v1alpha1.AnnotationOutcome] != "" {
				return nil
			}
			return []string{"true"}
		})},
		{&v1alpha1.WorkspaceBuild{}, AtWork, of(func(b *v1alpha1.WorkspaceBuild) []string {
			if !IsAtWork(b) {
				return nil
			}
			return []string{"true"}
		})},
		{&v1alpha1.WorkspaceBuild{}, Workspace, of(func(b *v1alpha1.WorkspaceBuild) []string {
			return []string{string(b.Spec.WorkspaceRef.UID)}
		})},
		{&v1alpha1.WorkspaceBuild{}, Version, of(func(b *v1alpha1.WorkspaceBuild) []string {
			if b.Spec.VersionRef == nil {
				return nil
			}
			return []string{string(b.Spec.VersionRef.UID)}
		})},
	}
}

// Acting are the indexes that the manager looks things up in: those of every kind but the ones by which only the wire names
// an object, or that another holds too. An index costs each object some hundreds of bytes. Those of within are only ever
// asked for one namespace.
func Acting() (all, within []Index) {
	for _, i := range append(All(), Workload()...) {
		_, build := i.Object.(*v1alpha1.WorkspaceBuild)
		switch {
		case i.Name == OfID:
			within = append(within, i)
		case i.Name == Pod || i.Name == Coming || i.Name == OpenTo || i.Name == Build || i.Name == Job || i.Name == PasswordSecret || build && (i.Name == ID || i.Name == Workspace):
		default:
			all = append(all, i)
		}
	}
	return all, within
}

// Workload are the indexes of what workspaces are made of, and of what lets people at them. Only the manager has use for them.
func Workload() []Index {
	return []Index{
		{&v1alpha1.TemplateVersion{}, UID, func(o client.Object) []string { return []string{string(o.GetUID())} }},
		{&v1alpha1.WarmWorkspace{}, OfID, labelID},
		{&rbacv1.Role{}, Bearer, bearers},
		{&rbacv1.RoleBinding{}, Bearer, bearers},
		{&corev1.Pod{}, OfID, labelID},
		{&corev1.PersistentVolumeClaim{}, OfID, labelID},
		{&v1alpha1.WorkspaceBuild{}, OfID, of(func(b *v1alpha1.WorkspaceBuild) []string {
			return slices.Compact(append(labelID(b), string(b.Spec.WorkspaceRef.UID)))
		})},
	}
}

// For are the indexes of the kinds of the objects given.
func For(kinds ...client.Object) []Index {
	var some []Index
	for _, i := range append(All(), Workload()...) {
		for _, k := range kinds {
			if fmt.Sprintf("%T", i.Object) == fmt.Sprintf("%T", k) {
				some = append(some, i)
			}
		}
	}
	return some
}

// IsAtWork tells whether a build is a start that has begun and not ended.
func IsAtWork(b *v1alpha1.WorkspaceBuild) bool {
	works := b.Phase() == v1alpha1.JobRunning || b.Phase() == v1alpha1.JobCanceling
	return works && b.Spec.Transition == v1alpha1.TransitionStart && b.Annotations[v1alpha1.AnnotationOutcome] == ""
}

// ComingNumber is the number of the build that a Workspace shows when it has none.
func ComingNumber(w *v1alpha1.Workspace) int64 {
	if w.Status.Build == nil {
		return w.LastBuild() + 1
	}
	return w.Status.Build.Number
}

// Fold is how a name or address is compared: without case.
func Fold(s string) string { return strings.ToLower(s) }

// OwnerNameKey is a Workspace's value in OwnerName: the User's metadata.name and the name on the wire. Neither holds a
// slash.
func OwnerNameKey(owner, name string) string { return owner + "/" + Fold(name) }

// SharedTemplate is the value in Template of the Workspaces that other organizations make of a template.
func SharedTemplate(t *v1alpha1.Template) string {
	return v1alpha1.TemplateReference{Organization: v1alpha1.ObjectName(t.Namespace), Name: v1alpha1.ObjectName(t.Name)}.Key()
}

// SubjectKey is a Kubernetes identity's value in Subject. Kinds hold no slash, and neither do namespaces.
func SubjectKey(s v1alpha1.Subject) string { return s.Kind + "/" + s.Namespace + "/" + s.Name }

// IdentityKey is an account's value in Identity, and what is claimed for whoever it is: a hash, since both parts are the
// provider's own texts, of whatever characters and in whatever capitals.
func IdentityKey(i v1alpha1.LinkedIdentity) string {
	sum := sha256.Sum256([]byte(i.Issuer + "\x00" + i.Subject))
	return hex.EncodeToString(sum[:])
}

// of makes an IndexerFunc of a function over one kind; other kinds have no values.
func of[T any](values func(T) []string) client.IndexerFunc {
	return func(o client.Object) []string {
		t, ok := o.(T)
		if !ok {
			return nil
		}
		return values(t)
	}
}

func wireID(o client.Object) []string {
	v, ok := o.(v1alpha1.Object)
	if !ok {
		return nil
	}
	return []string{ids.Of(v).String()}
}

func labelID(o client.Object) []string {
	if id := o.GetLabels()[v1alpha1.LabelID]; id != "" {
		return []string{id}
	}
	return nil
}

// BearerUser is a User, by metadata.name, in the index Bearer.
func BearerUser(name string) string { return name }

// BearerGroup is a Group in the index Bearer. No name of a User has a slash.
func BearerGroup(namespace, name string) string { return namespace + "/" + name }

// BearersOf are the Users, by metadata.name, that a Role or RoleBinding belongs to, if it is one of those that people have by
// their Users.
func BearersOf(o client.Object) []string { return accessOwners(o, "User") }

// BearingGroupsOf are the Groups of the namespace, by metadata.name, that a Role or RoleBinding belongs to, if it is one of
// those that people have by their Groups.
func BearingGroupsOf(o client.Object) []string { return accessOwners(o, "Group") }

func accessOwners(o client.Object, kind string) []string {
	if o.GetLabels()[v1alpha1.LabelAccess] == "" {
		return nil
	}
	var names []string
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == kind && ref.APIVersion == v1alpha1.GroupVersion.String() {
			names = append(names, ref.Name)
		}
	}
	return names
}

func bearers(o client.Object) []string {
	values := BearersOf(o)
	for _, name := range BearingGroupsOf(o) {
		values = append(values, BearerGroup(o.GetNamespace(), name))
	}
	return values
}

func wireName(o client.Object) []string {
	n, ok := o.(interface{ WireName() string })
	if !ok {
		return nil
	}
	return []string{Fold(n.WireName())}
}

// buildIDs are the ids that a build may have. Its id follows from its workspace's, which the build does not know: it is
// the workspace's uid where no spec.id was given, else what the label says. The label can be written by others, so
// whoever finds a build here compares the id with the one that follows from the workspace itself.
func buildIDs(b *v1alpha1.WorkspaceBuild) []string {
	var found []string
	for _, text := range []string{string(b.Spec.WorkspaceRef.UID), b.Labels[v1alpha1.LabelID]} {
		workspace, err := uuid.Parse(text)
		if err != nil {
			continue
		}
		id := ids.Build(workspace, b.Spec.Number).String()
		if len(found) == 0 || found[0] != id {
			found = append(found, id)
		}
	}
	return found
}
