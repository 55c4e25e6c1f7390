// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
)

// yield refuses a workspace whose id or name an older one has, and stops it where it runs: of two that were applied in
// the same second each may have started before the caches showed the other. What its volumes hold is left alone. Nothing
// counts as acted upon any more, so that its wish is met once the name is free.
func (r *Reconciler) yield(ctx context.Context, s *scope) error {
	refusal := r.stands(ctx, s)
	if _, refused := fault.As(refusal); !refused || !ledger.Runs(s.accepted) {
		return refusal
	}
	s.moved = true
	err := r.make(ctx, s, ledger.Decision{Spec: ledger.StopBuild(&s.workspace, s.builds), Acted: &v1alpha1.Wish{}})
	if err != nil {
		return err
	}
	return phase.Wait(0, v1alpha1.ReasonProgressing, "the ledger has moved")
}
