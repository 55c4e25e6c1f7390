// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/warm"
)

// ClaimWarm has a workspace that was just stored claim a prepared one of its template's pool, for its first build. It gives
// nil where there is none to be had: the workspace starts as it would without a pool then. Only a template with a pool
// costs anything here.
//
// The cluster takes one claim of a prepared workspace; who comes second tries the next. A claim whose answer was lost is
// looked at once more, and one that nobody can tell of is left: what no build names is removed by the manager.
func (s *Store) ClaimWarm(ctx context.Context, w *v1alpha1.Workspace, t *v1alpha1.Template, wish warm.Wish, now time.Time) (*v1alpha1.UIDReference, error) {
	if !warm.Has(t, w) {
		return nil, nil
	}
	var slots v1alpha1.WarmWorkspaceList
	err := s.cache.List(ctx, &slots, client.InNamespace(w.Namespace), client.MatchingFields{index.Template: t.Name})
	if err != nil {
		return nil, asFault(err)
	}
	for _, free := range warm.Candidates(slots.Items, wish) {
		patch, err := json.Marshal(warm.Claim(free, w, ledger.OwnerReference(w), now))
		if err != nil {
			return nil, err
		}
		err = s.live.Patch(ctx, free.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
		switch {
		case err == nil:
			return warm.Reference(free), nil
		case warm.Lost(err):
			continue
		}
		return s.claimed(ctx, free, w)
	}
	return nil, nil
}

// claimed tells whether a claim was committed whose answer was an error.
func (s *Store) claimed(ctx context.Context, slot *v1alpha1.WarmWorkspace, w *v1alpha1.Workspace) (*v1alpha1.UIDReference, error) {
	var live v1alpha1.WarmWorkspace
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(slot), &live); err != nil {
		return nil, asFault(client.IgnoreNotFound(err))
	}
	if live.UID != slot.UID || !warm.IsOf(&live, w) {
		return nil, nil
	}
	return warm.Reference(&live), nil
}
