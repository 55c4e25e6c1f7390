// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// WorkspaceOrDeletedByID finds a workspace by its id on the wire, or what is remembered of one that was deleted.
func (s *Store) WorkspaceOrDeletedByID(ctx context.Context, id uuid.UUID) (WorkspaceParts, authz.Object, error) {
	p, rights, err := s.WorkspaceByID(ctx, id)
	if !fault.Is(err, fault.NotFound) {
		return p, rights, err
	}
	return s.lastDeleted(list[*v1alpha1.DeletedWorkspace](ctx, s, &v1alpha1.DeletedWorkspaceList{}, index.ID, id.String()))(ctx)
}

// DeletedByName finds what is remembered of the last workspace of a name that its owner had.
func (s *Store) DeletedByName(ctx context.Context, owner *v1alpha1.User, name string) (WorkspaceParts, authz.Object, error) {
	return s.lastDeleted(list[*v1alpha1.DeletedWorkspace](ctx, s, &v1alpha1.DeletedWorkspaceList{}, index.OwnerName, index.OwnerNameKey(owner.Name, name)))(ctx)
}

// DeletedWorkspaces are the deleted workspaces that are remembered and that the filter leaves, the last deleted first, each
// as it was at last. One that is there again is not deleted.
func (s *Store) DeletedWorkspaces(ctx context.Context, f WorkspaceFilter, visible func(authz.Object) bool) ([]WorkspaceParts, error) {
	field, value := "", ""
	switch {
	case f.ID != uuid.Nil:
		field, value = index.ID, f.ID.String()
	case f.Owner != "":
		field, value = index.Owner, f.Owner
	}
	all, err := list[*v1alpha1.DeletedWorkspace](ctx, s, &v1alpha1.DeletedWorkspaceList{}, field, value)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, lastFirst)
	j, seen := s.newJoin(), map[uuid.UUID]bool{}
	found := make([]WorkspaceParts, 0, len(all))
	for _, d := range all {
		if seen[ids.Of(d)] {
			continue
		}
		seen[ids.Of(d)] = true
		back, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.ID, ids.Of(d).String())
		if err != nil {
			return nil, err
		}
		p, err := j.deleted(ctx, d)
		if fault.Is(err, fault.NotFound) || err == nil && (len(back) > 0 || !visible(authz.WorkspaceObject(p.Organization.Name, p.Owner.Name))) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// deletedBuild finds a build of a deleted workspace by its id on the wire.
func (s *Store) deletedBuild(ctx context.Context, id uuid.UUID) (WorkspaceParts, authz.Object, error) {
	found, err := list[*v1alpha1.DeletedWorkspace](ctx, s, &v1alpha1.DeletedWorkspaceList{}, index.Build, id.String())
	p, rights, err := s.lastDeleted(found, err)(ctx)
	if err != nil {
		return WorkspaceParts{}, authz.Object{}, err
	}
	d := slices.MinFunc(found, lastFirst)
	for _, b := range d.Spec.Builds {
		if ids.Build(ids.Of(d), b.Number) != id {
			continue
		}
		build, err := remembered[v1alpha1.WorkspaceBuild](b.Build.Raw)
		if err != nil {
			return WorkspaceParts{}, authz.Object{}, err
		}
		p, err = s.WithBuild(ctx, p, build)
		return p, rights, err
	}
	return WorkspaceParts{}, authz.Object{}, notFound()
}

// lastDeleted joins the last of the records that were found, or passes an error on. Who may see it is as it was for the
// workspace.
func (s *Store) lastDeleted(found []*v1alpha1.DeletedWorkspace, err error) func(context.Context) (WorkspaceParts, authz.Object, error) {
	return func(ctx context.Context) (WorkspaceParts, authz.Object, error) {
		if err == nil && len(found) == 0 {
			err = notFound()
		}
		if err != nil {
			return WorkspaceParts{}, authz.Object{}, err
		}
		p, err := s.newJoin().deleted(ctx, slices.MinFunc(found, lastFirst))
		if err != nil {
			return WorkspaceParts{}, authz.Object{}, err
		}
		return p, authz.WorkspaceObject(p.Organization.Name, p.Owner.Name), nil
	}
}

// lastFirst orders records by when the workspace was gone, the last one first.
func lastFirst(a, b *v1alpha1.DeletedWorkspace) int {
	return cmp.Or(cmp.Compare(b.Spec.DeletedAt, a.Spec.DeletedAt), cmp.Compare(a.UID, b.UID))
}

// deleted joins what is remembered of a workspace. The object is its last state, whose namespace, owner and id are those
// of the record: what a record says it was decides who may see it.
func (j *join) deleted(ctx context.Context, d *v1alpha1.DeletedWorkspace) (WorkspaceParts, error) {
	w, err := remembered[v1alpha1.Workspace](d.Spec.Workspace.Raw)
	if err != nil {
		return WorkspaceParts{}, err
	}
	w.Namespace, w.Name, w.Spec.ID, w.Spec.Owner, w.Spec.TemplateRef = d.Namespace, string(d.Spec.ObjectName), d.Spec.ID, d.Spec.Owner, d.Spec.TemplateRef
	w.UID = "" // no build that is there belongs to it
	p, err := j.workspace(ctx, w)
	if err != nil {
		return WorkspaceParts{}, err
	}
	p.Deleted = true
	if len(d.Spec.Builds) == 0 {
		return p, nil
	}
	last, err := remembered[v1alpha1.WorkspaceBuild](d.Spec.Builds[0].Build.Raw)
	if err != nil {
		return WorkspaceParts{}, err
	}
	return p, j.setBuild(ctx, &p, last)
}

// remembered reads an object that a record holds.
func remembered[T any](raw []byte) (*T, error) {
	o := new(T)
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, fmt.Errorf("reading a deleted workspace's record: %w", err)
	}
	return o, nil
}
