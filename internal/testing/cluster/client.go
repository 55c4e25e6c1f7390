// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/internal/index"
)

// Journal is a client that reads as a manager's does (the indexes of package index answer, managedFields are cut off)
// but from the live cluster, so that a test that drives Reconcile itself waits for no cache. It notes what is written
// through it; dry runs are no writes.
type Journal struct {
	client.WithWatch

	mu     sync.Mutex
	writes []string
}

// NewJournal is a Journal over c. Put an interceptor below it to inject the faults of a cluster.
func NewJournal(c client.WithWatch) *Journal {
	j := &Journal{}
	j.WithWatch = interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := c.Get(ctx, key, o, opts...); err != nil {
				return err
			}
			o.SetManagedFields(nil)
			return nil
		},
		List: list,
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if len((&client.CreateOptions{}).ApplyOptions(opts).DryRun) == 0 {
				j.note("create", o)
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			j.note("update", o)
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			j.note("patch", o)
			return c.Patch(ctx, o, p, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if len((&client.ApplyOptions{}).ApplyOptions(opts).DryRun) == 0 {
				j.note("apply", o)
			}
			return c.Apply(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			j.note("delete", o)
			return c.Delete(ctx, o, opts...)
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			j.note("delete all of", o)
			return c.DeleteAllOf(ctx, o, opts...)
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, so client.Object, opts ...client.SubResourceCreateOption) error {
			j.note("create "+sub+" of", o)
			return c.SubResource(sub).Create(ctx, o, so, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			j.note("update "+sub+" of", o)
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			j.note("patch "+sub+" of", o)
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			j.note("apply "+sub+" of", o)
			return c.SubResource(sub).Apply(ctx, o, opts...)
		},
	})
	return j
}

// Writes are the requests so far that would change the cluster, in words.
func (j *Journal) Writes() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.writes)
}

func (j *Journal) note(verb string, o any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := fmt.Sprintf("%s %T", verb, o)
	if named, ok := o.(interface{ GetName() string }); ok {
		line += " " + named.GetName()
	}
	j.writes = append(j.writes, line)
}

// list answers a List that selects by indexes from all objects of the kind. What has no indexes of ours is selected by the
// cluster itself.
func list(ctx context.Context, c client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	wanted := map[string]string{}
	if _, foreign := into.(*corev1.EventList); foreign {
		return c.List(ctx, into, opts...)
	}
	if o.FieldSelector != nil {
		for _, r := range o.FieldSelector.Requirements() {
			wanted[r.Field] = r.Value
		}
		o.FieldSelector = nil
	}
	if err := c.List(ctx, into, o); err != nil {
		return err
	}
	items, err := meta.ExtractList(into)
	if err != nil {
		return err
	}
	found := make([]runtime.Object, 0, len(items))
	for _, item := range items {
		object := item.(client.Object)
		ok, err := indexed(object, wanted)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		object.SetManagedFields(nil)
		found = append(found, item)
	}
	return meta.SetList(into, found)
}

// indexed tells whether an object has all the values wanted, by index name.
func indexed(o client.Object, wanted map[string]string) (bool, error) {
	for name, value := range wanted {
		i := slices.IndexFunc(index.For(o), func(i index.Index) bool { return i.Name == name })
		if i < 0 {
			return false, fmt.Errorf("no index %q of %T: %s", name, o, names(o))
		}
		if !slices.Contains(index.For(o)[i].Values(o), value) {
			return false, nil
		}
	}
	return true, nil
}

func names(o client.Object) string {
	var known []string
	for _, i := range index.For(o) {
		known = append(known, i.Name)
	}
	return "there are " + strings.Join(known, ", ")
}

// Relabel adds a label to the namespace, as a person does with kubectl.
func Relabel(ctx context.Context, c client.Client, namespace, key, value string) error {
	return c.Patch(ctx, &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
	}, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, key, value)))
}
