// SPDX-License-Identifier: Apache-2.0

// Package trial asks the cluster whether it would take what a version renders to, by a server-side dry run that makes
// nothing, and tells what it says by the fields that the version's author wrote. Admission, Pod Security, quota and the
// schema of the cluster itself answer.
//
// What an answer means for a version or for a start is its callers' to say: a full quota is no fault of a version.
package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// Answer is what sort of answer the cluster gave.
type Answer int

const (
	// Taken: the cluster would make it.
	Taken Answer = iota + 1
	// Unasked: an admission webhook of the cluster takes no dry runs, so that nobody can tell.
	Unasked
	// Wrong: the object is not valid; the problems name the fields.
	Wrong
	// Insecure: the Pod Security level of the namespace forbids it.
	Insecure
	// Exhausted: a ResourceQuota of the namespace has too little left.
	Exhausted
	// Refused: somebody else's admission, or a missing right, forbids it.
	Refused
)

// Verdict is an answer of the cluster.
type Verdict struct {
	Answer
	// Message is the cluster's own sentence; empty where it takes the object.
	Message string
	// Problems are what is wrong, by the fields that the author wrote; only where the answer is Wrong.
	Problems []render.Problem
}

// Creator asks the cluster.
type Creator interface {
	Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error
}

// Pod asks about the pod of a workload of the content. An error means that the cluster did not answer.
func Pod(ctx context.Context, c Creator, content *v1alpha1.TemplateContent, pod *corev1.Pod) (Verdict, error) {
	return ask(ctx, c, pod.DeepCopy(), Root(content), func(field string) string { return origin(content, &pod.Spec, field) })
}

// Claim asks about the claim of a volume of the content.
func Claim(ctx context.Context, c Creator, content *v1alpha1.TemplateContent, volume string, claim *corev1.PersistentVolumeClaim) (Verdict, error) {
	at := Root(content)
	if i := slices.IndexFunc(content.VolumeClaims, func(v v1alpha1.VolumeClaim) bool { return v.Name == volume }); i >= 0 {
		at = fmt.Sprintf("spec.content.volumeClaims[%d]", i)
	}
	return ask(ctx, c, claim.DeepCopy(), at, func(string) string { return at })
}

// Object asks about an object that the author wrote at a path.
func Object(ctx context.Context, c Creator, at string, o client.Object) (Verdict, error) {
	return ask(ctx, c, o, at, func(field string) string { return at + "." + field })
}

func ask(ctx context.Context, c Creator, o client.Object, at string, origin func(field string) string) (Verdict, error) {
	err := c.Create(ctx, o, client.DryRunAll)
	if err == nil {
		return Verdict{Answer: Taken}, nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return Verdict{}, err
	}
	said := status.Status()
	switch {
	case apierrors.IsInvalid(err):
		return Verdict{Answer: Wrong, Message: said.Message, Problems: problems(said, at, origin)}, nil
	case apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run"):
		return Verdict{Answer: Unasked, Message: said.Message}, nil
	case apierrors.IsBadRequest(err):
		return Verdict{Answer: Refused, Message: said.Message}, nil
	case apierrors.IsForbidden(err):
		if _, why, ok := strings.Cut(said.Message, "violates PodSecurity "); ok {
			return Verdict{Answer: Insecure, Message: why}, nil
		}
		if strings.Contains(said.Message, "exceeded quota") {
			return Verdict{Answer: Exhausted, Message: said.Message}, nil
		}
		return Verdict{Answer: Refused, Message: said.Message}, nil
	}
	return Verdict{}, err
}

// problems are what the cluster found wrong, by the fields that the author wrote.
func problems(status metav1.Status, at string, origin func(field string) string) []render.Problem {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return []render.Problem{{Path: at, Message: status.Message, Reason: v1alpha1.ReasonPodInvalid}}
	}
	var found []render.Problem
	for _, cause := range status.Details.Causes {
		found = append(found, render.Problem{Path: origin(cause.Field), Message: cause.Message, Reason: v1alpha1.ReasonPodInvalid})
	}
	return found
}

// Insecurity is the refusal of what the Pod Security level forbids.
func (v Verdict) Insecurity(content *v1alpha1.TemplateContent) *fault.Error {
	return fault.On(Root(content), "the organization's Pod Security level does not allow it: %s", v.Message).
		Because(v1alpha1.ReasonNotAllowed)
}
