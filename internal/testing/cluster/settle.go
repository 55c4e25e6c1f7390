// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// passes is how many passes an object may take until it rests; more means that two writers fight, or a status flaps.
const passes = 20

// Settle calls Reconcile for o until a pass writes nothing, then checks the invariants and reads o anew. The reconciler
// must read and write through the journal. A pass that asks to be called later is at rest; one that gives an error ends
// it with that error. An object that is gone in the end is no error, and o is left as it was.
func (j *Journal) Settle(ctx context.Context, r reconcile.Reconciler, o client.Object) error {
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
	var last []string
	for range passes {
		before := len(j.Writes())
		if _, err := r.Reconcile(ctx, request); err != nil {
			return fmt.Errorf("reconciling %T %s: %w", o, request, err)
		}
		last = j.Writes()[before:]
		if len(last) == 0 {
			return j.rested(ctx, o)
		}
	}
	return fmt.Errorf("%T %s does not come to rest in %d passes; the last one wrote: %s", o, request, passes, strings.Join(last, ", "))
}

func (j *Journal) rested(ctx context.Context, o client.Object) error {
	fresh := o.DeepCopyObject().(client.Object)
	if err := j.Get(ctx, client.ObjectKeyFromObject(o), fresh); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := j.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	if ours, ok := o.(v1alpha1.Object); ok {
		return Invariants(ours, j.Scheme())
	}
	return nil
}

// Invariants are what holds of every object of ours that is at rest: it has a Ready condition that speaks of the present
// generation, beside it Stalled or Reconciling where it is not ready and neither where it is, and kstatus, by which
// Helm, Flux and kubectl wait, says the same.
func Invariants(o v1alpha1.Object, scheme *runtime.Scheme) error {
	conditions := o.GetConditions()
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return fmt.Errorf("%T %s has no Ready condition", o, o.GetName())
	}
	var wrong []error
	refuse := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%T %s: "+format, append([]any{o, o.GetName()}, args...)...))
	}
	if o.GetObservedGeneration() != o.GetGeneration() {
		refuse("observedGeneration is %d and the generation %d", o.GetObservedGeneration(), o.GetGeneration())
	}
	for _, c := range conditions {
		if c.ObservedGeneration != o.GetGeneration() {
			refuse("condition %s speaks of generation %d, the object is at %d", c.Type, c.ObservedGeneration, o.GetGeneration())
		}
		if c.Reason == "" || c.Message == "" && c.Status != metav1.ConditionTrue {
			refuse("condition %s=%s explains nothing", c.Type, c.Status)
		}
	}
	stalled := meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled)
	reconciling := meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReconciling)
	want := status.CurrentStatus
	switch {
	case ready.Status == metav1.ConditionTrue && (stalled || reconciling):
		refuse("it is Ready beside Stalled=%v, Reconciling=%v", stalled, reconciling)
	case ready.Status != metav1.ConditionTrue && stalled == reconciling:
		refuse("it is not Ready and one of Stalled=%v, Reconciling=%v should be True", stalled, reconciling)
	case stalled:
		want = status.FailedStatus
	case reconciling:
		want = status.InProgressStatus
	}
	if o.GetDeletionTimestamp() != nil {
		want = status.TerminatingStatus
	}
	if got, err := Health(o, scheme); err != nil {
		wrong = append(wrong, err)
	} else if got != want {
		refuse("kstatus calls it %s, and its conditions mean %s", got, want)
	}
	return errors.Join(wrong...)
}

// Health is what kstatus says of an object.
func Health(o client.Object, scheme *runtime.Scheme) (status.Status, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return "", err
	}
	gvk, err := apiutil.GVKForObject(o, scheme)
	if err != nil {
		return "", err
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(gvk)
	result, err := status.Compute(u)
	if err != nil {
		return "", fmt.Errorf("kstatus of %s %s: %w", gvk.Kind, o.GetName(), err)
	}
	return result.Status, nil
}
