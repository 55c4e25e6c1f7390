// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
)

// WorkspaceParts is a workspace, or one of its builds, with what its answer joins.
type WorkspaceParts struct {
	Workspace    *v1alpha1.Workspace
	Owner        *v1alpha1.User
	Organization *v1alpha1.Organization
	Template     *v1alpha1.Template
	// Active is the version that new starts take by the rollout: for this workspace, while another one comes out.
	Active *v1alpha1.TemplateVersion
	// Build is the newest build, or the one that was asked for; nil when there is none yet.
	Build *v1alpha1.WorkspaceBuild
	// Version is the build's version; the active one while there is no build, nil for a build whose version is gone.
	Version *v1alpha1.TemplateVersion
	// QueuePosition is a pending build's place among QueueSize that wait; both are 0 once it is at work.
	QueuePosition, QueueSize int
	// Begun is true where the build is pending only as the manager tells a moment later that it has taken it up.
	Begun bool
	// Deleted is true where the workspace is gone and this is what is remembered of it.
	Deleted bool
}

// WorkspaceFilter narrows a list by indexes. Empty fields don't narrow.
type WorkspaceFilter struct {
	// Owner is a User's metadata.name.
	Owner string
	// ID is the workspace's id on the wire.
	ID uuid.UUID
	// Template is a template's name on the wire, whatever its organization.
	Template string
}

// WorkspaceByID finds a workspace by its id on the wire, with its newest build.
func (s *Store) WorkspaceByID(ctx context.Context, id uuid.UUID) (WorkspaceParts, authz.Object, error) {
	return s.workspaceParts(first(list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.ID, id.String())))(ctx)
}

// WorkspaceByName finds a workspace by its owner and its name on the wire, without case, with its newest build.
func (s *Store) WorkspaceByName(ctx context.Context, owner *v1alpha1.User, name string) (WorkspaceParts, authz.Object, error) {
	return s.workspaceParts(first(list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.OwnerName, index.OwnerNameKey(owner.Name, name))))(ctx)
}

// workspaceParts joins a workspace that was found, or passes its error on.
func (s *Store) workspaceParts(w *v1alpha1.Workspace, err error) func(context.Context) (WorkspaceParts, authz.Object, error) {
	return func(ctx context.Context) (WorkspaceParts, authz.Object, error) {
		if err != nil {
			return WorkspaceParts{}, authz.Object{}, err
		}
		p, err := s.newJoin().workspace(ctx, w)
		if err != nil {
			return WorkspaceParts{}, authz.Object{}, err
		}
		return p, authz.WorkspaceObject(p.Organization.Name, p.Owner.Name), nil
	}
}

