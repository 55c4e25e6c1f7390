// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"errors"
	"maps"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
)

// decide asks the ledger what comes next, and does it. Whatever it writes ends the pass: the next one decides from what
// was written.
func (r *Reconciler) decide(ctx context.Context, s *scope) error {
	decision := ledger.Decide(ledger.View{
		Workspace: &s.workspace, Builds: s.builds, Claims: len(s.claims) > 0, Pod: s.pod() != nil,
		Start: s.start, Refusal: s.refusal, Fit: s.fit, Rules: s.rules(), Now: s.now,
	})
	s.until = decision.Until
	switch decision.Action {
	case ledger.Hold:
		return s.wrong
	case ledger.Blocked:
		return decision.Because
	case ledger.Wait:
		return phase.Wait(max(decision.Until.Sub(s.now), 0), v1alpha1.ReasonProgressing, "the API server makes the first build")
	}
	if err := r.affordable(ctx, s, decision); err != nil {
		return err
	}
	s.moved = true
	var err error
	switch decision.Action {
	case ledger.Note:
		err = r.write(ctx, s, func(status *v1alpha1.WorkspaceStatus) {
			status.Acted, status.Schedule = decision.Acted, decision.Schedule
		})
	case ledger.Accept:
		err = r.accept(ctx, s, decision.Build, decision.Acted)
	case ledger.Make:
		err = r.make(ctx, s, decision)
	case ledger.Refuse:
		err = r.fail(ctx, decision.Build, decision.Because, s)
	case ledger.Discard:
		err = r.discard(ctx, s, decision.Build)
	case ledger.Remove:
		err = r.remove(ctx, s)
	case ledger.Sleep:
		err = r.sleep(ctx, s)
	case ledger.Wake:
		err = r.wake(ctx, s)
	case ledger.Expire:
		err = r.expire(ctx, s)
	}
	var wait *phase.Waiting
	switch {
	case err == nil:
		return phase.Wait(0, v1alpha1.ReasonProgressing, "the ledger has moved")
	case !errors.As(err, &wait):
		s.moved = false // the cluster refused, which people must see
	}
	return err
}

// fit refuses a build of the API server that must not start: its version must be one of the workspace's template, and
// nothing may be wrong with the workspace itself.
func (s *scope) fit(b *v1alpha1.WorkspaceBuild) error {
	if f, ok := fault.As(s.refusal); ok && (f.Reason == v1alpha1.ReasonOwnerSuspended || f.Reason == v1alpha1.ReasonOwnerMissing ||
		f.Reason == v1alpha1.ReasonTemplateMissing || f.Reason == v1alpha1.ReasonTemplateNotOpen) {
		return s.refusal
	}
	if b.Spec.VersionRef == nil {
		return fault.On("spec.versionRef", "a start names its version")
	}
	return nil
}

// remove deletes the workspace that an accepted build has sentenced.
func (r *Reconciler) remove(ctx context.Context, s *scope) error {
	return client.IgnoreNotFound(r.Delete(ctx, &s.workspace, client.Preconditions{UID: &s.workspace.UID},
		client.PropagationPolicy("Background")))
}

// reclaim takes back what belongs to a workspace that lives: the claims that an earlier deletion had marked, and builds
// that have lost their owner or were made without.
func (r *Reconciler) reclaim(ctx context.Context, s *scope) error {
	for i := range s.claims {
		claim := &s.claims[i]
		_, marked := claim.Annotations[v1alpha1.AnnotationDeleteAfter]
		if !marked || claim.Annotations[v1alpha1.AnnotationOwner] != string(s.workspace.Spec.Owner.User) {
			continue // another person's claims are not taken back by one who knows their id
		}
		err := phase.MergePatch(ctx, r.Client, claim, map[string]any{"metadata": map[string]any{"uid": claim.UID, "annotations": map[string]any{
			v1alpha1.AnnotationDeleteAfter: nil, v1alpha1.AnnotationUndelete: nil,
		}}})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	for _, b := range s.builds {
		if ledger.Owns(&s.workspace, b) || b.Spec.WorkspaceRef.UID != s.workspace.UID {
			continue
		}
		err := phase.MergePatch(ctx, r.Client, b, map[string]any{"metadata": map[string]any{
			"uid": b.UID, "resourceVersion": b.ResourceVersion,
			"ownerReferences": append(b.OwnerReferences, ledger.OwnerReference(&s.workspace)),
		}})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// recall writes down the end of builds that a restore has brought back without a word of it, before anything is decided
// by them.
func (r *Reconciler) recall(ctx context.Context, s *scope) error {
	for _, b := range s.builds {
		if !ledger.Forgotten(&s.workspace, b) {
			continue
		}
		outcome := map[string]string{v1alpha1.AnnotationOutcome: string(v1alpha1.JobSucceeded)}
		err := phase.MergePatch(ctx, r.Client, b, map[string]any{"metadata": map[string]any{
			"uid": b.UID, "resourceVersion": b.ResourceVersion, "annotations": outcome,
		}})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if b.Annotations == nil {
			b.Annotations = map[string]string{}
		}
		maps.Copy(b.Annotations, outcome)
	}
	return nil
}

// mark ends builds that will never be acted upon, and records the end of those that are not the accepted one.
func (r *Reconciler) mark(ctx context.Context, s *scope) error {
	for _, b := range s.builds {
		if !ledger.Superseded(&s.workspace, b) {
			continue
		}
		if !ledger.InProgress(b) {
			if err := phase.Record(ctx, r.Client, b); err != nil {
				return err
			}
			continue
		}
		why := fault.New(fault.Conflict, "build %d was accepted in its place", s.workspace.Status.Build.Number).Because(v1alpha1.ReasonSuperseded)
		if err := r.fail(ctx, b, why, s); err != nil {
			return err
		}
	}
	return nil
}

// prune forgets builds that nobody needs.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	for _, b := range ledger.Prune(&s.workspace, s.builds) {
		if err := client.IgnoreNotFound(r.Delete(ctx, b, client.Preconditions{UID: &b.UID})); err != nil {
			return err
		}
	}
	return nil
}
