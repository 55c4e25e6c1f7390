// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/rollout"
)

// version is a TemplateVersion with what was found out about it.
type version struct {
	*v1alpha1.TemplateVersion
	// hash is that of its content.
	hash string
	// builds are the uids of the workspaces' builds that name it, by uid of the build.
	builds map[string]bool
	// starts are those of the version that have ended.
	starts []rollout.Start
}

// short is how people and columns call a version: the digits of its hash that are in its name, or the first six.
func (v *version) short() string {
	if v.Spec.TemplateRef != nil {
		digits, ok := strings.CutPrefix(v.Name, stem(string(v.Spec.TemplateRef.Name))+"-")
		if ok && len(digits) >= fewestDigits && strings.HasPrefix(v.hash, digits) {
			return digits
		}
	}
	return v.hash[:fewestDigits]
}

// observe reads the template's versions and who uses it.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	if content := s.template.Spec.Content; content != nil {
		hash, err := render.Hash(content)
		if err != nil {
			return err
		}
		s.hash = hash
	}
	if err := r.observeVersions(ctx, s); err != nil {
		return err
	}
	return r.observeUse(ctx, s)
}

func (r *Reconciler) observeVersions(ctx context.Context, s *scope) error {
	var list v1alpha1.TemplateVersionList
	if err := r.List(ctx, &list, client.InNamespace(s.template.Namespace), client.MatchingFields{index.Template: s.template.Name}); err != nil {
		return err
	}
	for i := range list.Items {
		v := version{TemplateVersion: &list.Items[i], builds: map[string]bool{}}
		var err error
		if v.hash, err = render.Hash(&v.Spec.Content); err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		var builds v1alpha1.WorkspaceBuildList
		if err := r.List(ctx, &builds, client.MatchingFields{index.Version: string(v.UID)}, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
		for _, b := range builds.Items {
			v.builds[string(b.UID)] = true
			if s, ok := start(&b); ok {
				v.starts = append(v.starts, s)
			}
		}
		s.versions = append(s.versions, v)
	}
	slices.SortFunc(s.versions, func(a, b version) int {
		if phase.Older(a, b) {
			return 1
		}
		return -1
	})
	return nil
}

// start is a build as a rollout counts it: a start that was at work and has ended, well or not. One that was canceled, or
// that another build took the place of, says nothing about its version.
func start(b *v1alpha1.WorkspaceBuild) (rollout.Start, bool) {
	job := b.Status.Job
	if b.Spec.Transition != v1alpha1.TransitionStart || job == nil || job.StartedAt == nil || job.CompletedAt == nil {
		return rollout.Start{}, false
	}
	ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
	superseded := ready != nil && ready.Reason == v1alpha1.ReasonSuperseded
	return rollout.Start{
		Workspace: b.Spec.WorkspaceRef.UID, Number: b.Spec.Number, At: job.CompletedAt.Time, Succeeded: job.Phase == v1alpha1.JobSucceeded,
	}, job.Phase == v1alpha1.JobSucceeded || job.Phase == v1alpha1.JobFailed && !superseded
}

// observeUse reads the workspaces that use the template, those of other organizations included.
func (r *Reconciler) observeUse(ctx context.Context, s *scope) (err error) {
	s.workspaces, err = phase.WorkspacesOf(ctx, r, &s.template, client.UnsafeDisableDeepCopy)
	return err
}

// ofVersion names the Template of a version.
func ofVersion(_ context.Context, o client.Object) []reconcile.Request {
	v, ok := o.(*v1alpha1.TemplateVersion)
	if !ok || v.Spec.TemplateRef == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: v.Namespace, Name: string(v.Spec.TemplateRef.Name)}}}
}

// ofWorkspace names the Template of a workspace.
func (r *Reconciler) ofWorkspace(ctx context.Context, o client.Object) []reconcile.Request {
	w, ok := o.(*v1alpha1.Workspace)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: phase.TemplateOf(ctx, r, w)}}
}

// turns tells whether a workspace that came or went may be the first or the last of its Template: the policy that refuses
// to delete a Template in use goes by the count, and a Template that is being deleted waits for it.
func (r *Reconciler) turns(ctx context.Context, of reconcile.Request, w client.Object, gone bool) bool {
	var t v1alpha1.Template
	if r.Get(ctx, of.NamespacedName, &t) != nil || t.DeletionTimestamp != nil || t.Status.Workspaces == 0 {
		return true
	}
	if !gone {
		return false
	}
	var others v1alpha1.WorkspaceList
	key := of.Name
	if w, ok := w.(*v1alpha1.Workspace); ok {
		key = w.Spec.TemplateRef.Key()
	}
	err := r.List(ctx, &others, client.InNamespace(w.GetNamespace()), client.MatchingFields{index.Template: key}, client.Limit(1), client.UnsafeDisableDeepCopy)
	return err != nil || len(others.Items) == 0
}

// ofBuild names the Template that is bringing out the version of a build.
func (r *Reconciler) ofBuild(ctx context.Context, o client.Object) []reconcile.Request {
	b, ok := o.(*v1alpha1.WorkspaceBuild)
	if !ok || b.Spec.VersionRef == nil {
		return nil
	}
	var w v1alpha1.Workspace
	if r.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: string(b.Spec.WorkspaceRef.Name)}, &w) != nil {
		return nil // what is deleted tells nothing any more
	}
	key := phase.TemplateOf(ctx, r, &w)
	var t v1alpha1.Template
	if r.Get(ctx, key, &t) != nil || t.Status.Candidate == nil || t.Status.Candidate.UID != b.Spec.VersionRef.UID {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// ended lets only the end of a build through, which is what a rollout counts.
func ended() predicate.Predicate {
	over := func(o client.Object) bool {
		b, ok := o.(*v1alpha1.WorkspaceBuild)
		return ok && b.Phase().Ended()
	}
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false }, // every Template is looked at when the manager starts
		UpdateFunc: func(e event.UpdateEvent) bool { return !over(e.ObjectOld) && over(e.ObjectNew) },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// within names the Templates of an Organization or namespace, which have the same name.
func (r *Reconciler) within(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.TemplateList{}, client.InNamespace(o.GetName()))
}

// built lets those events of a workspace through that change what a Template shows: it came, it went, another build was
// accepted, or it names another version.
func built() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.Workspace)
		is, also := e.ObjectNew.(*v1alpha1.Workspace)
		return !ok || !also || was.Generation != is.Generation || accepted(was) != accepted(is)
	}}
}

// accepted is the uid of the build that a workspace is held to; empty before the first.
func accepted(w *v1alpha1.Workspace) string {
	if w.Status.Build == nil {
		return ""
	}
	return string(w.Status.Build.UID)
}
