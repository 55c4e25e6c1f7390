// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// Provide has a claim for a volume there, as the holder's. A claim is made once and found again by its name; one of
// somebody else is never taken.
func (m *Maker) Provide(ctx context.Context, h *Holder, volume string, want *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	claim, err := m.findOrMake(ctx, h, want)
	switch {
	case err != nil:
		return nil, err
	case claim.DeletionTimestamp != nil:
		return nil, phase.Wait(0, v1alpha1.ReasonClaimPending, "volume claim %s is being deleted; it is made anew when it is gone", claim.Name)
	case !h.OwnsClaim(claim, volume):
		return nil, phase.Wait(h.Retry, v1alpha1.ReasonClaimTaken, "volume claim %s stands in the way: it is not this %s's (%s); "+
			"delete it if nobody needs it", claim.Name, h.Kind, h.Marks)
	}
	return claim, nil
}

// findOrMake gives the claim of the name. One that is not ours is in no cache, so it is met when it is to be made.
func (m *Maker) findOrMake(ctx context.Context, h *Holder, want *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	var found corev1.PersistentVolumeClaim
	err := m.Get(ctx, client.ObjectKeyFromObject(want), &found)
	if !apierrors.IsNotFound(err) {
		return &found, err
	}
	made := want.DeepCopy()
	err = m.Create(ctx, made, phase.Owner)
	switch {
	case apierrors.IsAlreadyExists(err):
		err = m.Live.Get(ctx, client.ObjectKeyFromObject(want), &found)
		return &found, err
	case Refused(err):
		return nil, phase.Wait(h.Retry, v1alpha1.ReasonClaimPending, "the cluster refuses volume claim %s: %s", want.Name, ReasonOf(err))
	}
	return made, err
}
