// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/trial"
)

// ask has the cluster judge everything that a start would make.
func (r *Reconciler) ask(ctx context.Context, s *scope) error {
	var faults []*fault.Error
	for _, part := range []func(context.Context, *scope) (*fault.Error, error){r.askReferences, r.askPod, r.askClaims, r.askExtras} {
		refusal, err := part(ctx, s)
		if err != nil {
			return fmt.Errorf("the cluster did not answer: %w", err)
		}
		faults = append(faults, refusal)
	}
	if refusal := fault.Join("A workspace could not start.", faults...); refusal != nil {
		return refusal
	}
	return nil
}

// askReferences looks whether what the pod names is there and open to templates. Of a Secret nothing but its metadata is
// asked for.
func (r *Reconciler) askReferences(ctx context.Context, s *scope) (*fault.Error, error) {
	var faults []*fault.Error
	for _, ref := range s.workload.References {
		o := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: ref.Kind}}
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.run.Namespace, Name: ref.Name}, o)
		switch {
		case apierrors.IsNotFound(err) && ref.Optional:
		case apierrors.IsNotFound(err):
			faults = append(faults, fault.On(ref.Path, "there is no %s %s in namespace %s", ref.Kind, ref.Name, s.run.Namespace))
		case err != nil:
			return nil, err
		case o.Labels[render.LabelMountable] != "true":
			faults = append(faults, fault.On(ref.Path, "%s %s is not open to templates: it lacks the label %s=true", ref.Kind, ref.Name, render.LabelMountable))
		}
	}
	return because(fault.Join("What the pod names is missing.", faults...)), nil
}

func (r *Reconciler) askPod(ctx context.Context, s *scope) (*fault.Error, error) {
	content := &s.version.Spec.Content
	pod := &corev1.Pod{ObjectMeta: *s.workload.Pod.ObjectMeta.DeepCopy(), Spec: *s.workload.Pod.Spec.DeepCopy()}
	pod.Namespace, pod.Name = s.run.Namespace, s.name()
	pod.Labels = merged(pod.Labels, s.labels())
	verdict, err := trial.Pod(ctx, r, content, pod)
	if err != nil {
		return nil, err
	}
	if verdict.Answer == trial.Insecure {
		return verdict.Insecurity(content), nil
	}
	return s.answer(verdict, "pod", trial.Root(content)), nil
}

func (r *Reconciler) askClaims(ctx context.Context, s *scope) (*fault.Error, error) {
	var faults []*fault.Error
	for _, c := range s.workload.Claims {
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.run.Namespace, Name: c.Name, Labels: s.labels()},
			Spec:       c.Spec,
		}
		verdict, err := trial.Claim(ctx, r, &s.version.Spec.Content, c.Volume, claim)
		if err != nil {
			return nil, err
		}
		faults = append(faults, s.answer(verdict, "volume claim "+c.Volume, "spec.content.volumeClaims"))
	}
	return because(fault.Join("A volume claim could not be made.", faults...)), nil
}

// askExtras asks as the service account with whose rights extra objects are applied.
func (r *Reconciler) askExtras(ctx context.Context, s *scope) (*fault.Error, error) {
	if len(s.workload.Extras) == 0 {
		return nil, nil
	}
	as, err := r.As(s.run.Namespace, s.org.ServiceAccount())
	if err != nil {
		return nil, err
	}
	var faults []*fault.Error
	for _, extra := range s.workload.Extras {
		i := slices.IndexFunc(s.version.Spec.Content.ExtraObjects, func(x v1alpha1.ExtraObject) bool { return x.ID == extra.ID })
		at := fmt.Sprintf("spec.content.extraObjects[%d].object", i)
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(extra.Object)}
		u.SetNamespace(s.run.Namespace)
		verdict, err := trial.Object(ctx, as, at, u)
		if err != nil {
			return nil, err
		}
		faults = append(faults, s.answer(verdict, "extra object "+extra.ID, at))
	}
	return because(fault.Join("An extra object could not be made.", faults...)), nil
}

// answer writes what the cluster said into the log, and gives the refusal that it is; nil when it is none.
func (s *scope) answer(v trial.Verdict, what, at string) *fault.Error {
	switch v.Answer {
	case trial.Taken:
		s.say(stageDryRun, v1alpha1.LogInfo, what, "the cluster would take the %s", what)
		return nil
	case trial.Unasked:
		s.say(stageDryRun, v1alpha1.LogWarn, what, "the cluster can't tell about the %s: %s", what, v.Message)
		return nil
	case trial.Wrong:
		return render.Fault(v.Problems)
	}
	return fault.On(at, "the cluster refuses the %s: %s", what, v.Message).Because(v1alpha1.ReasonRefused)
}

// because gives a refusal of several a reason.
func because(f *fault.Error) *fault.Error {
	if f == nil || f.Reason != "" {
		return f
	}
	return f.Because(v1alpha1.ReasonRefused)
}

// name is one that no object of a workspace has.
func (s *scope) name() string { return "berth-dry-run-" + string(s.run.UID) }

func (s *scope) labels() map[string]string {
	return map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelID: string(s.run.UID)}
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}
