// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// notFound is the fault of everything that is not there. On the wire it is the same as for what the caller may not see.
func notFound() error {
	return fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
}

// get reads one object by its metadata.name.
func (s *Store) get(ctx context.Context, namespace, name string, into client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return asFault(s.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into))
}

// list reads the objects that have a value in an index, or all of a kind where index is empty. The objects are the
// cache's own.
func list[T client.Object](ctx context.Context, s *Store, into client.ObjectList, index, value string, opts ...client.ListOption) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	opts = append(opts, client.UnsafeDisableDeepCopy)
	if index != "" {
		opts = append(opts, client.MatchingFields{index: value})
	}
	if err := s.client.List(ctx, into, opts...); err != nil {
		return nil, asFault(err)
	}
	found := make([]T, 0, meta.LenList(into))
	err := meta.EachListItem(into, func(o runtime.Object) error {
		if t, ok := o.(T); ok {
			found = append(found, t)
		}
		return nil
	})
	return found, err
}

// first is the one object of several found that is on the wire: the oldest that is not stalled for its name or id. Where
// the manager has not judged yet, this comes to the same.
func first[T v1alpha1.Object](found []T, err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	found = slices.DeleteFunc(found, func(o T) bool { return Hidden(o) })
	if len(found) == 0 {
		return none, notFound()
	}
	return slices.MinFunc(found, func(a, b T) int { return older(a, b) }), nil
}

// older orders objects by age, and by uid where the age is the same.
func older(a, b v1alpha1.Object) int {
	if c := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); c != 0 {
		return c
	}
	return cmp.Compare(a.GetUID(), b.GetUID())
}

// Hidden tells whether an object is kept off the wire because an older one has its name, its address or its id.
func Hidden(o v1alpha1.Object) bool {
	stalled := meta.FindStatusCondition(o.GetConditions(), v1alpha1.ConditionStalled)
	if stalled == nil || stalled.Status != metav1.ConditionTrue {
		return false
	}
	switch stalled.Reason {
	case v1alpha1.ReasonNameTaken, v1alpha1.ReasonIDTaken, v1alpha1.ReasonUsernameTaken, v1alpha1.ReasonEmailTaken,
		v1alpha1.ReasonNotAnOrganization:
		return true
	}
	return false
}

// byName orders by name on the wire, without case.
func byName[T interface{ WireName() string }](a, b T) int {
	return strings.Compare(strings.ToLower(a.WireName()), strings.ToLower(b.WireName()))
}
