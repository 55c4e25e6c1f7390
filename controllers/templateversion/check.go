// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/trial"
)

// shown is how many problems a message tells at once.
const shown = 10

// verdict is what a check found.
type verdict struct {
	// refusal says what is wrong; nil when nothing is.
	refusal *fault.Error
	// note is what the Ready condition says of a version that is right.
	note string
	// resources are what a workspace of it consists of, as far as it was rendered.
	resources []v1alpha1.BuildResource
}

// earlier is what a check found before, as the status has it; nil when none was made at this level, or the conditions
// tell of something else by now.
func earlier(v *v1alpha1.TemplateVersion, hash, level string) *verdict {
	status := &v.Status
	if status.Job != nil && status.Job.Phase == v1alpha1.JobCanceled {
		return &verdict{refusal: errCanceled}
	}
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
		v1alpha1.ReasonSourceInvalid: true, v1alpha1.ReasonVariableMissing: true,
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
		s.sayEnded()
	}
	if s.found.refusal != nil {
		return s.found.refusal
	}
	return nil
}

// examine compiles the content, renders it with what it says itself, and asks the cluster. An error means that the
// cluster did not answer, which says nothing about the version.
func (r *Reconciler) examine(ctx context.Context, s *scope) (verdict, error) {
	if s.canceled() {
		return verdict{refusal: errCanceled}, nil
	}
	if source := s.version.Spec.Source; source != nil && source.Error != "" {
		return verdict{refusal: fault.New(fault.Invalid, "%s", source.Error).Because(v1alpha1.ReasonSourceInvalid)}, nil
	}
	s.sayParsed()
	if refusal := unset(&s.version.Spec.Content); refusal != nil {
		return verdict{refusal: refusal}, nil
	}
	if refusal, err := r.valuesStored(ctx, s); refusal != nil || err != nil {
		return verdict{refusal: refusal}, err
	}
	return r.try(ctx, s)
}

// try is examine for a content whose values are all there.
func (r *Reconciler) try(ctx context.Context, s *scope) (verdict, error) {
	compiled, problems := render.Compile(&s.version.Spec.Content)
	if len(problems) > 0 {
		return verdict{refusal: refuse(problems)}, nil
	}
	s.say(stageChecking, v1alpha1.LogInfo, "compiled", "the expressions compile")
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
	s.sayRendered(workload, placeholders)
	refusal, err := r.ask(ctx, s, workload)
	if err != nil {
		return verdict{}, err
	}
	if refusal != nil {
		return excuse(refusal, placeholders).with(workload), nil
	}
	note := "the content compiles and renders, and the cluster would take its pod"
	refusal, beside, err := r.tryExtras(ctx, s, workload)
	if err != nil {
		return verdict{}, err
	}
	if refusal != nil {
		return excuse(refusal, placeholders).with(workload), nil
	}
	return verdict{note: note + beside, resources: workload.Resources}, nil
}

// errCanceled ends a check that somebody asked to end.
var errCanceled = fault.New(fault.Conflict, "the check was canceled").Because(v1alpha1.ReasonCanceled)

// canceled tells whether the check is to end early. One that has ended before is not canceled when it is made again.
func (s *scope) canceled() bool {
	j := s.version.Status.Job
	return s.version.Spec.Cancel != nil && (j == nil || !j.Phase.Ended())
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

// with is the verdict with what was rendered, unless it refuses that.
func (v verdict) with(workload *render.Workload) verdict {
	if v.refusal == nil {
		v.resources = workload.Resources
	}
	return v
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
// no pod, or one that the Pod Security level forbids. A full quota says something about today, and so does another's
// admission, which is asked again; what takes no dry runs is asked when the pod is made.
func (r *Reconciler) ask(ctx context.Context, s *scope, workload *render.Workload) (*fault.Error, error) {
	content := &s.version.Spec.Content
	pod := &corev1.Pod{ObjectMeta: *workload.Pod.ObjectMeta.DeepCopy(), Spec: *workload.Pod.Spec.DeepCopy()}
	// The name is no random one, so that the same refusal reads the same each time.
	pod.Namespace, pod.Name = s.version.Namespace, "berth-check-"+s.hash[:12]
	verdict, err := trial.Pod(ctx, r, content, pod)
	switch {
	case err != nil:
		return nil, fmt.Errorf("dry run of the pod in namespace %s: %w", pod.Namespace, err)
	case verdict.Answer == trial.Refused:
		return nil, fmt.Errorf("dry run of the pod in namespace %s: %s", pod.Namespace, verdict.Message)
	case verdict.Answer == trial.Wrong:
		return refuse(verdict.Problems), nil
	case verdict.Answer == trial.Insecure:
		return verdict.Insecurity(content), nil
	}
	return nil, nil
}