// Workspaces are the workspaces on the wire that the filter leaves and visible wants, each with its newest build. Visible
// is asked before anything is joined, with the organization's metadata.name.
func (s *Store) Workspaces(ctx context.Context, f WorkspaceFilter, visible func(authz.Object) bool) ([]WorkspaceParts, error) {
	all, err := s.narrowed(ctx, f)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *v1alpha1.Workspace) int { return older(a, b) })
	j := s.newJoin()
	names, taken := map[string]bool{}, map[uuid.UUID]bool{}
	found := make([]WorkspaceParts, 0, len(all))
	for _, w := range all {
		key := index.OwnerNameKey(string(w.Spec.Owner.User), w.WireName())
		if Hidden(w) || names[key] || taken[ids.Of(w)] {
			continue
		}
		names[key], taken[ids.Of(w)] = true, true
		p, err := j.visible(ctx, w, visible)
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

// narrowed are the workspaces that the index has which narrows most.
func (s *Store) narrowed(ctx context.Context, f WorkspaceFilter) ([]*v1alpha1.Workspace, error) {
	by := func(field, value string) ([]*v1alpha1.Workspace, error) {
		return list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, field, value)
	}
	switch {
	case f.ID != uuid.Nil:
		return by(index.ID, f.ID.String())
	case f.Owner != "":
		return by(index.Owner, f.Owner)
	case f.Template == "":
		return by("", "")
	}
	templates, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, index.Name, index.Fold(f.Template))
	if err != nil {
		return nil, err
	}
	names := map[v1alpha1.ObjectName]bool{} // two organizations may have one of the name
	var all []*v1alpha1.Workspace
	for _, t := range templates {
		shared, err := by(index.Template, index.SharedTemplate(t))
		if err != nil {
			return nil, err
		}
		all = append(all, shared...)
		name := v1alpha1.ObjectName(t.Name)
		if names[name] {
			continue
		}
		names[name] = true
		some, err := by(index.Template, t.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// WorkspaceNameTaken tells whether an owner has a workspace of the name, on the wire or not.
func (s *Store) WorkspaceNameTaken(ctx context.Context, owner *v1alpha1.User, name string) (bool, error) {
	all, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.OwnerName, index.OwnerNameKey(owner.Name, name))
	return len(all) > 0, err
}

// Builds are the builds of a workspace that there are, newest first, each as parts of its own.
func (s *Store) Builds(ctx context.Context, p WorkspaceParts) ([]WorkspaceParts, error) {
	j := s.newJoin()
	builds, err := j.builds(ctx, p.Workspace)
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return []WorkspaceParts{p}, nil // the coming build
	}
	parts := make([]WorkspaceParts, 0, len(builds))
	for _, b := range builds {
		one := p
		if err := j.setBuild(ctx, &one, b); err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
	return parts, nil
}

// WithBuild makes a workspace's parts speak of another of its builds, such as one that was just made.
func (s *Store) WithBuild(ctx context.Context, p WorkspaceParts, b *v1alpha1.WorkspaceBuild) (WorkspaceParts, error) {
	err := s.newJoin().setBuild(ctx, &p, b)
	return p, err
}

// NextNumber is the number of a workspace's next build, as long as the newest one is still that of the parts, by which the
// caller has judged whether another may begin; a Conflict where somebody was faster, since a number above theirs would put
// a second build beside one at work.
func (s *Store) NextNumber(ctx context.Context, p WorkspaceParts) (int64, error) {
	builds, err := s.newJoin().builds(ctx, p.Workspace)
	if err != nil {
		return 0, err
	}
	if len(builds) > 0 && (p.Build == nil || builds[0].UID != p.Build.UID) {
		return 0, ActiveBuild()
	}
	return ledger.Next(p.Workspace, builds), nil
}

// LastStart is the newest of a workspace's starts that went well; nil when there was none.
func (s *Store) LastStart(ctx context.Context, w *v1alpha1.Workspace) (*v1alpha1.WorkspaceBuild, error) {
	builds, err := s.newJoin().builds(ctx, w)
	return ledger.LastStart(builds), err
}

// BuildByNumber is a workspace's build of the number.
func (s *Store) BuildByNumber(ctx context.Context, p WorkspaceParts, number int64) (WorkspaceParts, error) {
	builds, err := s.Builds(ctx, p)
	if err != nil {
		return WorkspaceParts{}, err
	}
	for _, b := range builds {
		if b.Number() == number {
			return b, nil
		}
	}
	return WorkspaceParts{}, notFound()
}

// BuildByID finds a build by its id on the wire. A build that only says whose it is counts when the id follows from the
// workspace that it names.
func (s *Store) BuildByID(ctx context.Context, id uuid.UUID) (WorkspaceParts, authz.Object, error) {
	none := func(err error) (WorkspaceParts, authz.Object, error) { return WorkspaceParts{}, authz.Object{}, err }
	found, err := list[*v1alpha1.WorkspaceBuild](ctx, s, &v1alpha1.WorkspaceBuildList{}, index.ID, id.String())
	if err != nil {
		return none(err)
	}
	for _, b := range found {
		w := &v1alpha1.Workspace{}
		err := s.get(ctx, b.Namespace, string(b.Spec.WorkspaceRef.Name), w)
		if fault.Is(err, fault.NotFound) || err == nil && (w.UID != b.Spec.WorkspaceRef.UID || Hidden(w) || ids.Build(ids.Of(w), b.Spec.Number) != id) {
			continue
		}
		if err != nil {
			return none(err)
		}
		p, rights, err := s.workspaceParts(w, nil)(ctx)
		if err != nil {
			return none(err)
		}
		p, err = s.BuildByNumber(ctx, p, b.Spec.Number)
		return p, rights, err
	}
	p, rights, err := s.workspaceParts(first(list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Coming, id.String())))(ctx)
	if fault.Is(err, fault.NotFound) {
		return s.deletedBuild(ctx, id)
	}
	if err != nil {
		return none(err)
	}
	if p.Build != nil {
		return none(notFound())
	}
	return p, rights, nil
}

// Number is the number of the build that is shown.
func (p WorkspaceParts) Number() int64 {
	if p.Build == nil {
		return index.ComingNumber(p.Workspace)
	}
	return p.Build.Spec.Number
}

// inNamespace is a list's option.
func inNamespace(o client.Object) client.ListOption { return client.InNamespace(o.GetNamespace()) }
