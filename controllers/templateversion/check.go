// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// shown is how many problems a message tells at once.
const shown = 10

// verdict is what a check found.
type verdict struct {
	// refusal says what is wrong; nil when nothing is.
	refusal *fault.Error
	// note is what the Ready condition says of a version that is right.
	note string
}

// earlier is what a check found before, as the status has it; nil when none was made at this level, or the conditions
// tell of something else by now.
func earlier(v *v1alpha1.TemplateVersion, hash, level string) *verdict {
	status := &v.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || status.Job == nil || status.ContentHash != hash || status.PodSecurity != level {
		return nil
	}
	switch {
	case status.Job.Phase == v1alpha1.JobSucceeded && ready.Reason == v1alpha1.ReasonChecked:
		return &verdict{note: ready.Message}
	case status.Job.Phase == v1alpha1.JobFailed && refusals()[ready.Reason]:
		return &verdict{refusal: fault.New(fault.Invalid, "%s", ready.Message).Because(ready.Reason)}
	}
	return nil
}

// refusals are the reasons by which a check calls a version wrong.
func refusals() map[string]bool {
	return map[string]bool{
		v1alpha1.ReasonInvalid: true, v1alpha1.ReasonExpressionInvalid: true, v1alpha1.ReasonPodInvalid: true,
		v1alpha1.ReasonNotAllowed: true, v1alpha1.ReasonParameterInvalid: true,
	}
}

// check finds out whether the version is right, where that is not known yet.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	if s.found = s.before; s.found == nil {
		s.checking = true
		found, err := r.examine(ctx, s)
		if err != nil {
			return err
		}
		s.found = &found
	}
	if s.found.refusal != nil {
		return s.found.refusal
	}
	return nil
}

// examine compiles the content, renders it with what it says itself, and asks the cluster. An error means that the
// cluster did not answer, which says nothing about the version.
func (r *Reconciler) examine(ctx context.Context, s *scope) (verdict, error) {
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return verdict{refusal: refuse(problems)}, nil
	}
	input, placeholders := compiled.Sample()
	input.Platform = r.Platform
	input.Organization = render.Organization{Name: s.org.WireName(), ServiceAccountName: s.org.ServiceAccount()}
	if ref := s.version.Spec.TemplateRef; ref != nil {
		input.Template.Name = string(ref.Name)
	}
	workload, refusal := compiled.Render(input)
	if refusal != nil {
		return excuse(refusal, placeholders), nil
	}
	refusal, err := r.ask(ctx, s, workload)
	if err != nil {
		return verdict{}, err
	}
	if refusal != nil {
		return excuse(refusal, placeholders), nil
	}
	note := "the content compiles and renders, and the cluster would take its pod"
	refusal, beside, err := r.tryExtras(ctx, s, workload)
	if err != nil {
		return verdict{}, err
	}
	if refusal != nil {
		return excuse(refusal, placeholders), nil
	}
	return verdict{note: note + beside}, nil
}

// excuse lets a refusal pass as a warning where values were made up: what they lead to proves nothing. What the
// organization does not allow is not allowed with any value.
func excuse(refusal *fault.Error, placeholders []string) verdict {
	if len(placeholders) == 0 || refusal.Reason == v1alpha1.ReasonNotAllowed {
		return verdict{refusal: refusal}
	}
	return verdict{note: fmt.Sprintf("the content compiles; with made-up values for %s it would be refused: %s",
		strings.Join(placeholders, ", "), refusal.Error())}
}

// refuse makes one fault of all problems, with the reason of the first.
func refuse(problems []render.Problem) *fault.Error {
	refusal := &fault.Error{Kind: fault.Invalid, Reason: problems[0].Reason, Message: "the content is wrong"}
	for _, p := range problems[:min(len(problems), shown)] {
		refusal.Fields = append(refusal.Fields, fault.Field{Path: p.Path, Detail: p.Message})
	}
	if more := len(problems) - shown; more > 0 {
		refusal.Fields = append(refusal.Fields, fault.Field{Path: "spec.content", Detail: fmt.Sprintf("and %d more", more)})
	}
	return refusal
}

// ask has the cluster judge the pod without making it. Only what it says of the pod itself is a refusal: a pod that is
// no pod (422), or one that the Pod Security level forbids. A full quota says something about today.
func (r *Reconciler) ask(ctx context.Context, s *scope, workload *render.Workload) (*fault.Error, error) {
	pod := &corev1.Pod{ObjectMeta: *workload.Pod.ObjectMeta.DeepCopy(), Spec: *workload.Pod.Spec.DeepCopy()}
	// The name is no random one, so that the same refusal reads the same each time.
	pod.Namespace, pod.Name = s.version.Namespace, "berth-check-"+s.hash[:12]
	err := r.Create(ctx, pod, client.DryRunAll)
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &status):
		return nil, err
	case apierrors.IsInvalid(err):
		return r.invalid(s, workload, status.Status()), nil
	case apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run"):
		return nil, nil // an admission webhook of the cluster can't be asked; the pod is, when it is made
	case apierrors.IsForbidden(err):
		message := status.Status().Message
		if _, why, ok := strings.Cut(message, "violates PodSecurity "); ok {
			return fault.On(root(&s.version.Spec.Content), "the organization's Pod Security level does not allow it: %s", why).
				Because(v1alpha1.ReasonNotAllowed), nil
		}
		if strings.Contains(message, "exceeded quota") {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("dry run of the pod in namespace %s: %w", pod.Namespace, err)
}

// invalid tells what the cluster found wrong with the pod, by the fields that the author wrote.
func (r *Reconciler) invalid(s *scope, workload *render.Workload, status metav1.Status) *fault.Error {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return fault.On(root(&s.version.Spec.Content), "%s", status.Message).Because(v1alpha1.ReasonPodInvalid)
	}
	var problems []render.Problem
	for _, cause := range status.Details.Causes {
		problems = append(problems, render.Problem{
			Path:    origin(&s.version.Spec.Content, &workload.Pod.Spec, cause.Field),
			Message: cause.Message, Reason: v1alpha1.ReasonPodInvalid,
		})
	}
	return refuse(problems)
}
