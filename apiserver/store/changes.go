// SPDX-License-Identifier: Apache-2.0

package store

import (
	"reflect"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
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
