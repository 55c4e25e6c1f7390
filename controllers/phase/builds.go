// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
)

// Builds are a workspace's builds of its present life, as the reader knows them, in no order. Builds that were restored name
// the uid of the workspace they were made for, and are found by its id.
func Builds(ctx context.Context, c client.Reader, w *v1alpha1.Workspace, opts ...client.ListOption) ([]*v1alpha1.WorkspaceBuild, error) {
	seen := map[types.UID]bool{}
	var builds []*v1alpha1.WorkspaceBuild
	for _, id := range slices.Compact([]string{string(w.UID), ledger.ID(w)}) {
		var list v1alpha1.WorkspaceBuildList
		here := []client.ListOption{client.InNamespace(w.Namespace), client.MatchingFields{index.OfID: id}}
		if err := c.List(ctx, &list, append(here, opts...)...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			b := &list.Items[i]
			if !seen[b.UID] && string(b.Spec.WorkspaceRef.Name) == w.Name && b.DeletionTimestamp == nil {
				seen[b.UID] = true
				builds = append(builds, b)
			}
		}
	}
	return ledger.OfThisLife(w, builds), nil
}

// Record writes the outcome of a build beside its status, which a restore drops, where it is not what is believed anyway.
func Record(ctx context.Context, c client.Client, b *v1alpha1.WorkspaceBuild) error {
	outcome := ledger.Remembered(b)
	if outcome == "" || b.Annotations[v1alpha1.AnnotationOutcome] == string(outcome) {
		return nil
	}
	return client.IgnoreNotFound(MergePatch(ctx, c, b, map[string]any{"metadata": map[string]any{
		"uid": b.UID, "annotations": map[string]any{v1alpha1.AnnotationOutcome: string(outcome)},
	}}))
}
