// SPDX-License-Identifier: Apache-2.0

package organization

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// use finds the workspaces that stand in the organization's namespaces.
func (r *Reconciler) use(ctx context.Context, s *scope) error {
	s.workspaces = nil
	namespaces := []string{s.org.Name}
	for _, n := range s.further {
		namespaces = append(namespaces, n.Name)
	}
	for _, namespace := range namespaces {
		var list v1alpha1.WorkspaceList
		opts := []client.ListOption{client.InNamespace(namespace), client.UnsafeDisableDeepCopy}
		if s.org.DeletionTimestamp == nil {
			opts = append(opts, client.Limit(1)) // that there is one is enough, until they are waited for by name
		}
		if err := r.List(ctx, &list, opts...); err != nil {
			return err
		}
		for i := range list.Items {
			w := &list.Items[i]
			s.workspaces = append(s.workspaces, w.Namespace+"/"+w.Name)
		}
	}
	s.org.Status.InUse = len(s.workspaces) > 0
	return nil
}

// unused holds an organization that is being deleted until no workspace stands in it: its pods would run on as nobody's.
// The admission policy refuses such a deletion outright; this is the second line.
func (r *Reconciler) unused(_ context.Context, s *scope) error {
	n := len(s.workspaces)
	if n == 0 {
		return nil
	}
	slices.Sort(s.workspaces)
	shown := s.workspaces[:min(n, 3)]
	names := strings.Join(shown, ", ")
	if n > len(shown) {
		names += fmt.Sprintf(", %d more", n-len(shown))
	}
	return phase.Wait(0, v1alpha1.ReasonInUse, "it goes when its workspaces are gone: %s", names)
}
