// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// tryExtras has the cluster judge the extra objects without making them, as the organization's service account. Only
// what it says of an object itself is a refusal. That the account lacks a right says something about today: it is told
// beside, and the version is right.
func (r *Reconciler) tryExtras(ctx context.Context, s *scope, workload *render.Workload) (_ *fault.Error, beside string, _ error) {
	if len(workload.Extras) == 0 {
		return nil, "", nil
	}
	as, err := r.As(s.version.Namespace, s.org.ServiceAccount())
	if err != nil {
		return nil, "", err
	}
	for _, extra := range workload.Extras {
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(extra.Object)}
		// The name is the sample's, and may be taken by a workspace's.
		u.SetNamespace(s.version.Namespace)
		u.SetName("berth-check-" + s.hash[:12])
		err := as.Create(ctx, u, client.DryRunAll)
		var status apierrors.APIStatus
		switch {
		case err == nil:
		case !errors.As(err, &status):
			return nil, "", err
		case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
			return r.invalidExtra(s, extra, status.Status()), "", nil
		case apierrors.IsForbidden(err):
			beside = fmt.Sprintf("; extra object %s could not be tried: %s", extra.ID, status.Status().Message)
		default:
			return nil, "", fmt.Errorf("dry run of extra object %s in namespace %s: %w", extra.ID, s.version.Namespace, err)
		}
	}
	return nil, beside, nil
}

// invalidExtra tells what the cluster found wrong with an extra object, by the fields that the author wrote.
func (r *Reconciler) invalidExtra(s *scope, extra render.Extra, status metav1.Status) *fault.Error {
	i := slices.IndexFunc(s.version.Spec.Content.ExtraObjects, func(x v1alpha1.ExtraObject) bool { return x.ID == extra.ID })
	at := fmt.Sprintf("spec.content.extraObjects[%d].object", i)
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return fault.On(at, "%s", status.Message).Because(v1alpha1.ReasonPodInvalid)
	}
	var problems []render.Problem
	for _, cause := range status.Details.Causes {
		problems = append(problems, render.Problem{Path: at + "." + cause.Field, Message: cause.Message, Reason: v1alpha1.ReasonPodInvalid})
	}
	return refuse(problems)
}
