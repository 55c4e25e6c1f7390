// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// hub tells streams of changes, from the events of the informers that fill the cache: whoever is told finds the change
// there already. It asks the kube-apiserver for nothing.
type hub struct {
	mu   sync.Mutex
	subs map[topic]map[chan struct{}]struct{}
}

// topic is what a stream follows: an object, or the builds of a workspace.
type topic struct {
	kind            reflect.Type
	namespace, name string
	of              bool // the builds of the workspace of that name
}

func newHub() *hub { return &hub{subs: map[topic]map[chan struct{}]struct{}{}} }

func about(o client.Object) topic {
	return topic{kind: reflect.TypeOf(o), namespace: o.GetNamespace(), name: o.GetName()}
}

func buildsOf(namespace, workspace string) topic {
	return topic{kind: reflect.TypeFor[*v1alpha1.WorkspaceBuild](), namespace: namespace, name: workspace, of: true}
}

// handler passes on the events of a kind.
func (h *hub) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    h.tell,
		UpdateFunc: func(_, is any) { h.tell(is) },
		DeleteFunc: func(was any) {
			if gone, ok := was.(toolscache.DeletedFinalStateUnknown); ok {
				was = gone.Obj
			}
			h.tell(was)
		},
	}
}

// tell wakes whoever follows the object. It never waits: one who has not looked yet sees this change as well.
func (h *hub) tell(changed any) {
	o, ok := changed.(client.Object)
	if !ok {
		return
	}
	topics := []topic{about(o)}
	if b, ok := o.(*v1alpha1.WorkspaceBuild); ok {
		topics = append(topics, buildsOf(b.Namespace, string(b.Spec.WorkspaceRef.Name)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		for c := range h.subs[t] {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// follow gives a channel that gets a value when something about the topics has changed, until stop is called.
func (h *hub) follow(topics ...topic) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		if h.subs[t] == nil {
			h.subs[t] = map[chan struct{}]struct{}{}
		}
		h.subs[t][c] = struct{}{}
	}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, t := range topics {
			delete(h.subs[t], c)
			if len(h.subs[t]) == 0 {
				delete(h.subs, t)
			}
		}
	}
}

// WorkspaceChanges tells when what is shown of a workspace may have changed: itself, its builds, its template, its
// versions, its owner.
func (s *Store) WorkspaceChanges(p WorkspaceParts) (changed <-chan struct{}, stop func()) {
	topics := []topic{about(p.Workspace), buildsOf(p.Workspace.Namespace, p.Workspace.Name), about(p.Template), about(p.Owner)}
	for _, v := range []*v1alpha1.TemplateVersion{p.Active, p.Version} {
		if v != nil {
			topics = append(topics, about(v))
		}
	}
	return s.hub.follow(topics...)
}

// BuildChanges tells when a build, or its workspace's list of builds, may have changed.
func (s *Store) BuildChanges(p WorkspaceParts) (changed <-chan struct{}, stop func()) {
	return s.hub.follow(about(p.Workspace), buildsOf(p.Workspace.Namespace, p.Workspace.Name))
}

// VersionChanges tells when a version may have changed.
func (s *Store) VersionChanges(p VersionParts) (changed <-chan struct{}, stop func()) {
	return s.hub.follow(about(p.Version))
}

// ObjectChanges tells when an object of a cached kind may have changed.
func (s *Store) ObjectChanges(o client.Object) (changed <-chan struct{}, stop func()) {
	return s.hub.follow(about(o))
}

// Observe tells see of every change of the objects that people write, from the events that fill the cache: before is nil for
// one that is new, after for one that is gone, and initial says that it was there when the cache was filled. It must be
// called before Start, and see must be quick. The objects are the cache's own.
func (s *Store) Observe(ctx context.Context, see func(before, after v1alpha1.Object, initial bool)) error {
	handler := toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(is any, initial bool) {
			if o, ok := is.(v1alpha1.Object); ok {
				see(nil, o, initial)
			}
		},
		UpdateFunc: func(was, is any) {
			before, ok := was.(v1alpha1.Object)
			after, both := is.(v1alpha1.Object)
			if ok && both {
				see(before, after, false)
			}
		},
		DeleteFunc: func(was any) {
			if gone, ok := was.(toolscache.DeletedFinalStateUnknown); ok {
				was = gone.Obj
			}
			if o, ok := was.(v1alpha1.Object); ok {
				see(o, nil, false)
			}
		},
	}
	for _, kind := range []client.Object{
		&v1alpha1.Organization{}, &v1alpha1.User{}, &v1alpha1.Group{}, &v1alpha1.Template{}, &v1alpha1.TemplateVersion{},
		&v1alpha1.Workspace{}, &v1alpha1.WorkspaceBuild{},
	} {
		informer, err := s.cache.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(handler)
		}
		if err != nil {
			return fmt.Errorf("changes of %T: %w", kind, err)
		}
	}
	return nil
}
