// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/ledger"
)

// tries is how often an edit is made anew when somebody else was faster.
const tries = 3

// ChangeWorkspace edits a workspace that was read from the store. See change.
func (s *Store) ChangeWorkspace(ctx context.Context, w *v1alpha1.Workspace, edit func(*v1alpha1.Workspace) error) (*v1alpha1.Workspace, error) {
	return change(ctx, s, w, &v1alpha1.Workspace{}, edit)
}

// ChangeBuild edits a build that was read from the store. See change.
func (s *Store) ChangeBuild(ctx context.Context, b *v1alpha1.WorkspaceBuild, edit func(*v1alpha1.WorkspaceBuild) error) (*v1alpha1.WorkspaceBuild, error) {
	return change(ctx, s, b, &v1alpha1.WorkspaceBuild{}, edit)
}

// ChangeUser edits a User that was read from the store. See change.
func (s *Store) ChangeUser(ctx context.Context, u *v1alpha1.User, edit func(*v1alpha1.User) error) (*v1alpha1.User, error) {
	return change(ctx, s, u, &v1alpha1.User{}, edit)
}

// ChangeGroup edits a Group that was read from the store. See change.
func (s *Store) ChangeGroup(ctx context.Context, g *v1alpha1.Group, edit func(*v1alpha1.Group) error) (*v1alpha1.Group, error) {
	return change(ctx, s, g, &v1alpha1.Group{}, edit)
}

// ChangeOrganization edits an Organization that was read from the store. See change.
func (s *Store) ChangeOrganization(ctx context.Context, o *v1alpha1.Organization, edit func(*v1alpha1.Organization) error) (*v1alpha1.Organization, error) {
	return change(ctx, s, o, &v1alpha1.Organization{}, edit)
}

// ChangeTemplate edits a Template that was read from the store. See change.
func (s *Store) ChangeTemplate(ctx context.Context, t *v1alpha1.Template, edit func(*v1alpha1.Template) error) (*v1alpha1.Template, error) {
	return change(ctx, s, t, &v1alpha1.Template{}, edit)
}

// ChangeVersion edits a TemplateVersion that was read from the store. See change.
func (s *Store) ChangeVersion(ctx context.Context, v *v1alpha1.TemplateVersion, edit func(*v1alpha1.TemplateVersion) error) (*v1alpha1.TemplateVersion, error) {
	return change(ctx, s, v, &v1alpha1.TemplateVersion{}, edit)
}

// editable is an object that can be copied as itself and that people know by a name.
type editable[T any] interface {
	v1alpha1.Object
	DeepCopy() T
	WireName() string
}

// change edits an object: edit gets a copy, and what it changed is sent as a merge patch that holds nothing else, bound
// to the object's uid and resourceVersion. A field of the spec that a GitOps tool holds is refused by its name, whoever
// edits it. When somebody else was faster, the object is read again, live, and edit is asked again, so it must follow from
// its argument alone. An edit that changes nothing writes nothing.
func change[T editable[T]](ctx context.Context, s *Store, object, fresh T, edit func(T) error) (T, error) {
	var none T
	key, uid := client.ObjectKeyFromObject(object), object.GetUID()
	for try := 1; ; try++ {
		after := object.DeepCopy()
		if err := edit(after); err != nil {
			return none, err
		}
		changes, err := changesOf(object, after)
		if err != nil || len(changes) == 0 {
			return after, err
		}
		if err := gitops.Refuse(object, kindOf(object)+" "+object.WireName(), changes); err != nil {
			return none, onWire(err, object)
		}
		patch, err := bound(changes, object)
		if err != nil {
			return none, err
		}
		err = s.client.Patch(ctx, after, knowing{client.RawPatch(types.MergePatchType, patch), object})
		if !apierrors.IsConflict(err) || try == tries {
			return after, asFault(err)
		}
		if err := s.live.Get(ctx, key, fresh); err != nil {
			return none, asFault(err)
		}
		if fresh.GetUID() != uid {
			return none, notFound() // a successor of the name is another object
		}
		if _, err := trim(fresh); err != nil {
			return none, err
		}
		object = fresh.DeepCopy()
	}
}

// kindOf is what an object is called in a sentence.
func kindOf(o v1alpha1.Object) string { return reflect.TypeOf(o).Elem().Name() }

// changesOf is the merge patch from one state of an object to another; empty when there is no difference.
func changesOf(before, after v1alpha1.Object) (map[string]any, error) {
	data, err := client.MergeFrom(before).Data(after)
	if err != nil {
		return nil, err
	}
	var changes map[string]any
	return changes, json.Unmarshal(data, &changes)
}

// bound is a merge patch that reaches the object as it was read, and no other: without the uid a patch of a name that was
// deleted and made anew would reach the wrong object; without the version it would overwrite an edit that nobody has seen.
func bound(changes map[string]any, before v1alpha1.Object) ([]byte, error) {
	metadata, ok := changes["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
	}
	metadata["uid"], metadata["resourceVersion"] = before.GetUID(), before.GetResourceVersion()
	changes["metadata"] = metadata
	return json.Marshal(changes)
}

// CreateWorkspace stores a new workspace. A name that is taken in the namespace is a Conflict.
func (s *Store) CreateWorkspace(ctx context.Context, w *v1alpha1.Workspace) error {
	return asFault(s.client.Create(ctx, w))
}

// CreateBuild stores a new build, and is the one point at which its number is decided: the cluster refuses the second of
// a name. Where there is one already, it is the answer if it asks for the same of the same workspace and has not ended,
// so that a request sent twice makes one build. One of an earlier workspace of the name is waited for while it goes. Any
// other is a Conflict.
func (s *Store) CreateBuild(ctx context.Context, b *v1alpha1.WorkspaceBuild) (*v1alpha1.WorkspaceBuild, error) {
	var result *v1alpha1.WorkspaceBuild
	attempt := func(ctx context.Context) (bool, error) {
		created := b.DeepCopy()
		err := s.client.Create(ctx, created)
		if err == nil {
			result = created
			return true, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return false, asFault(err)
		}
		there := &v1alpha1.WorkspaceBuild{}
		if err := s.live.Get(ctx, client.ObjectKeyFromObject(b), there); err != nil {
			return false, client.IgnoreNotFound(err) // gone meanwhile: the number is free
		}
		switch {
		case there.Spec.WorkspaceRef.UID != b.Spec.WorkspaceRef.UID:
			return false, nil
		case ledger.InProgress(there) && ledger.Same(&there.Spec, &b.Spec):
			result = there
			return true, nil
		}
		return false, ActiveBuild()
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, attempt)
	if err != nil {
		if wait.Interrupted(err) {
			return nil, &fault.Error{Kind: fault.Unavailable, Cause: err,
				Message: "A build of an earlier workspace of this name is still being removed. Try again."}
		}
		return nil, asFault(err)
	}
	return result, nil
}

// ActiveBuild is the refusal of a build beside one that is at work.
func ActiveBuild() error { return fault.New(fault.Conflict, "A workspace build is already active.") }

// DeleteWorkspace takes back a workspace that this request has just made and could not finish.
func (s *Store) DeleteWorkspace(ctx context.Context, w *v1alpha1.Workspace) error {
	return asFault(client.IgnoreNotFound(s.client.Delete(ctx, w, client.Preconditions{UID: &w.UID})))
}
