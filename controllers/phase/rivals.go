// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// Rivals are the other objects among those that the options select, read into list, which is an empty list of o's kind.
func Rivals(ctx context.Context, c client.Reader, o v1alpha1.Object, list client.ObjectList, opts ...client.ListOption) ([]v1alpha1.Object, error) {
	if err := c.List(ctx, list, opts...); err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	var rivals []v1alpha1.Object
	for _, item := range items {
		other, ok := item.(v1alpha1.Object)
		if !ok {
			return nil, fmt.Errorf("%T is no kind of ours", item)
		}
		if other.GetUID() != o.GetUID() {
			rivals = append(rivals, other)
		}
	}
	return rivals, nil
}

// Elder is the oldest of the rivals, when it stands before o; else nil.
func Elder(ctx context.Context, c client.Reader, o v1alpha1.Object, list client.ObjectList, opts ...client.ListOption) (v1alpha1.Object, error) {
	rivals, err := Rivals(ctx, c, o, list, opts...)
	if err != nil {
		return nil, err
	}
	var elder v1alpha1.Object
	for _, other := range rivals {
		if Older(other, o) && (elder == nil || Older(other, elder)) {
			elder = other
		}
	}
	return elder, nil
}

// HoldsID refuses an object whose id on the wire an older object of its kind has. The list is an empty one of the kind.
func HoldsID(ctx context.Context, c client.Reader, o v1alpha1.Object, list client.ObjectList) error {
	elder, err := Elder(ctx, c, o, list, client.MatchingFields{index.ID: ids.Of(o).String()})
	if err != nil || elder == nil {
		return err
	}
	return fault.On("spec.id", "it belongs to %s; take the line out of the copied manifest, delete this object and apply it anew",
		client.ObjectKeyFromObject(elder)).Because(v1alpha1.ReasonIDTaken)
}

// HoldsName refuses an object whose name on the wire an older object of its kind and namespace has.
func HoldsName(ctx context.Context, c client.Reader, o v1alpha1.Object, name string, list client.ObjectList) error {
	elder, err := Elder(ctx, c, o, list, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.Name: index.Fold(name)})
	if err != nil || elder == nil {
		return err
	}
	return fault.On("spec.name", "%q is the name of %s already; choose another", name, client.ObjectKeyFromObject(elder)).
		Because(v1alpha1.ReasonNameTaken)
}

// Rematch is the handler that has all objects looked at again which share a value of one of the named indexes with an
// object that changed or went, in whichever namespace: the loser of a name learns so that it is free. Put a generation
// predicate before it.
func Rematch(c client.Reader, empty func() client.ObjectList, names ...string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		seen := map[types.NamespacedName]bool{client.ObjectKeyFromObject(changed): true}
		var requests []reconcile.Request
		for _, i := range index.For(changed) {
			if !slices.Contains(names, i.Name) {
				continue
			}
			for _, value := range i.Values(changed) {
				for _, request := range Requests(ctx, c, empty(), client.MatchingFields{i.Name: value}) {
					if !seen[request.NamespacedName] {
						seen[request.NamespacedName] = true
						requests = append(requests, request)
					}
				}
			}
		}
		return requests
	})
}

// Requests asks for a pass of every object that the options select. It is for handlers, which have nobody to give an
// error to: one is logged, and what was not asked for is looked at with the next event.
func Requests(ctx context.Context, c client.Reader, list client.ObjectList, opts ...client.ListOption) []reconcile.Request {
	if err := c.List(ctx, list, opts...); err != nil {
		log.FromContext(ctx).Error(err, "Listing what to look at again", "kind", fmt.Sprintf("%T", list))
		return nil
	}
	var requests []reconcile.Request
	err := meta.EachListItem(list, func(item runtime.Object) error {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(item.(client.Object))})
		return nil
	})
	if err != nil {
		log.FromContext(ctx).Error(err, "Reading a list of what to look at again")
	}
	return requests
}
