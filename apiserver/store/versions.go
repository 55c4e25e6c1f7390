// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// VersionByName is the version of a template that has the name on the wire, without case; of several the oldest.
func (s *Store) VersionByName(ctx context.Context, t TemplateParts, name string) (VersionParts, error) {
	all, err := s.Versions(ctx, t, true)
	if err != nil {
		return VersionParts{}, err
	}
	i := slices.IndexFunc(all, func(v VersionParts) bool { return index.Fold(v.Version.WireName()) == index.Fold(name) })
	if i < 0 {
		return VersionParts{}, notFound()
	}
	return all[i], nil
}

// VersionBefore is the version of a template that was made just before another one; NotFound before the first.
func (s *Store) VersionBefore(ctx context.Context, t TemplateParts, v *v1alpha1.TemplateVersion) (VersionParts, error) {
	all, err := s.Versions(ctx, t, true)
	if err != nil {
		return VersionParts{}, err
	}
	i := slices.IndexFunc(all, func(o VersionParts) bool { return o.Version.UID == v.UID })
	if i < 1 {
		return VersionParts{}, notFound()
	}
	return all[i-1], nil
}

// RenameVersion is ChangeVersion by an edit that gives the version the name. One that another version of its template has
// is a Conflict; a version of no template has its name to itself.
func (s *Store) RenameVersion(ctx context.Context, p VersionParts, name string, edit func(*v1alpha1.TemplateVersion) error) (*v1alpha1.TemplateVersion, error) {
	if p.Template == nil {
		return s.ChangeVersion(ctx, p.Version, edit)
	}
	var changed *v1alpha1.TemplateVersion
	claim := claims.Claim{Kind: claims.VersionName, Value: p.Template.Namespace + "/" + p.Template.Name + "/" + name}
	err := s.alone(ctx, claim, func() error {
		var all v1alpha1.TemplateVersionList
		if err := s.live.List(ctx, &all, client.InNamespace(p.Template.Namespace)); err != nil {
			return asFault(err)
		}
		for i := range all.Items {
			o := &all.Items[i]
			if o.UID != p.Version.UID && ofTemplate(o, p.Template) && index.Fold(o.WireName()) == index.Fold(name) {
				f := fault.New(fault.Conflict, "A version of this name exists already in template %s.", p.Template.WireName())
				f.Fields = []fault.Field{{Path: "name", Detail: "This value is already in use and should be unique."}}
				return f
			}
		}
		var err error
		changed, err = s.ChangeVersion(ctx, p.Version, edit)
		return err
	})
	return changed, err
}

func ofTemplate(v *v1alpha1.TemplateVersion, t *v1alpha1.Template) bool {
	return v.Namespace == t.Namespace && v.Spec.TemplateRef != nil && string(v.Spec.TemplateRef.Name) == t.Name
}

// ArchiveUnused archives the versions of a template that were checked and that nothing needs: not its active one, not
// one that its rollout, its hold or a workspace names, and none of a workspace's newest build. Unless all is asked for,
// only those are meant whose check has failed. It gives their ids, oldest first.
func (s *Store) ArchiveUnused(ctx context.Context, t TemplateParts, all bool) ([]uuid.UUID, error) {
	versions, err := s.Versions(ctx, t, false)
	if err != nil {
		return nil, err
	}
	named, err := s.namedVersions(ctx, t.Template)
	if err != nil {
		return nil, err
	}
	archived := []uuid.UUID{}
	for _, v := range versions {
		job := v.Version.Status.Job
		if job == nil || !job.Phase.Ended() || !all && job.Phase == v1alpha1.JobSucceeded {
			continue
		}
		if v.Version.UID == t.Active.UID || named[v.Version.Name] {
			continue
		}
		used, err := s.used(ctx, v.Version)
		if err != nil {
			return nil, err
		}
		if used {
			continue
		}
		if _, err := s.ChangeVersion(ctx, v.Version, func(v *v1alpha1.TemplateVersion) error {
			v.Spec.Archived = true
			return nil
		}); err != nil {
			return nil, err
		}
		archived = append(archived, ids.Of(v.Version))
	}
	return archived, nil
}

// namedVersions are the versions, by metadata.name, that a template or one of its workspaces names.
func (s *Store) namedVersions(ctx context.Context, t *v1alpha1.Template) (map[string]bool, error) {
	named := map[string]bool{}
	if t.Spec.Rollout != nil {
		named[string(t.Spec.Rollout.Pin)] = true
	}
	if t.Spec.Hold != nil {
		named[string(t.Spec.Hold.Version)] = true
	}
	if t.Status.Candidate != nil {
		named[string(t.Status.Candidate.Name)] = true
	}
	workspaces, err := s.WorkspacesOf(ctx, t)
	for _, w := range workspaces {
		if w.Spec.VersionRef != nil {
			named[string(w.Spec.VersionRef.Name)] = true
		}
	}
	return named, err
}

// used tells whether a workspace's newest build, or one that is still to be accepted, takes the version.
func (s *Store) used(ctx context.Context, v *v1alpha1.TemplateVersion) (bool, error) {
	builds, err := list[*v1alpha1.WorkspaceBuild](ctx, s, &v1alpha1.WorkspaceBuildList{}, index.Version, string(v.UID))
	if err != nil {
		return false, err
	}
	for _, b := range builds {
		w := &v1alpha1.Workspace{}
		err := s.get(ctx, b.Namespace, string(b.Spec.WorkspaceRef.Name), w)
		if fault.Is(err, fault.NotFound) || err == nil && w.UID != b.Spec.WorkspaceRef.UID {
			continue
		}
		if err != nil {
			return false, err
		}
		if w.Status.Build == nil || b.Spec.Number >= w.Status.Build.Number {
			return true, nil
		}
	}
	return false, nil
}
