// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/files"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
)

// Files are the uploaded archives. They are read from the cluster whenever they are asked for: no cache holds any.
func (s *Store) Files(now func() time.Time) *files.Files {
	return &files.Files{Client: s.live, Namespace: s.namespace, Now: now}
}

// VersionsOfFile are the versions whose content can be had as the archive of that id.
func (s *Store) VersionsOfFile(ctx context.Context, id uuid.UUID) ([]VersionParts, error) {
	all, err := list[*v1alpha1.TemplateVersion](ctx, s, &v1alpha1.TemplateVersionList{}, index.File, id.String())
	if err != nil {
		return nil, err
	}
	var found []VersionParts
	for _, v := range all {
		if Hidden(v) {
			continue
		}
		p, err := s.joinVersion(ctx, v)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// EditsTemplates tells whether the caller may change a template of an organization that the caller belongs to.
func (s *Store) EditsTemplates(ctx context.Context, caller *authz.Caller) (bool, error) {
	for organization := range caller.Memberships {
		if edits, err := s.edited(ctx, caller, organization); edits != nil || err != nil {
			return edits != nil, err
		}
	}
	return false, nil
}

// edited is a template of the organization that the caller may change; nil when there is none.
func (s *Store) edited(ctx context.Context, caller *authz.Caller, organization string) (*v1alpha1.Template, error) {
	all, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, "", "", client.InNamespace(organization))
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if !Hidden(t) && caller.Can(authz.Update, authz.TemplateObject(t)) {
			return t, nil
		}
	}
	return nil, nil
}

// ImportRights is what rights to make versions in an organization depend on: to make templates there, or to change one that
// is there. Who has neither sees the organization at most.
func (s *Store) ImportRights(ctx context.Context, caller *authz.Caller, o *v1alpha1.Organization) (authz.Object, error) {
	if rights := authz.NewTemplate(o.Name); caller.Can(authz.Create, rights) {
		return rights, nil
	}
	t, err := s.edited(ctx, caller, o.Name)
	if t != nil {
		return authz.TemplateObject(t), nil
	}
	return authz.OrganizationObject(o), err
}

// ContentPath is where the content of a version stands; refusals of the cluster's schema name fields below it.
const ContentPath = "spec.content"

// longestStem leaves room for what makes a version's metadata.name its own.
const longestStem = 180

// CreateVersion stores a version that has a name on the wire. A name that its template has already, whatever the capitals,
// is a Conflict.
func (s *Store) CreateVersion(ctx context.Context, v *v1alpha1.TemplateVersion) (*v1alpha1.TemplateVersion, error) {
	if v.Spec.TemplateRef == nil {
		made := v.DeepCopy()
		made.GenerateName = "version-"
		return made, asFault(s.client.Create(ctx, made))
	}
	var made *v1alpha1.TemplateVersion
	claim := claims.Claim{Kind: claims.VersionName, Value: v.Namespace + "/" + string(v.Spec.TemplateRef.Name) + "/" + v.WireName()}
	err := s.alone(ctx, claim, func() (err error) {
		made, err = s.createVersion(ctx, v)
		return err
	})
	return made, err
}

// createVersion is CreateVersion while nobody else gives the name.
func (s *Store) createVersion(ctx context.Context, v *v1alpha1.TemplateVersion) (*v1alpha1.TemplateVersion, error) {
	template := string(v.Spec.TemplateRef.Name)
	var versions v1alpha1.TemplateVersionList
	if err := s.live.List(ctx, &versions, inNamespace(v)); err != nil {
		return nil, asFault(err)
	}
	for i := range versions.Items {
		other := &versions.Items[i]
		if ref := other.Spec.TemplateRef; ref != nil && string(ref.Name) == template && index.Fold(other.WireName()) == index.Fold(v.WireName()) {
			return nil, versionNameTaken()
		}
	}
	made := v.DeepCopy()
	made.GenerateName = strings.TrimRight(template[:min(len(template), longestStem)], "-.") + "-u"
	return made, asFault(s.client.Create(ctx, made))
}

func versionNameTaken() error {
	f := fault.New(fault.Conflict, "A template version of this name exists already.")
	f.Fields = []fault.Field{{Path: "name", Detail: "This value is already in use and should be unique."}}
	return f
}

// CreateVariables stores the values of a version's sensitive variables: in a Secret that goes with the version, that is
// open to templates, and that this process can't read again.
func (s *Store) CreateVariables(ctx context.Context, v *v1alpha1.TemplateVersion, name string, values map[string]string) error {
	return asFault(s.live.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v.Namespace, Name: name,
			Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, render.LabelMountable: "true"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "TemplateVersion", Name: v.Name, UID: v.UID,
				Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(false),
			}},
		},
		StringData: values,
		Immutable:  ptr.To(true),
	}))
}

// CancelVersion asks the check of a version to end; edit writes the wish, or refuses.
func (s *Store) CancelVersion(ctx context.Context, v *v1alpha1.TemplateVersion, edit func(*v1alpha1.TemplateVersion) error) error {
	_, err := change(ctx, s, v, &v1alpha1.TemplateVersion{}, edit)
	return err
}

// CreateDryRun stores a dry run.
func (s *Store) CreateDryRun(ctx context.Context, d *v1alpha1.DryRun) (*v1alpha1.DryRun, error) {
	return d, asFault(s.client.Create(ctx, d))
}

// DryRuns is how many dry runs of a User an organization keeps.
func (s *Store) DryRuns(ctx context.Context, o *v1alpha1.Organization, user string) (int, error) {
	all, err := list[*v1alpha1.DryRun](ctx, s, &v1alpha1.DryRunList{}, index.Owner, user, client.InNamespace(o.Name))
	return len(all), err
}

// DryRunByJob finds a dry run of a version by the id of its job.
func (s *Store) DryRunByJob(ctx context.Context, v *v1alpha1.TemplateVersion, job uuid.UUID) (*v1alpha1.DryRun, error) {
	d, err := first(list[*v1alpha1.DryRun](ctx, s, &v1alpha1.DryRunList{}, index.Job, job.String(), inNamespace(v)))
	if err != nil {
		return nil, err
	}
	if d.Spec.VersionRef.UID != v.UID {
		return nil, notFound()
	}
	return d, nil
}

// CancelDryRun is as CancelVersion.
func (s *Store) CancelDryRun(ctx context.Context, d *v1alpha1.DryRun, edit func(*v1alpha1.DryRun) error) error {
	_, err := change(ctx, s, d, &v1alpha1.DryRun{}, edit)
	return err
}
