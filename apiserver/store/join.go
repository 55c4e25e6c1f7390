// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
)

// join gathers what belongs to workspaces. It remembers for the length of one answer what many of them share, so that a
// list looks each template up once, and two rows of it never differ.
type join struct {
	store         *Store
	organizations map[string]answer[*v1alpha1.Organization] // by namespace
	owners        map[string]answer[*v1alpha1.User]
	templates     map[string]answer[TemplateParts] // by namespace/name
	versions      map[v1alpha1.UIDReference]answer[*v1alpha1.TemplateVersion]
	groups        map[string]answer[map[types.NamespacedName]bool] // by owner
	// waiting are the places of the builds that wait, by uid; nil until one is asked for.
	waiting map[types.UID]int
	// queued is true where one of them is held up, as too many starts are at work.
	queued bool
}

type answer[T any] struct {
	value T
	err   error
}

func (s *Store) newJoin() *join {
	return &join{
		store:         s,
		organizations: map[string]answer[*v1alpha1.Organization]{},
		owners:        map[string]answer[*v1alpha1.User]{},
		templates:     map[string]answer[TemplateParts]{},
		versions:      map[v1alpha1.UIDReference]answer[*v1alpha1.TemplateVersion]{},
		groups:        map[string]answer[map[types.NamespacedName]bool]{},
	}
}

// once asks and remembers.
func once[K comparable, T any](known map[K]answer[T], key K, ask func() (T, error)) (T, error) {
	a, ok := known[key]
	if !ok {
		a.value, a.err = ask()
		known[key] = a
	}
	return a.value, a.err
}

// visible joins a workspace that the caller wants; NotFound for another.
func (j *join) visible(ctx context.Context, w *v1alpha1.Workspace, visible func(authz.Object) bool) (WorkspaceParts, error) {
	o, err := j.organization(ctx, w.Namespace)
	if err != nil {
		return WorkspaceParts{}, err
	}
	if !visible(authz.WorkspaceObject(o.Name, string(w.Spec.Owner.User))) {
		return WorkspaceParts{}, notFound()
	}
	return j.workspace(ctx, w)
}

// workspace joins what a workspace shows. It is NotFound when its owner, its template or its organization is not there:
// what can't be shown whole is not on the wire, and kubectl says why.
func (j *join) workspace(ctx context.Context, w *v1alpha1.Workspace) (WorkspaceParts, error) {
	o, err := j.organization(ctx, w.Namespace)
	if err != nil {
		return WorkspaceParts{}, err
	}
	owner, err := once(j.owners, string(w.Spec.Owner.User), func() (*v1alpha1.User, error) {
		return j.store.User(ctx, string(w.Spec.Owner.User))
	})
	if err != nil {
		return WorkspaceParts{}, err
	}
	home, name := w.Spec.TemplateRef.Home(o.Name), string(w.Spec.TemplateRef.Name)
	t, err := once(j.templates, home+"/"+name, func() (TemplateParts, error) {
		t, err := j.store.template(ctx, home, name)
		if err != nil {
			return TemplateParts{}, err
		}
		return j.store.joinTemplate(ctx, t)
	})
	if err != nil {
		return WorkspaceParts{}, err
	}
	p := WorkspaceParts{Workspace: w, Owner: owner, Organization: o, Template: t.Template}
	if p.Active, err = j.due(ctx, t, owner, w.WireName()); err != nil {
		return WorkspaceParts{}, err
	}
	builds, err := j.builds(ctx, w)
	if err != nil {
		return WorkspaceParts{}, err
	}
	if len(builds) == 0 {
		p.Version = p.Active
		return p, nil
	}
	return p, j.setBuild(ctx, &p, builds[0])
}

func (j *join) organization(ctx context.Context, namespace string) (*v1alpha1.Organization, error) {
	return once(j.organizations, namespace, func() (*v1alpha1.Organization, error) {
		return j.store.organizationOfNamespace(ctx, namespace)
	})
}

// builds are a workspace's own builds, newest first. A number is decided by the name that goes with it, so of two builds
// of a number the one of that name counts; another was made by hand.
func (j *join) builds(ctx context.Context, w *v1alpha1.Workspace) ([]*v1alpha1.WorkspaceBuild, error) {
	found, err := list[*v1alpha1.WorkspaceBuild](ctx, j.store, &v1alpha1.WorkspaceBuildList{}, index.Workspace, string(w.UID), inNamespace(w))
	handmade := func(b *v1alpha1.WorkspaceBuild) int {
		if b.Name == ledger.Name(w.Name, b.Spec.Number) {
			return 0
		}
		return 1
	}
	slices.SortFunc(found, func(a, b *v1alpha1.WorkspaceBuild) int {
		return cmp.Or(cmp.Compare(b.Spec.Number, a.Spec.Number), handmade(a)-handmade(b), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(found, func(a, b *v1alpha1.WorkspaceBuild) bool { return a.Spec.Number == b.Spec.Number }), err
}

// queue is a pending build's place among those that wait, first come first, and how many they are; nothing for any other.
// One that the manager has taken up is begun, and not told so for a moment: a stop or a deletion, which waits for nothing,
// and a start while none is held up since too many are at work.
func (j *join) queue(ctx context.Context, w *v1alpha1.Workspace, b *v1alpha1.WorkspaceBuild) (position, size int, begun bool, err error) {
	if b.Phase() != v1alpha1.JobPending || !ledger.InProgress(b) {
		return 0, 0, false, nil
	}
	if j.waiting == nil {
		all, err := list[*v1alpha1.WorkspaceBuild](ctx, j.store, &v1alpha1.WorkspaceBuildList{}, index.Pending, "true")
		if err != nil {
			return 0, 0, false, err
		}
		slices.SortFunc(all, func(a, b *v1alpha1.WorkspaceBuild) int {
			return cmp.Or(v1alpha1.CreatedAt(a).Compare(v1alpha1.CreatedAt(b)), cmp.Compare(a.UID, b.UID))
		})
		j.waiting = make(map[types.UID]int, len(all))
		for i, waits := range all {
			j.waiting[waits.UID] = i + 1
			ready := meta.FindStatusCondition(waits.Status.Conditions, v1alpha1.ConditionReady)
			j.queued = j.queued || ready != nil && ready.Reason == v1alpha1.ReasonQueued
		}
	}
	if ledger.IsAccepted(w, b) && (b.Spec.Transition != v1alpha1.TransitionStart || !j.queued) {
		return 0, 0, true, nil
	}
	return j.waiting[b.UID], len(j.waiting), false, nil
}

// setBuild makes parts speak of a build.
func (j *join) setBuild(ctx context.Context, p *WorkspaceParts, b *v1alpha1.WorkspaceBuild) (err error) {
	p.Build, p.Version = b, nil
	if p.QueuePosition, p.QueueSize, p.Begun, err = j.queue(ctx, p.Workspace, b); err != nil {
		return err
	}
	if b.Spec.VersionRef == nil {
		p.Version = p.Active // a deletion may have none
		return nil
	}
	v, err := once(j.versions, *b.Spec.VersionRef, func() (*v1alpha1.TemplateVersion, error) {
		return j.store.version(ctx, p.Template.Namespace, *b.Spec.VersionRef)
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	p.Version = v
	return err
}
