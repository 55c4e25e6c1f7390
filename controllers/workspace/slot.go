// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/warm"
)

// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces,verbs=get;list;watch;patch

// slot has the first start of a workspace claim a prepared workspace of its template's pool. It gives nil where there is
// none to be had: then the workspace starts as it would without a pool. Only a template with a pool costs anything here.
func (r *Reconciler) slot(ctx context.Context, s *scope, spec *v1alpha1.WorkspaceBuildSpec) (*v1alpha1.UIDReference, error) {
	first := spec.Number == 1 && spec.Transition == v1alpha1.TransitionStart
	if !first || !warm.Has(s.template, &s.workspace) {
		return nil, nil
	}
	wish := warm.Wish{
		Namespace: s.workspace.Namespace, Template: v1alpha1.ObjectName(s.template.Name), Parameters: spec.Parameters, Hash: spec.ResolvedHash,
	}
	claimed, err := r.claimed(ctx, s, wish)
	if claimed != nil || err != nil {
		return claimed, err
	}
	var slots v1alpha1.WarmWorkspaceList
	of := client.MatchingFields{index.Template: s.template.Name}
	if err := r.List(ctx, &slots, client.InNamespace(wish.Namespace), of); err != nil {
		return nil, err
	}
	for _, free := range warm.Candidates(slots.Items, wish) {
		err := phase.MergePatch(ctx, r.Client, free, warm.Claim(free, &s.workspace, ledger.OwnerReference(&s.workspace), s.now))
		switch {
		case err == nil:
			return warm.Reference(free), nil
		case !warm.Lost(err):
			return nil, err // whether it was committed, the next pass finds out
		}
	}
	return nil, nil
}

// claimed is the one that the workspace has claimed already, by a process that has died, or in a write whose answer was
// lost. The live cluster is asked, as the cache may not have seen it.
func (r *Reconciler) claimed(ctx context.Context, s *scope, wish warm.Wish) (*v1alpha1.UIDReference, error) {
	var slots v1alpha1.WarmWorkspaceList
	if err := r.Live.List(ctx, &slots, client.InNamespace(wish.Namespace), labelled(&s.workspace)); err != nil {
		return nil, err
	}
	for i := range slots.Items {
		if slot := &slots.Items[i]; warm.IsOf(slot, &s.workspace) && warm.Fits(slot, wish) && slot.DeletionTimestamp == nil {
			return warm.Reference(slot), nil
		}
	}
	return nil, nil
}
