// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// ApplyStatus applies the status of after when it differs from that of before, both being the same object before and
// after a pass. It sends the whole status but for the top-level fields named in omit, which another writer holds. It
// tells whether it wrote. The resourceVersion is sent only where the reason of Ready changes, and of builds: a pass that was
// made from a cache which has not seen the last one's write is refused then. So nothing is said twice, and a build that has
// ended, by whose end the ledger decides, is never shown at work again. Otherwise it is not, as two passes of one leader never
// run at once for an object.
func ApplyStatus(ctx context.Context, c client.Client, before, after v1alpha1.Object, omit ...string) (bool, error) {
	was, err := statusOf(before, omit)
	if err != nil {
		return false, err
	}
	is, err := statusOf(after, omit)
	if err != nil {
		return false, err
	}
	if equality.Semantic.DeepEqual(was, is) {
		return false, nil
	}
	gvk, err := apiutil.GVKForObject(after, c.Scheme())
	if err != nil {
		return false, err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"status": is}}
	u.SetGroupVersionKind(gvk)
	u.SetName(after.GetName())
	u.SetNamespace(after.GetNamespace())
	u.SetUID(after.GetUID()) // an object that was deleted meanwhile is not made anew
	if _, build := after.(*v1alpha1.WorkspaceBuild); build || reasonOf(before) != reasonOf(after) {
		u.SetResourceVersion(before.GetResourceVersion())
	}
	if err := c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), Owner, client.ForceOwnership); err != nil {
		return false, fmt.Errorf("writing the status of %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(after), err)
	}
	return true, nil
}

// reasonOf is the reason of an object's Ready condition; empty where it has none.
func reasonOf(o v1alpha1.Object) string {
	if c := meta.FindStatusCondition(o.GetConditions(), v1alpha1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}

// statusOf is an object's status as JSON has it, without some of its fields.
func statusOf(o v1alpha1.Object, omit []string) (map[string]any, error) {
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	status, _, err := unstructured.NestedMap(u, "status")
	for _, field := range omit {
		delete(status, field)
	}
	return status, err
}

// Adopt makes an object ready for its controller in one patch: it sets spec.id to the uid where it is absent, and adds
// the finalizer when one is given. It tells whether it wrote; the caller then waits for the event that follows. The
// patch carries uid and resourceVersion, so that it meets the object that was read.
func Adopt(ctx context.Context, c client.Client, o v1alpha1.Object, finalizer string) (bool, error) {
	metadata := map[string]any{"uid": o.GetUID(), "resourceVersion": o.GetResourceVersion()}
	patch := map[string]any{"metadata": metadata}
	change := false
	if finalizer != "" && !slices.Contains(o.GetFinalizers(), finalizer) {
		metadata["finalizers"] = append(slices.Clone(o.GetFinalizers()), finalizer)
		change = true
	}
	if o.WireID() == "" {
		patch["spec"] = map[string]any{"id": o.GetUID()}
		change = true
	}
	if !change {
		return false, nil
	}
	return true, MergePatch(ctx, c, o, patch)
}

// RemoveFinalizer takes the finalizer off the object; it is no error when it is not there.
func RemoveFinalizer(ctx context.Context, c client.Client, o client.Object, finalizer string) error {
	rest := slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == finalizer })
	if len(rest) == len(o.GetFinalizers()) {
		return nil
	}
	return client.IgnoreNotFound(MergePatch(ctx, c, o, map[string]any{"metadata": map[string]any{
		"uid": o.GetUID(), "resourceVersion": o.GetResourceVersion(), "finalizers": rest,
	}}))
}

// MergePatch sends a JSON merge patch of just the fields in patch. The object itself is left as it was read.
func MergePatch(ctx context.Context, c client.Client, o client.Object, patch map[string]any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	target := o.DeepCopyObject().(client.Object)
	return c.Patch(ctx, target, client.RawPatch(types.MergePatchType, text), Owner)
}

// Older tells whether a stands before b where both claim the same name or id: the one created first, and of two
// created in the same second the one with the lesser uid.
func Older(a, b metav1.Object) bool {
	ta, tb := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !ta.Equal(&tb) {
		return ta.Before(&tb)
	}
	return a.GetUID() < b.GetUID()
}

// maxNote is the longest text that an event may have.
const maxNote = 1024

// Announce says as an event what the pass changed in the Ready condition: one event a reason, none when nothing new is
// to be said. What goes its way under one reason is said once, however its message moves on, and the steps that everything
// passes are not said at all, unless one ends a trouble: events are for people, and outlive what they tell by an hour. Call
// it after the status was written, so that a pass that is tried again does not say it twice.
func Announce(recorder events.EventRecorder, before, after v1alpha1.Object) {
	was := meta.FindStatusCondition(before.GetConditions(), v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.GetConditions(), v1alpha1.ConditionReady)
	if is == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if meta.IsStatusConditionTrue(after.GetConditions(), v1alpha1.ConditionStalled) || Troubles[is.Reason] {
		kind = corev1.EventTypeWarning
	}
	steps := is.Status != metav1.ConditionTrue && kind == corev1.EventTypeNormal
	if was != nil && was.Reason == is.Reason && (was.Message == is.Message || steps) {
		return
	}
	if steps && Routine[is.Reason] && (was == nil || !Troubles[was.Reason]) {
		return
	}
	recorder.Eventf(after, nil, kind, is.Reason, "Reconcile", "%s", Shorten(is.Message, maxNote))
}

// Troubles are the reasons that are a warning although the manager still works on them.
var Troubles = map[string]bool{
	v1alpha1.ReasonUnschedulable: true, v1alpha1.ReasonImagePull: true, v1alpha1.ReasonCrashLoop: true,
	v1alpha1.ReasonOutOfMemory: true, v1alpha1.ReasonContainerConfig: true, v1alpha1.ReasonPodRefused: true,
	v1alpha1.ReasonPodGone: true, v1alpha1.ReasonRetrying: true,
}

// Routine are the reasons that everything has on its way, and that no event is made of: its end tells of it.
var Routine = map[string]bool{
	v1alpha1.ReasonProgressing: true, v1alpha1.ReasonStarting: true, v1alpha1.ReasonStopping: true,
	v1alpha1.ReasonDeleting: true, v1alpha1.ReasonVersionChecking: true,
}

// PatchStatus sends a JSON merge patch of just the fields in patch to an object's status, for the part of it that another
// controller than the kind's own writes. The object itself is left as it was read.
func PatchStatus(ctx context.Context, c client.Client, o client.Object, patch map[string]any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	target := o.DeepCopyObject().(client.Object)
	return c.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, text), Owner)
}
