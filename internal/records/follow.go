// SPDX-License-Identifier: Apache-2.0

package records

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	toolscache "k8s.io/client-go/tools/cache"
)

// Follower hears of all stored objects, those of other processes among them, and gives them to their series. It holds none
// of them: an object's lines are read once and then dropped.
type Follower struct {
	series    map[string]*Series
	reflector *toolscache.Reflector

	once   sync.Once
	synced chan struct{}
}

// Follow makes a follower of the series, which are all of one namespace.
func Follow(clientset kubernetes.Interface, namespace string, series ...*Series) *Follower {
	f := &Follower{series: map[string]*Series{}, synced: make(chan struct{})}
	for _, s := range series {
		f.series[s.o.Name] = s
	}
	source := toolscache.NewListWatchFromClient(clientset.CoreV1().RESTClient(), "secrets", namespace, fields.OneTermEqualSelector("type", string(Type)))
	f.reflector = toolscache.NewReflectorWithOptions(source, &corev1.Secret{}, (*sink)(f), toolscache.ReflectorOptions{Name: "records"})
	return f
}

// Others finds all Secrets but those of this package.
func Others() fields.Selector { return fields.OneTermNotEqualSelector("type", string(Type)) }

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) error {
	f.reflector.RunWithContext(ctx)
	return nil
}

// Synced waits until everything that was stored has been heard of, and tells whether that was so before the context ended.
func (f *Follower) Synced(ctx context.Context) bool {
	select {
	case <-f.synced:
		return true
	case <-ctx.Done():
		return false
	}
}

// sink is the follower as the reflector fills it.
type sink Follower

var _ toolscache.ReflectorStore = (*sink)(nil)

// Add takes a new object.
func (f *sink) Add(o any) error {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return fmt.Errorf("%T is no Secret", o)
	}
	s := f.series[secret.Labels[Label]]
	if s == nil {
		return nil // of a later edition
	}
	if s.has(known(secret)) {
		return nil
	}
	lines, err := unpack(secret)
	if err != nil {
		s.o.Failed(err) // the others are worth reading
	}
	s.noted(secret, lines)
	return nil
}

// Update takes a changed object. They are immutable but for their metadata.
func (f *sink) Update(o any) error { return f.Add(o) }

// Delete forgets an object.
func (f *sink) Delete(o any) error {
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return fmt.Errorf("%T is no Secret", o)
	}
	if s := f.series[secret.Labels[Label]]; s != nil {
		s.forget(secret.Name)
	}
	return nil
}

// Replace takes all objects that there are.
func (f *sink) Replace(all []any, _ string) error {
	there := map[string]bool{}
	for _, o := range all {
		if secret, ok := o.(*corev1.Secret); ok {
			there[secret.Name] = true
		}
		if err := f.Add(o); err != nil {
			return err
		}
	}
	for _, s := range f.series {
		for _, k := range s.all() {
			// What this process stored while the list was made may not be in it.
			if !there[k.name] && k.uid != "" && s.o.Now().Sub(k.made) > maintainEvery {
				s.forget(k.name)
			}
		}
	}
	f.once.Do(func() { close(f.synced) })
	return nil
}

// Resync has nothing to do: nobody looks at what was heard of before.
func (f *sink) Resync() error { return nil }

// has tells whether an object is known as it is. One that this process has made is known to the cluster's word from now on.
func (s *Series) has(k kept) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.objects[k.name]
	if ok {
		s.objects[k.name] = k
	}
	return ok && have.name == k.name
}
