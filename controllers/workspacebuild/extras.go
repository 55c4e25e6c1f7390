// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
)

// extras has the extra objects there, and removes those of earlier builds that this one does not have. All of it is done
// as the organization's service account: what that may not, a template may not either.
func (r *Reconciler) extras(ctx context.Context, s *scope) error {
	before, err := r.extrasBefore(ctx, s)
	if err != nil || len(before)+len(s.workload.Extras) == 0 {
		return err
	}
	account := s.workload.Pod.Spec.ServiceAccountName
	as, err := r.As(s.workspace.Namespace, account)
	if err != nil {
		return err
	}
	for i := range s.workload.Extras {
		extra := &s.workload.Extras[i]
		delete(before, extra.Kind+"/"+extra.Name)
		if err := applyExtra(ctx, as, s, extra); err != nil {
			return may(err, s, account, extra.Kind, extra.Name)
		}
	}
	for _, gone := range before {
		if err := prune(ctx, as, s, gone); err != nil {
			return may(err, s, account, gone.Kind, string(gone.ObjectName))
		}
	}
	return nil
}

// may says of a refusal whose rights were not enough, and what gives them.
func may(err error, s *scope, account, kind, name string) error {
	if !workload.Refused(err) {
		return err
	}
	message := fmt.Sprintf("extra object %s %s: %s", kind, name, workload.ReasonOf(err))
	if apierrors.IsForbidden(err) {
		message += fmt.Sprintf("; extra objects are applied as ServiceAccount %s: a Role in namespace %s with get, create, patch and delete "+
			"for %s, bound to it, lets it", account, s.workspace.Namespace, resourceOf(kind))
	}
	return phase.Wait(s.retry(), v1alpha1.ReasonObjectRefused, "%s", message)
}

// resourceOf is what RBAC calls an allowed kind.
func resourceOf(kind string) string {
	return map[string]string{
		"ConfigMap": "configmaps", "PersistentVolumeClaim": "persistentvolumeclaims", "Service": "services", "NetworkPolicy": "networkpolicies",
	}[kind]
}

// extrasBefore are the extra objects of the workspace's builds but this one, by kind and name.
func (r *Reconciler) extrasBefore(ctx context.Context, s *scope) (map[string]v1alpha1.BuildResource, error) {
	builds, err := phase.Builds(ctx, r, &s.workspace)
	if err != nil {
		return nil, err
	}
	before := map[string]v1alpha1.BuildResource{}
	for _, b := range builds {
		for _, resource := range b.Status.Resources {
			if resource.ObjectName != "" && b.UID != s.build.UID {
				before[resource.Kind+"/"+string(resource.ObjectName)] = resource
			}
		}
	}
	return before, nil
}

// applyExtra applies one object, where it is not as it was applied last. An object of the name that is not the
// workspace's is never touched.
func applyExtra(ctx context.Context, as client.Client, s *scope, extra *render.Extra) error {
	want, err := s.object(extra)
	if err != nil {
		return err
	}
	is := &unstructured.Unstructured{}
	is.SetGroupVersionKind(want.GroupVersionKind())
	err = as.Get(ctx, client.ObjectKeyFromObject(want), is)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return err
	case is.GetDeletionTimestamp() != nil:
		return phase.Wait(s.retry(), v1alpha1.ReasonObjectRefused, "extra object %s %s is being deleted; it is made anew when it is gone", extra.Kind, extra.Name)
	case !ofWorkspace(s, is):
		return phase.Wait(s.retry(), v1alpha1.ReasonObjectRefused, "extra object %s %s stands in the way: it is not this workspace's (label %s); "+
			"delete it, or give the template's another name", extra.Kind, extra.Name, v1alpha1.LabelID)
	case is.GetAnnotations()[v1alpha1.AnnotationIntent] == want.GetAnnotations()[v1alpha1.AnnotationIntent] &&
		(len(want.GetOwnerReferences()) > 0) == ledger.Owns(&s.workspace, is):
		return nil
	default:
		want.SetUID(is.GetUID())
	}
	return as.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), phase.Owner, client.ForceOwnership)
}

// object is an extra object as it is applied.
func (s *scope) object(extra *render.Extra) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(extra.Object)
	if err != nil {
		return nil, err
	}
	want := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(extra.Object)}
	labels, annotations := want.GetLabels(), want.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(labels, s.labels())
	maps.Copy(annotations, s.annotations())
	annotations[v1alpha1.AnnotationIntent] = render.Digest(text)
	want.SetNamespace(s.workspace.Namespace)
	want.SetLabels(labels)
	want.SetAnnotations(annotations)
	if !extra.Keep {
		want.SetOwnerReferences([]metav1.OwnerReference{ledger.OwnerReference(&s.workspace)})
	}
	return want, nil
}

func ofWorkspace(s *scope, o client.Object) bool {
	return o.GetLabels()[v1alpha1.LabelID] == ledger.ID(&s.workspace) && o.GetAnnotations()[v1alpha1.AnnotationWorkspace] == s.workspace.Name
}

// prune removes an object of an earlier build, unless it is kept: then it has no owner.
func prune(ctx context.Context, as client.Client, s *scope, gone v1alpha1.BuildResource) error {
	is := &metav1.PartialObjectMetadata{}
	for _, k := range render.ExtraKinds() {
		if k.Kind == gone.Kind {
			is.APIVersion, is.Kind = k.APIVersion, k.Kind
		}
	}
	err := as.Get(ctx, client.ObjectKey{Namespace: s.workspace.Namespace, Name: string(gone.ObjectName)}, is)
	if err != nil || is.DeletionTimestamp != nil || !ofWorkspace(s, is) || !ledger.Owns(&s.workspace, is) {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(as.Delete(ctx, is, client.Preconditions{UID: &is.UID}))
}

// secretsOf are the Secrets of a workload by their metadata.names, as its claims remember them.
func secretsOf(w *render.Workload) string {
	var names []string
	for _, secret := range w.Secrets {
		names = append(names, secret.Name)
	}
	return strings.Join(names, ",")
}
