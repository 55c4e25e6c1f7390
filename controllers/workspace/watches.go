// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	workspaces := func() client.ObjectList { return &v1alpha1.WorkspaceList{} }
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Workspace{}).
		Watches(&v1alpha1.Workspace{}, phase.Rematch(mgr.GetClient(), workspaces, index.ID, index.OwnerName),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.ofRoom), builder.WithPredicates(room())).
		Watches(&v1alpha1.WorkspaceBuild{}, handler.EnqueueRequestsFromMapFunc(ofBuild)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		Watches(&v1alpha1.Template{}, handler.EnqueueRequestsFromMapFunc(r.ofTemplate), builder.WithPredicates(templateMatters())).
		Watches(&v1alpha1.Group{}, handler.EnqueueRequestsFromMapFunc(r.ofGroup), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.User{}, handler.EnqueueRequestsFromMapFunc(r.ofUser), builder.WithPredicates(userMatters())).
		Watches(&v1alpha1.Organization{}, handler.EnqueueRequestsFromMapFunc(r.ofOrganization),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace)).
		Complete(phase.Calm(r))
}

func ofBuild(_ context.Context, o client.Object) []reconcile.Request {
	b, ok := o.(*v1alpha1.WorkspaceBuild)
	if !ok {
		return nil
	}
	return named(b.Namespace, string(b.Spec.WorkspaceRef.Name))
}

// ofOwned names the workspace of a pod or claim. What somebody wrote there only leads to a pass that finds nothing to do.
func ofOwned(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetAnnotations()[v1alpha1.AnnotationWorkspace]
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == "Workspace" && ref.APIVersion == v1alpha1.GroupVersion.String() {
			name = ref.Name
		}
	}
	if name == "" {
		return nil
	}
	return named(o.GetNamespace(), name)
}

func named(namespace, name string) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}}
}

// ofTemplate names the workspaces of a template: in every namespace of its organization, and those of others, whether it is
// open to them or no more.
func (r *Reconciler) ofTemplate(ctx context.Context, o client.Object) []reconcile.Request {
	t, ok := o.(*v1alpha1.Template)
	if !ok {
		return nil
	}
	all := phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.Template: t.Name})
	requests := phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.Template: index.SharedTemplate(t)})
	for _, request := range all {
		var namespace corev1.Namespace
		if r.Get(ctx, client.ObjectKey{Name: request.Namespace}, &namespace) == nil &&
			namespace.Labels[v1alpha1.LabelOrganization] == o.GetNamespace() {
			requests = append(requests, request)
		}
	}
	return requests
}

// ofGroup names the workspaces of a group's members, of those before a change and of those after it: who is in it decides
// which version they get while one comes out, and what they may use. What its quota refuses is ofRoom's.
func (r *Reconciler) ofGroup(ctx context.Context, o client.Object) []reconcile.Request {
	g, ok := o.(*v1alpha1.Group)
	if !ok {
		return nil
	}
	members, err := phase.Members(ctx, r, g)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the members of a group", "group", client.ObjectKeyFromObject(g))
		return nil
	}
	requests := r.ofRoom(ctx, o)
	for name := range members {
		requests = append(requests, phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.Owner: name})...)
	}
	return requests
}

// ofRoom names the workspaces whose start a quota refuses: one that stopped or went may have left enough.
func (r *Reconciler) ofRoom(ctx context.Context, _ client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.Refused: v1alpha1.ReasonQuotaExceeded})
}

// room passes the changes of a workspace after which it may take less.
func room() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok := e.ObjectOld.(*v1alpha1.Workspace)
			is, also := e.ObjectNew.(*v1alpha1.Workspace)
			return ok && also && (!equality.Semantic.DeepEqual(was.Status.Build, is.Status.Build) || was.Status.Phase != is.Status.Phase ||
				was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() || len(was.Status.Volumes) > len(is.Status.Volumes))
		},
	}
}

func (r *Reconciler) ofUser(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.Owner: o.GetName()})
}

// ofOrganization names what stands in the organization's home, the namespace of its name; further namespaces tell their
// change themselves.
func (r *Reconciler) ofOrganization(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.InNamespace(o.GetName()))
}

func (r *Reconciler) ofNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	return phase.Requests(ctx, r, &v1alpha1.WorkspaceList{}, client.InNamespace(o.GetName()))
}

// step is a version that comes out, and how far it is.
type step struct {
	version types.UID
	number  int32
}

// reached is what of a rollout a workspace's next start depends on; the counts are none of it.
func reached(c *v1alpha1.RolloutCandidate) step {
	if c == nil {
		return step{}
	}
	return step{version: c.UID, number: c.Step}
}

// userMatters passes only changes of a user that a workspace's next start depends on.
func userMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.User)
		is, also := e.ObjectNew.(*v1alpha1.User)
		return !ok || !also || was.Generation != is.Generation || !slices.Equal(was.Status.ExternalAuth, is.Status.ExternalAuth)
	}}
}

// templateMatters passes only changes of a template that a workspace's next start depends on; its counts are none.
func templateMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok := e.ObjectOld.(*v1alpha1.Template)
		is, also := e.ObjectNew.(*v1alpha1.Template)
		if !ok || !also {
			return true
		}
		return was.Generation != is.Generation ||
			!equality.Semantic.DeepEqual(was.Status.ActiveVersion, is.Status.ActiveVersion) ||
			reached(was.Status.Candidate) != reached(is.Status.Candidate) ||
			meta.IsStatusConditionTrue(was.Status.Conditions, v1alpha1.ConditionStalled) !=
				meta.IsStatusConditionTrue(is.Status.Conditions, v1alpha1.ConditionStalled)
	}}
}
