// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
)

// Builds are the builds that name a Workspace as theirs, by its uid, in no order.
func Builds(ctx context.Context, c client.Reader, w *v1alpha1.Workspace, opts ...client.ListOption) ([]*v1alpha1.WorkspaceBuild, error) {
	var list v1alpha1.WorkspaceBuildList
	opts = append(opts, client.InNamespace(w.Namespace), client.MatchingFields{index.OfID: string(w.UID)})
	if err := c.List(ctx, &list, opts...); err != nil {
		return nil, err
	}
	builds := make([]*v1alpha1.WorkspaceBuild, 0, len(list.Items))
	for i := range list.Items {
		if b := &list.Items[i]; b.Spec.WorkspaceRef.UID == w.UID { // a label alone is anybody's word
			builds = append(builds, b)
		}
	}
	return builds, nil
}
